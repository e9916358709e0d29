use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use super::place::{self, Place};

const VERSION: &str = "4.3.0";

/// supervisord in a virtual environment of its own, on a config of its own.
pub(crate) struct Supervisord {
    bin: PathBuf,
    config: PathBuf,
}

/// Where supervisord is installed, when it can be: a virtual environment that later runs use again. Says so in one line when
/// it cannot.
pub(crate) fn installed() -> Option<PathBuf> {
    let environment = place::kept().join(format!("supervisor-{VERSION}"));
    let bin = environment.join("bin");
    if !bin.join("supervisord").exists() {
        if let Err(why) = install(&environment) {
            println!("  no comparison: supervisor {VERSION} cannot be installed from PyPI ({why})");
            return None;
        }
    }
    Some(bin)
}

fn install(environment: &Path) -> Result<(), String> {
    run(Command::new("python3").args(["-m", "venv"]).arg(environment))?;
    let mut pip = Command::new(environment.join("bin/pip"));
    pip.args(["install", "--quiet", "--timeout", "20", "--retries", "1"])
        .arg(format!("supervisor=={VERSION}"));
    run(&mut pip)
}

fn run(command: &mut Command) -> Result<(), String> {
    let output = command.stdin(Stdio::null()).output().map_err(|error| error.to_string())?;
    let said = String::from_utf8_lossy(&output.stderr);
    if output.status.success() { Ok(()) } else { Err(said.lines().last().unwrap_or("no reason").to_owned()) }
}

impl Supervisord {
    /// Its defaults, and a program for each of these commands.
    pub(crate) fn new(bin: PathBuf, place: &Place, commands: &[String]) -> Self {
        let dir = place.path();
        let dir = dir.display();
        let mut text = format!(
            "[unix_http_server]\nfile={dir}/supervisor.sock\n\
             [supervisord]\nlogfile={dir}/supervisord.log\npidfile={dir}/supervisord.pid\nchildlogdir={dir}\n\
             [supervisorctl]\nserverurl=unix://{dir}/supervisor.sock\n\
             [rpcinterface:supervisor]\n\
             supervisor.rpcinterface_factory=supervisor.rpcinterface:make_main_rpcinterface\n"
        );
        for (number, command) in commands.iter().enumerate() {
            text.push_str(&format!("[program:s{number}]\ncommand={command}\nautorestart=true\n"));
        }
        let config = place.path().join("supervisord.conf");
        fs::write(&config, text).unwrap();
        Self { bin, config }
    }

    /// Starts it in the background. Whoever made the place ends it.
    pub(crate) fn start(&self) {
        run(&mut self.command("supervisord")).unwrap();
    }

    /// `supervisorctl status`.
    pub(crate) fn status(&self) -> Command {
        let mut command = self.command("supervisorctl");
        command.arg("status").stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        command
    }

    /// The script that the supervisor's process runs.
    pub(crate) fn program(&self) -> PathBuf {
        self.bin.join("supervisord")
    }

    fn command(&self, program: &str) -> Command {
        let mut command = Command::new(self.bin.join(program));
        command.arg("-c").arg(&self.config);
        command
    }
}
