use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use super::place::Place;

/// The binary of this build, in the bench profile.
pub(crate) fn binary() -> &'static Path {
    Path::new(env!("CARGO_BIN_EXE_procman"))
}

/// procman on a config of its own.
pub(crate) struct Procman {
    config: PathBuf,
}

impl Procman {
    /// Writes the config into the place; the state directory lies beside it.
    pub(crate) fn new(place: &Place, config: &str) -> Self {
        let file = place.path().join("services.toml");
        fs::write(&file, config).unwrap();
        Self { config: file }
    }

    /// A command line that prints to nobody.
    pub(crate) fn command(&self, words: &str) -> Command {
        let mut command = Command::new(binary());
        command.args(words.split_whitespace()).arg("--config").arg(&self.config);
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).env("NO_COLOR", "1");
        command
    }

    /// Runs a command to its end, which must be success.
    pub(crate) fn run(&self, words: &str) -> Output {
        succeed(self.command(words))
    }
}

/// Runs a command to its end, which must be success.
pub(crate) fn succeed(mut command: Command) -> Output {
    let output = command.stdout(Stdio::piped()).stderr(Stdio::piped()).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?} ended with {}:\n{said}", output.status);
    output
}

/// The config of services with these commands, each with the port that it listens on, if any.
pub(crate) fn config(services: &[(String, Option<u16>)]) -> String {
    let service = |(number, (command, port)): (usize, &(String, Option<u16>))| {
        let port = port.map_or_else(String::new, |port| format!("port = {port}\n"));
        format!("[services.s{number}]\ncommand = \"{command}\"\n{port}")
    };
    services.iter().enumerate().map(service).collect()
}
