use std::path::{Path, PathBuf};

use crate::cli::failure::Failure;
use crate::cli::import_args::Import;
use crate::cli::output;
use crate::config::environment::Environment;
use crate::config::find;
use crate::config::foreign::compose;
use crate::config::foreign::imported::Imported;
use crate::config::foreign::procfile::{self, DotEnv};
use crate::config::load;
use crate::config::supervisord::ctl;
use crate::config::supervisord::json::Report;
use crate::config::supervisord::load as dialect;
use crate::config::supervisord::model::Reading;
use crate::config::supervisord::read::{Includes, read};
use crate::config::supervisord::reader::{Ground, Trust};
use crate::config::supervisord::translate::{Purpose, Translation, translate};

/// Reads another manager's config and prints what it comes to. Nothing is started, and nothing is written.
pub(in crate::cli) fn run(args: &Import) -> Result<(), Failure> {
    let here = std::env::current_dir()
        .map_err(|error| Failure::System(format!("cannot tell the working directory: {error}")))?;
    let config = find::find(Some(&args.file), &here, &Environment::default())?;
    let text = load::read_text(&config).map_err(Failure::Config)?;
    match Format::of(&config, &text) {
        Some(Format::Supervisord) if args.expanded => expanded(args, &text, &config, &here),
        Some(Format::Supervisord) => translated(args, &text, &config),
        Some(Format::Procfile | Format::Compose) if args.expanded => {
            let what = "`--expanded` is for configs of supervisord";
            Err(Failure::Usage(format!("{what}\nhint: leave it out, and a services.toml is printed")))
        }
        Some(Format::Procfile) => {
            let is_beside = config.with_file_name(".env").exists();
            let dot_env = if is_beside { DotEnv::Beside } else { DotEnv::Absent };
            foreign(&procfile::read(&text, dot_env), &config)
        }
        Some(Format::Compose) => foreign(&compose::read(&text), &config),
        None => {
            let name = config.display();
            let hint = "hint: name a config of supervisord (*.conf, *.ini), a Procfile, or a compose file (*.yaml, *.yml)";
            Err(Failure::Usage(format!("cannot import {name}: it is none of a known kind\n{hint}")))
        }
    }
}

/// Whose file it is.
enum Format {
    Supervisord,
    Procfile,
    Compose,
}

impl Format {
    /// By its name, or by its sections.
    fn of(config: &Path, text: &str) -> Option<Self> {
        let name = config.file_name().unwrap_or_default().to_string_lossy();
        let ending = config.extension().map(|ending| ending.to_string_lossy().to_lowercase());
        match ending.as_deref() {
            Some("yaml" | "yml") => Some(Self::Compose),
            _ if name.starts_with("Procfile") => Some(Self::Procfile),
            _ => dialect::is_dialect(config, text).then_some(Self::Supervisord),
        }
    }
}

/// A Procfile or a compose file as a services.toml; what is changed or left out is said, a line each.
fn foreign(imported: &Imported, config: &Path) -> Result<(), Failure> {
    let name = config.file_name().unwrap_or_default().to_string_lossy();
    if !imported.text.is_empty() {
        print(&name, &imported.text)?;
    }
    for remark in imported.remarks.iter().chain(&imported.refusals) {
        output::say(&format!("{name}:{}: {}", remark.line, remark.what));
    }
    match (imported.text.is_empty(), imported.refusals.is_empty()) {
        (true, _) => Err(Failure::Said(2)),
        (false, false) => Err(Failure::Said(1)),
        (false, true) => Ok(()),
    }
}

fn print(name: &str, text: &str) -> Result<(), Failure> {
    output::line(&format!("# From {name}, by `procman import`.\n\n{}", text.trim_end()))
}

/// Every process as JSON. The same file gives the same answer on every machine.
fn expanded(args: &Import, text: &str, config: &Path, working_directory: &Path) -> Result<(), Failure> {
    let environment: Environment = plain_login().into_iter().chain(args.variables.iter().cloned()).collect();
    let host = args.hostname.as_deref().unwrap_or("localhost");
    let trust = Trust::AsItStands;
    let ground = Ground { config, working_directory, environment: &environment, host, trust };
    let reading = read(text, ground, Includes::OnDisk);
    output::json(&Report::of(&reading, &ctl::read(text, ground)))?;
    if reading.outcome.is_ok() { Ok(()) } else { Err(Failure::Said(2)) }
}

/// The same fleet as a services.toml; what is changed or left out is said, a line each.
fn translated(args: &Import, text: &str, config: &Path) -> Result<(), Failure> {
    let own = Environment::of_this_process();
    let variables = own.variables().clone().into_iter().chain(args.variables.iter().cloned());
    let environment: Environment = variables.collect();
    let host = args.hostname.clone().unwrap_or_else(dialect::host);
    let working_directory = config.parent().map_or_else(PathBuf::new, Path::to_owned);
    let ground = Ground {
        config,
        working_directory: &working_directory,
        environment: &environment,
        host: &host,
        trust: Trust::AsItStands,
    };
    let reading = read(text, ground, Includes::OnDisk);
    let fleet = match &reading.outcome {
        Ok(fleet) => fleet,
        Err(refusals) => return Err(Failure::Config(dialect::problems(&reading, refusals))),
    };
    let translation = translate(fleet, &reading.files, Purpose::Reading);
    let name = config.file_name().unwrap_or_default().to_string_lossy();
    print(&name, &translation.text)?;
    tell(&reading, &translation);
    if translation.refusals.is_empty() { Ok(()) } else { Err(Failure::Said(1)) }
}

fn tell(reading: &Reading, translation: &Translation) {
    for line in dialect::lines(reading, &translation.remarks) {
        output::say(&line);
    }
    for refusal in &translation.refusals {
        let place = refusal.place.as_ref().map(|place| format!("{}: ", dialect::at(reading, place)));
        let hint = refusal.hint.as_ref().map(|hint| format!("\nhint: {hint}"));
        let (place, hint) = (place.unwrap_or_default(), hint.unwrap_or_default());
        output::say(&format!("{place}left out: {}{hint}", refusal.what));
    }
}

/// The environment that `--expanded` has unless more is said: that of a plain login of root.
fn plain_login() -> [(String, String); 7] {
    [
        ("HOME", "/root"),
        ("LANG", "C.UTF-8"),
        ("LOGNAME", "root"),
        ("PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"),
        ("PWD", "/tmp"),
        ("SHELL", "/bin/bash"),
        ("USER", "root"),
    ]
    .map(|(name, value)| (name.to_owned(), value.to_owned()))
}
