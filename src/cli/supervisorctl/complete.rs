use std::cell::RefCell;

use rustyline::completion::Completer;
use rustyline::highlight::Highlighter;
use rustyline::hint::Hinter;
use rustyline::validate::Validator;
use rustyline::{Context, Helper};

use super::actions::table;
use super::server::{self, ProcessInfo};
use super::wire::Wire;

/// What the tabulator key offers: actions, then names of groups or processes. The server is asked once between two actions,
/// and only if a name is wanted.
pub(super) struct Names {
    wire: RefCell<Wire>,
    known: RefCell<Option<Vec<ProcessInfo>>>,
}

impl Names {
    pub(super) fn of(wire: &Wire) -> Self {
        Self { wire: RefCell::new(wire.clone()), known: RefCell::new(None) }
    }

    fn processes(&self) -> Vec<ProcessInfo> {
        let mut known = self.known.borrow_mut();
        let ask = || server::all_process_info(&mut *self.wire.borrow_mut()).unwrap_or_default();
        known.get_or_insert_with(ask).clone()
    }
}

impl Completer for Names {
    type Candidate = String;

    fn complete(
        &self,
        line: &str,
        position: usize,
        _: &Context<'_>,
    ) -> rustyline::Result<(usize, Vec<String>)> {
        let line = &line[..position];
        let start = line.rfind(char::is_whitespace).map_or(0, |at| at + 1);
        Ok((start, candidates(line, &line[start..], || self.processes())))
    }
}

impl Hinter for Names {
    type Hint = String;
}

impl Highlighter for Names {}
impl Validator for Names {}
impl Helper for Names {}

/// What the last word of a line may become.
fn candidates(line: &str, word: &str, processes: impl FnOnce() -> Vec<ProcessInfo>) -> Vec<String> {
    let mut words = line.split_whitespace();
    let offered: Vec<String> = match (words.next(), words.next().is_some() || word.is_empty()) {
        (None, _) | (Some(_), false) | (Some("help"), true) => table::words().map(str::to_owned).collect(),
        (Some("add" | "remove" | "update"), true) => {
            let mut groups: Vec<String> = processes().into_iter().map(|info| info.group).collect();
            groups.dedup();
            groups
        }
        (
            Some("clear" | "fg" | "pid" | "restart" | "signal" | "start" | "status" | "stop" | "tail"),
            true,
        ) => names(&processes(), word),
        (Some(_), true) => Vec::new(),
    };
    offered.into_iter().filter(|offer| offer.starts_with(word)).map(|offer| format!("{offer} ")).collect()
}

/// Processes of a group by both names, with the group as a whole behind the first of them.
fn names(processes: &[ProcessInfo], word: &str) -> Vec<String> {
    let mut names = Vec::new();
    for ProcessInfo { group, name, .. } in processes {
        if !word.contains(':') && group == name {
            names.push(name.clone());
            continue;
        }
        names.push(format!("{group}:{name}"));
        let whole = format!("{group}:*");
        if !names.contains(&whole) {
            names.push(whole);
        }
    }
    names
}

#[cfg(test)]
mod tests {
    use super::{ProcessInfo, candidates};

    fn offered(line: &str) -> Vec<String> {
        let info = |group: &str, name: &str| ProcessInfo {
            group: group.to_owned(),
            name: name.to_owned(),
            state: 20,
            statename: "RUNNING".to_owned(),
            description: String::new(),
            pid: 1,
        };
        let processes = || vec![info("g", "a"), info("g", "b"), info("web", "web")];
        let start = line.rfind(' ').map_or(0, |at| at + 1);
        let found = candidates(line, &line[start..], processes);
        found.into_iter().map(|offer| offer.trim_end().to_owned()).collect()
    }

    #[test]
    fn the_first_word_is_an_action_and_the_next_a_name() {
        for (line, offers) in [
            ("st", vec!["start", "status", "stop"]),
            ("help sta", vec!["start", "status"]),
            ("start ", vec!["g:a", "g:*", "g:b", "web"]),
            ("tail g:", vec!["g:a", "g:*", "g:b"]),
            ("stop a w", vec!["web"]),
            ("update ", vec!["g", "web"]),
            ("version ", vec![]),
        ] {
            assert_eq!(offered(line), offers, "{line}");
        }
        assert_eq!(offered("").len(), 22);
    }
}
