//! The house rules that a machine can hold: arrows between rooms, sizes, words that do not belong, and tests that documents
//! name.

#![expect(clippy::unwrap_used, reason = "a rule that cannot be checked fails")]

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Each room and the rooms it may import. ARCHITECTURE.md explains the floors.
const ARROWS: [(&str, &[&str]); 15] = [
    ("vocab", &[]),
    ("spec", &["vocab"]),
    ("protocol", &["vocab"]),
    ("sys", &["vocab"]),
    ("config", &["vocab", "spec"]),
    ("machine", &["vocab", "spec"]),
    ("rundir", &["vocab", "sys"]),
    ("ports", &["vocab", "spec", "sys"]),
    ("logs", &["vocab", "spec", "sys"]),
    ("probe", &["vocab", "spec", "sys"]),
    (
        "daemon",
        &["vocab", "spec", "protocol", "sys", "config", "machine", "rundir", "ports", "logs", "probe"],
    ),
    ("client", &["vocab", "protocol", "rundir", "sys"]),
    ("launch", &["vocab", "sys", "rundir"]),
    ("emergency", &["vocab", "spec", "sys", "rundir", "launch", "ports"]),
    (
        "cli",
        &[
            "vocab",
            "spec",
            "protocol",
            "config",
            "rundir",
            "ports",
            "logs",
            "daemon",
            "client",
            "launch",
            "emergency",
        ],
    ),
];

const FILE_LINES_MAX: usize = 400;
const FUNCTION_LINES_MAX: usize = 60;
const MAIN_LINES_MAX: usize = 30;

struct Source {
    path: PathBuf,
    room: String,
    text: String,
}

impl Source {
    /// The code without its tests, which stand at the bottom.
    fn code(&self) -> &str {
        self.text.split("#[cfg(test)]\nmod tests").next().unwrap_or_default()
    }

    fn is_test_only(&self) -> bool {
        self.path.components().any(|part| part.as_os_str() == "sim" || part.as_os_str() == "tests")
            || self.path.file_stem().is_some_and(|stem| stem == "tests")
    }
}

fn sources() -> Vec<Source> {
    sources_of("src")
}

/// The sources in a directory of the repository, with their paths from there.
fn sources_of(directory: &str) -> Vec<Source> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join(directory);
    let mut found = Vec::new();
    let mut open = vec![root.clone()];
    while let Some(directory) = open.pop() {
        for entry in fs::read_dir(directory).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                open.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let relative = path.strip_prefix(&root).unwrap().to_owned();
                let room = relative.components().next().unwrap().as_os_str().to_str().unwrap().to_owned();
                found.push(Source { text: fs::read_to_string(&path).unwrap(), path: relative, room });
            }
        }
    }
    found.sort_by(|one, other| one.path.cmp(&other.path));
    found
}

/// Prints every offence and fails if there is one.
fn none(offences: Vec<String>) {
    assert!(offences.is_empty(), "\n{}\n", offences.join("\n"));
}

fn is_code(line: &str) -> bool {
    !line.trim_start().starts_with("//")
}

#[test]
fn arrows_between_rooms_point_downwards() {
    let arrows: BTreeMap<&str, &[&str]> = ARROWS.into_iter().collect();
    let mut offences = Vec::new();
    for source in sources() {
        let Some(allowed) = arrows.get(source.room.as_str()) else { continue };
        for (number, line) in source.text.lines().enumerate().filter(|(_, line)| is_code(line)) {
            for rest in line.split("crate::").skip(1) {
                let target: String = rest.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
                if target != source.room && !allowed.contains(&target.as_str()) {
                    offences.push(format!(
                        "{}:{}: {} -> {target}",
                        source.path.display(),
                        number + 1,
                        source.room
                    ));
                }
            }
        }
    }
    none(offences);
}

#[test]
fn every_room_is_on_the_map() {
    let map = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("src/lib.rs")).unwrap();
    let rooms: Vec<&str> = map
        .lines()
        .filter_map(|line| line.strip_prefix("pub mod "))
        .map(|line| line.trim_end_matches(';'))
        .collect();
    let mut known: Vec<&str> = ARROWS.iter().map(|(room, _)| *room).collect();
    let mut on_map = rooms.clone();
    known.sort_unstable();
    on_map.sort_unstable();
    assert_eq!(on_map, known);
}

