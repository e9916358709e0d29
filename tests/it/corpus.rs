//! supervisord's own reading of configuration files beside ours: real files with an oracle where the corpus lies on this
//! machine, and a small set of our own everywhere.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::Value;

use crate::harness::{Ran, procman};

/// What the oracle and we both say; the rest of the oracle's words are about the machine that it ran on.
const SAID_BY_BOTH: [&str; 11] = [
    "ok",
    "error",
    "wrapped",
    "supervisord",
    "servers",
    "rpcinterfaces",
    "groups",
    "programs",
    "warnings",
    "infos",
    "supervisorctl",
];

/// Where the corpus is: beside the repository, or where a variable says.
fn corpus() -> Option<PathBuf> {
    let named = std::env::var_os("PROCMAN_CORPUS").map(PathBuf::from);
    let usual = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/corpus");
    named.or(Some(usual)).map(|corpus| corpus.join("supervisord")).filter(|files| files.is_dir())
}

/// Copies the files of a folder and of those in it. The oracle's folder had one parent, `/tmp`, and a path such as
/// `%(here)s/..` shows it.
fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let (path, name) = entry.map(|entry| (entry.path(), entry.file_name())).unwrap();
        if path.is_dir() {
            copy(&path, &to.join(name));
        } else {
            fs::copy(&path, to.join(name)).unwrap();
        }
    }
}

/// What differs between the oracle of a file and our reading of it, in words.
fn differences(config: &Path) -> Vec<String> {
    let oracle: Value =
        serde_json::from_str(&fs::read_to_string(config.with_extension("json")).unwrap()).unwrap();
    let (folder, cwd) = (config.parent().unwrap(), tempfile::tempdir().unwrap());
    let cwd = cwd.path().canonicalize().unwrap();
    let mut command = Command::new(procman());
    command.args(["import", "--expanded", "--hostname", "refhost"]).arg(config).current_dir(&cwd);
    for (name, value) in oracle["env"].as_object().into_iter().flatten() {
        command.arg("--env").arg(format!("{name}={}", value.as_str().unwrap()));
    }
    let ran = Ran::of(&command.stdin(Stdio::null()).output().unwrap());
    let said = ran.stdout.replace(folder.to_str().unwrap(), "@HERE@").replace(cwd.to_str().unwrap(), "@CWD@");
    let Ok(ours) = serde_json::from_str::<Value>(&said) else {
        return vec![format!("{}: no JSON: {}{}", config.display(), ran.stdout, ran.stderr)];
    };
    let code = if oracle["ok"] == true { 0 } else { 2 };
    let words = |key: &str| {
        let [oracle, ours] = [&oracle, &ours].map(|it| serde_json::to_string_pretty(&it[key]).unwrap());
        let line = oracle.lines().zip(ours.lines()).find(|(one, other)| one != other);
        format!("{}: {key}: {line:?}\n", config.display())
    };
    let keys = SAID_BY_BOTH.into_iter().filter(|key| oracle[*key] != ours[*key]).map(words);
    keys.chain((ran.code != code).then(|| format!("{}: exit code {}", config.display(), ran.code))).collect()
}

fn check(folder: &Path, least: usize) {
    let copied = tempfile::Builder::new().prefix("pm").tempdir_in("/tmp").unwrap();
    copy(folder, copied.path());
    let folder = copied.path().canonicalize().unwrap();
    let files = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let configs: Vec<PathBuf> = files.filter(|file| file.with_extension("json").exists()).collect();
    let configs: Vec<&PathBuf> =
        configs.iter().filter(|file| file.extension().is_some_and(|end| end == "conf")).collect();
    assert!(configs.len() >= least, "only {} files with an oracle", configs.len());
    let found: Vec<String> = configs.iter().flat_map(|config| differences(config)).collect();
    assert!(found.is_empty(), "{} of {} files:\n{}", found.len(), configs.len(), found.join("\n"));
}

#[test]
fn every_file_of_the_corpus_comes_to_what_supervisord_makes_of_it() {
    match corpus() {
        Some(files) => check(&files, 100),
        None => {
            eprintln!("skipped: there is no corpus beside this repository, and PROCMAN_CORPUS names none")
        }
    }
}

#[test]
fn every_fixture_comes_to_what_supervisord_makes_of_it() {
    check(&Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/supervisord"), 10);
}
