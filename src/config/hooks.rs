use std::path::Path;

use super::health::positive;
use super::load::Machine;
use super::prove;
use super::table::Section;
use super::value::Value;
use crate::spec::hooks::{Hook, Hooks, Occasion};

/// Reads the commands that are run on occasions. `directory` is the service's, whose programs are proven if it is one.
pub(super) fn read(section: &Section<'_>, directory: &Path, machine: Machine) -> Hooks {
    let hook = |occasion: Occasion| {
        let hook = one(occasion, &section.value(occasion.key())?, directory, machine)?;
        Some((occasion, hook))
    };
    Occasion::ALL.into_iter().filter_map(hook).collect()
}

fn one(occasion: Occasion, value: &Value<'_>, directory: &Path, machine: Machine) -> Option<Hook> {
    let (line, timeout) = if value.table().is_some() {
        let section = value.section()?;
        let timeout = section.value("timeout").map_or(Some(Hook::TIMEOUT), |value| positive(&value));
        let line = section.value("command");
        section.refuse_others(occasion.key());
        if line.is_none() {
            value.add("this hook has no command", "write `{ command = \"…\", timeout = \"5s\" }`");
        }
        (line?, timeout)
    } else {
        (*value, Some(Hook::TIMEOUT))
    };
    Some(Hook { command: prove::command(&line, directory, machine)?, timeout: timeout? })
}