#[test]
fn a_file_fits_in_one_reading_and_main_in_a_glance() {
    let too_long = sources().into_iter().filter_map(|source| {
        let lines = source.text.lines().count();
        let limit = if source.path == Path::new("main.rs") { MAIN_LINES_MAX } else { FILE_LINES_MAX };
        (lines > limit).then(|| format!("{}: {lines} lines, more than {limit}", source.path.display()))
    });
    none(too_long.collect());
}

#[test]
fn a_function_fits_on_one_screen() {
    let mut offences = Vec::new();
    for source in sources() {
        let lines: Vec<&str> = source.text.lines().collect();
        for (start, line) in lines.iter().enumerate() {
            let indent = line.len() - line.trim_start().len();
            let words = line.trim_start();
            let begins = ["fn ", "pub fn ", "async fn ", "pub async fn ", "pub(super) fn ", "pub(crate) fn "];
            if !begins.iter().any(|begin| words.starts_with(begin)) {
                continue;
            }
            let end = format!("{}}}", " ".repeat(indent));
            let length = lines[start..].iter().position(|line| *line == end).unwrap_or(0) + 1;
            if length > FUNCTION_LINES_MAX {
                offences.push(format!("{}:{}: {length} lines", source.path.display(), start + 1));
            }
        }
    }
    none(offences);
}

#[test]
fn what_the_library_must_not_say_it_does_not() {
    let banned = [
        ".unwrap()",
        ".expect(",
        "panic!(",
        "process::exit",
        "todo!(",
        "unimplemented!(",
        "dbg!(",
        "#[allow(",
        "TODO",
        "FIXME",
        "XXX",
        "use super::*",
        "println!(\"DEBUG",
    ];
    let mut offences = Vec::new();
    for source in sources().into_iter().filter(|source| !source.is_test_only()) {
        for (number, line) in source.code().lines().enumerate() {
            for word in banned.iter().filter(|word| line.contains(**word)) {
                offences.push(format!("{}:{}: `{word}`", source.path.display(), number + 1));
            }
        }
    }
    none(offences);
}

#[test]
fn unsafe_lives_in_sys_under_a_safety_sentence() {
    let mut offences = Vec::new();
    for source in sources() {
        let lines: Vec<&str> = source.text.lines().collect();
        for (number, line) in lines.iter().enumerate().filter(|(_, line)| is_code(line)) {
            if !line.contains("unsafe {") && !line.contains("unsafe impl") && !line.contains("unsafe fn") {
                continue;
            }
            let explained =
                lines[number.saturating_sub(6)..number].iter().any(|line| line.contains("SAFETY:"));
            if source.room != "sys" || !explained {
                offences.push(format!("{}:{}: {}", source.path.display(), number + 1, line.trim()));
            }
        }
    }
    none(offences);
}

#[test]
fn a_table_of_contents_is_only_that() {
    let mut offences = Vec::new();
    for source in
        sources().into_iter().filter(|source| source.path.ends_with("mod.rs") && !source.is_test_only())
    {
        for (number, line) in source.text.lines().enumerate() {
            let is_content = line.is_empty()
                || line.starts_with("//")
                || line.starts_with("#[cfg")
                || line.starts_with("#[path")
                || line.starts_with("mod ")
                || line.starts_with("pub mod ")
                || line.starts_with("pub(crate) mod ")
                || line.starts_with("pub(super) mod ");
            if !is_content {
                offences.push(format!("{}:{}: {line}", source.path.display(), number + 1));
            }
        }
    }
    none(offences);
}

/// Where each function and each module is, part by part from the root of the repository: of a function its file, of a module
/// its own path.
fn places() -> BTreeMap<String, Vec<Vec<String>>> {
    let mut places: BTreeMap<String, Vec<Vec<String>>> = BTreeMap::new();
    for root in ["src", "tests"] {
        for source in sources_of(root) {
            let path = Path::new(root).join(&source.path).with_extension("");
            let parts = path.iter().map(|part| part.to_str().unwrap().to_owned());
            let module: Vec<String> = parts.filter(|part| part != "mod").collect();
            for (_, rest) in
                source.text.lines().filter(|line| is_code(line)).filter_map(|line| line.split_once("fn "))
            {
                let name = rest.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
                places.entry(name).or_default().push(module.clone());
            }
            places.entry(module.last().unwrap().clone()).or_default().push(module);
        }
    }
    places
}

