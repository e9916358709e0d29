use crate::cli::failure::Failure;
use crate::cli::import_args::Import;
use crate::cli::output;
use crate::config::environment::Environment;
use crate::config::find;
use crate::config::load;
use crate::config::supervisord::json::Report;
use crate::config::supervisord::read::{Includes, read};
use crate::config::supervisord::reader::{Ground, Trust};

/// Reads another program's config and prints what it comes to. Nothing is started, and nothing is written.
pub(in crate::cli) fn run(args: &Import) -> Result<(), Failure> {
    let working_directory = std::env::current_dir()
        .map_err(|error| Failure::System(format!("cannot tell the working directory: {error}")))?;
    let config = find::find(Some(&args.file), &working_directory, &Environment::default())?;
    let text = load::read_text(&config).map_err(Failure::Config)?;
    let environment: Environment = plain_login().into_iter().chain(args.variables.iter().cloned()).collect();
    let ground = Ground {
        config: &config,
        working_directory: &working_directory,
        environment: &environment,
        host: &args.hostname,
        trust: Trust::AsItStands,
    };
    let reading = read(&text, ground, Includes::OnDisk);
    output::json(&Report::of(&reading))?;
    if reading.outcome.is_ok() { Ok(()) } else { Err(Failure::Said(2)) }
}

/// The environment that a file is expanded in unless more is said: that of a plain login of root, the same on every
/// machine.
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
