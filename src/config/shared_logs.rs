use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use toml::de::DeTable;

use super::problem::line_of;
use crate::spec::fleet::Fleet;
use crate::vocab::name::ServiceName;

/// What a services.toml has to be told of log files that several of its services write, a line each with the place.
pub fn remarks(file: &str, text: &str, fleet: &Fleet) -> Vec<String> {
    let shared = shared(fleet);
    if shared.is_empty() {
        return Vec::new();
    }
    let (root, _) = DeTable::parse_recoverable(text);
    let told = shared.into_iter().map(|(log, writers)| {
        let place = match line(root.as_ref(), text, &writers) {
            Some(line) => format!("{file}:{line}"),
            None => file.to_owned(),
        };
        let names: Vec<String> = writers.iter().map(|name| format!("`{name}`")).collect();
        let (names, log) = (names.join(", "), log.display());
        format!(
            "{place}: {names} write one log file, {log}: every line is kept, and `procman logs` cannot tell whose it is; name a file \
             for each, or leave `stdout` and `stderr` out for files of their own"
        )
    });
    told.collect()
}

/// The log files that more than one service writes, each with those services.
fn shared(fleet: &Fleet) -> BTreeMap<&Path, BTreeSet<&ServiceName>> {
    let mut writers: BTreeMap<&Path, BTreeSet<&ServiceName>> = BTreeMap::new();
    for service in fleet.services().values() {
        for (_, file) in service.logs.files() {
            writers.entry(file).or_default().insert(&service.name);
        }
    }
    writers.retain(|_, services| services.len() > 1);
    writers
}

/// Where the last of these says where its output goes, or the defaults do.
fn line(root: &DeTable<'_>, text: &str, writers: &BTreeSet<&ServiceName>) -> Option<usize> {
    let table = |key: &str| root.get(key)?.as_ref().as_table();
    let said = |table: &DeTable<'_>| {
        let value = ["stdout", "stderr"].iter().find_map(|key| table.get(*key))?;
        Some(value.span().start)
    };
    let of_service = |name: &ServiceName| said(table("services")?.get(name.as_str())?.as_ref().as_table()?);
    let at = writers.iter().rev().find_map(|name| of_service(name)).or_else(|| said(table("defaults")?))?;
    Some(line_of(text, at))
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::remarks;
    use crate::config::environment::Environment;
    use crate::config::load::{Machine, prove};

    fn check(text: &str, expected: &[&str]) {
        let fleet =
            prove(text, Path::new("/srv/services.toml"), &Environment::default(), Machine::Trusted).unwrap();
        let said = remarks("services.toml", text, &fleet);
        let begins: Vec<&str> =
            said.iter().filter_map(|it| it.split_once(": every")).map(|it| it.0).collect();
        assert_eq!(begins, expected, "{text}");
    }

    #[test]
    fn each_log_file_that_services_share_is_told_with_its_line_and_those_services() {
        let service = |name: &str, more: &str| format!("[services.{name}]\ncommand = \"true\"\n{more}");
        let [a, b] = ["a", "b"].map(|name| service(name, "stdout = \"all.log\"\n"));
        let c = service("c", "stderr = \"./all.log\"\n");
        check(
            &[a.as_str(), &b, &c].concat(),
            &["services.toml:9: `a`, `b`, `c` write one log file, /srv/all.log"],
        );
        let defaults = "[defaults]\nstderr = \"stdout\"\nstdout = \"all.log\"\n";
        let [plain, other] = ["d", "e"].map(|name| service(name, ""));
        check(
            &[defaults, &plain, &other].concat(),
            &["services.toml:3: `d`, `e` write one log file, /srv/all.log"],
        );
        check(&[a.as_str(), &plain, &other, "replicas = 3\n"].concat(), &[]);
        let joined = service("f", "stdout = \"f.log\"\nstderr = \"stdout\"\nreplicas = 2\n");
        check(
            &[joined, service("g", "stdout = \"null\"\n"), service("h", "stdout = \"null\"\n")].concat(),
            &[],
        );
    }
}