/// What the last cell of a table's row names, each behind the place that the word before its list tells, `it:`, say. A word
/// alone may be a command or a key as well as a module, and is passed over, and so are types.
fn named(row: &str) -> Vec<Vec<&str>> {
    let cell = row.trim_end_matches(" |").rsplit(" | ").next().unwrap_or_default();
    let mut home: &[&str] = &[];
    let mut named = Vec::new();
    for pair in cell.split('`').collect::<Vec<_>>().chunks_exact(2) {
        home = match pair[0].split_whitespace().last() {
            Some("it:") => &["tests", "it"],
            Some("unit:") => &["src"],
            Some("sim:") => &["src", "machine", "sim"],
            Some("tidy:") => &["tests", "tidy"],
            _ => home,
        };
        let parts: Vec<&str> = pair[1].split("::").collect();
        let is_name = parts.iter().all(|part| part.chars().all(|c| c.is_alphanumeric() || c == '_'));
        let is_type = |part: &&str| part.starts_with(char::is_uppercase);
        if is_name && pair[1].contains(['_', ':']) && !parts.last().is_some_and(is_type) {
            named.push([home, &parts.into_iter().filter(|part| !is_type(part)).collect::<Vec<_>>()].concat());
        }
    }
    named
}

/// A test that is renamed takes its line in the documents along. `machine::rolling::NAME` may stand in
/// `src/machine/tests/rolling.rs`: what a document leaves out of a path is no offence.
#[test]
fn what_the_documents_name_as_proof_is_there() {
    let places = places();
    let is_there = |name: &[&str]| {
        let (last, above) = name.split_last().unwrap();
        places.get(*last).into_iter().flatten().any(|place| {
            let mut parts = place.iter();
            above.iter().all(|part| parts.any(|it| it == part))
        })
    };
    let mut offences = Vec::new();
    for document in ["ARCHITECTURE.md", "CONTRIBUTING.md", "docs/faults.md"] {
        let text = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(document)).unwrap();
        for (number, row) in text.lines().enumerate().filter(|(_, line)| line.starts_with('|')) {
            let missing = named(row).into_iter().filter(|name| !is_there(name));
            offences.extend(missing.map(|name| format!("{document}:{}: {}", number + 1, name.join("::"))));
        }
    }
    none(offences);
}

/// A clock that jumps shows in times that people read, and in no wait: std's and tokio's `Instant` are monotonic.
#[test]
fn the_wall_clock_is_read_in_one_place() {
    let readers = sources().into_iter().filter(|source| source.code().contains("SystemTime"));
    let readers: Vec<PathBuf> = readers.map(|source| source.path).collect();
    assert_eq!(readers, [Path::new("sys/clock.rs")]);
}

/// A cargo that ends whoever called it stands for a time limit that is over in the midst of a step.
#[test]
fn a_run_of_the_checks_that_is_cut_off_does_not_say_that_all_passed() {
    let home = tempfile::tempdir().unwrap();
    let (bin, cargo) = (home.path().join(".cargo/bin"), home.path().join(".cargo/bin/cargo"));
    let check = |body: &str| {
        fs::create_dir_all(&bin).unwrap();
        fs::write(&cargo, format!("#!/bin/sh\ncase \"$*\" in 'fmt --all'*) {body};; esac\n")).unwrap();
        fs::set_permissions(&cargo, fs::Permissions::from_mode(0o755)).unwrap();
        let run = Path::new(env!("CARGO_MANIFEST_DIR")).join(".ci/run");
        let output = Command::new(run).arg("fmt").env("HOME", home.path()).output().unwrap();
        let says_so = String::from_utf8_lossy(&output.stdout).contains("all steps passed");
        assert_eq!(says_so, output.status.success(), "{body}: {output:?}");
        says_so
    };
    assert!(check("true"));
    for body in ["false", "kill -TERM $PPID", "kill -INT $$", "kill -KILL $$"] {
        assert!(!check(body), "{body}");
    }
}
