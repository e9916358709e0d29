use super::ini::Ini;
use super::reader::{Ground, Reader};
use super::settings;

/// The variable by which a supervisor knows the options that its command line gave, as a text of a `[supervisord]` section:
/// they hold for each supervisor that follows it, too. No process of a service gets it.
pub const VARIABLE: &str = "PROCMAN_SUPERVISORD";

/// The variable by which it knows where a start by the name of supervisord was made from: relative paths, and programs that
/// have no directory of their own, begin there. No process of a service gets it.
pub const STARTED_IN: &str = "PROCMAN_SUPERVISORD_DIRECTORY";

/// What the text is called where files are named.
pub(super) const NAME: &str = "the command line";

/// Options with their values as such a text.
pub fn text(options: &[(&str, String)]) -> String {
    let line = |(option, value): &(&str, String)| format!("{option}={}\n", value.replace('%', "%%"));
    options.iter().map(line).fold("[supervisord]\n".to_owned(), |text, line| text + &line)
}

/// Proves one option as `[supervisord]` would have it.
///
/// # Errors
/// What is wrong with the value, in supervisord's words.
pub fn prove(option: &str, value: &str, ground: Ground<'_>) -> Result<(), String> {
    let mut ini = Ini::default();
    ini.read(0, NAME, &text(&[(option, value.to_owned())])).map_err(|refusal| refusal.what)?;
    let mut reader = Reader::new(&ini, ground);
    let Some(section) = ini.section("supervisord") else { return Ok(()) };
    let names = reader.with_here();
    let read = reader.options(section, &names).text(option).map_err(|refusal| refusal.what)?;
    if read.as_deref() != Some(value) {
        return Err("it cannot stand in a config file as it is".to_owned());
    }
    settings::read(&mut reader, section).map(drop).map_err(|refusal| refusal.what)
}

#[cfg(test)]
mod tests {
    use super::prove;
    use crate::config::environment::Environment;
    use crate::config::supervisord::reader::{Ground, Trust};
    use std::path::Path;

    #[test]
    fn a_value_is_judged_as_the_config_file_would_judge_it() {
        let environment = Environment::default();
        let ground = Ground {
            config: Path::new("/x.conf"),
            working_directory: Path::new("/"),
            environment: &environment,
            host: "h",
            trust: Trust::Looked,
        };
        for (option, value, said) in [
            ("loglevel", "debug", Ok(())),
            ("identifier", "50%", Ok(())),
            ("loglevel", "loud", Err("bad logging level name 'loud'")),
            ("identifier", "a ;b", Err("it cannot stand in a config file as it is")),
            ("directory", "/no/such", Err("/no/such is not an existing directory")),
        ] {
            assert_eq!(prove(option, value, ground), said.map_err(str::to_owned), "{option}={value}");
        }
        assert!(prove("minfds", "many", ground).is_err());
    }
}
