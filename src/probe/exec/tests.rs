use super::{Channels, Errand, attempt};
use crate::probe::failed::Failed;
use crate::spec::service::Command;
use crate::sys::tree::Reach;
use crate::sys::{exit, process};
use crate::vocab::identity::Pid;
use crate::vocab::rlimits::Rlimits;
use crate::vocab::run::Tag;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::time::{Duration, Instant};
use tokio::sync::watch;

struct Rig {
    dir: tempfile::TempDir,
    children: watch::Sender<BTreeSet<Pid>>,
    runtime: tokio::runtime::Runtime,
}

impl Rig {
    fn new() -> Self {
        let _ = exit::adopt_orphans();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        Self { dir: tempfile::tempdir().unwrap(), children: watch::Sender::default(), runtime }
    }

    fn errand(&self, script: &str) -> Errand {
        let command = Command::new(["sh", "-c", script].map(str::to_owned).to_vec()).unwrap();
        let tag = Tag::parse(&format!("{}/api/0", self.dir.path().file_name().unwrap().display())).unwrap();
        let path = ("PATH".to_owned(), "/usr/bin:/bin".to_owned());
        Errand {
            program: "/bin/sh".into(),
            command,
            environment: BTreeMap::from([path, (Tag::VARIABLE.to_owned(), tag.to_string())]),
            directory: self.dir.path().to_owned(),
            rlimits: Rlimits::default(),
            umask: None,
            nice: None,
            credentials: None,
            tag,
            channels: Channels::Caught,
            reach: Reach::Near,
            waited_for: self.children.clone(),
        }
    }

    fn run(&self, script: &str, limit: Duration) -> Result<(), Failed> {
        let result = self.runtime.block_on(attempt(self.errand(script), limit));
        assert!(self.children.borrow().is_empty(), "nobody is waited for any more");
        result
    }

    /// The pids that the scripts wrote.
    fn pids(&self) -> Vec<Pid> {
        let text = std::fs::read_to_string(self.dir.path().join("pids")).unwrap_or_default();
        text.lines().filter_map(|line| Pid::new(line.trim().parse().ok()?)).collect()
    }
}

const LONG: Duration = Duration::from_secs(20);

/// Zombies are reaped by whoever runs the checks, as those of services are.
fn is_gone(pid: Pid) -> bool {
    process::read(pid).is_none_or(|process| !process.is_alive())
}

/// What was sent SIGKILL ends in its own time.
fn wait_until_gone(pids: &[Pid]) {
    let deadline = Instant::now() + Duration::from_secs(10);
    while !pids.iter().all(|pid| is_gone(*pid)) {
        assert!(Instant::now() < deadline, "{pids:?}");
        std::thread::yield_now();
    }
}

fn open_files() -> usize {
    std::fs::read_dir(Path::new("/dev/fd")).unwrap().count()
}

#[test]
fn a_command_passes_with_code_0_and_else_its_last_line_says_why() {
    let rig = Rig::new();
    assert!(rig.run("echo fine; exit 0", LONG).is_ok());
    let failed = rig.run("echo first; echo queue is stuck >&2; echo; exit 3", LONG).unwrap_err();
    let words =
        "`sh -c 'echo first; echo queue is stuck >&2; echo; exit 3'` exited with code 3: queue is stuck";
    assert_eq!(failed.to_string(), words);
    assert!(matches!(rig.run("kill -9 $$", LONG), Err(Failed::Command { words: None, .. })));
    // More than a pipe holds.
    assert!(rig.run("head -c 300000 /dev/zero", LONG).is_ok());
}

#[test]
fn a_command_that_takes_too_long_ends_with_its_whole_tree() {
    let rig = Rig::new();
    let script = "echo $$ >> pids; sleep 60 & echo $! >> pids; echo waiting; \
                  setsid sh -c 'echo $$ >> pids; sleep 60' & wait";
    let start = Instant::now();
    let failed = rig.run(script, Duration::from_millis(400)).unwrap_err();
    assert!(failed.to_string().ends_with("did not end within 400ms: waiting"), "{failed}");
    assert!(start.elapsed() < Duration::from_secs(10));
    let pids = rig.pids();
    assert_eq!(pids.len(), 3);
    wait_until_gone(&pids);
}

#[test]
fn what_a_command_leaves_behind_ends_with_it_and_no_descriptor_stays_open() {
    let rig = Rig::new();
    rig.run("exit 0", LONG).unwrap();
    let before = open_files();
    for _ in 0..20 {
        rig.run("setsid sh -c 'echo $$ >> pids; exec sleep 60' & sleep 0.05; exit 0", LONG).unwrap();
    }
    // Other tests of this process open files, too, but not so many for long.
    assert!(open_files() < before + 15, "{} and then {}", before, open_files());
    wait_until_gone(&rig.pids());
}

#[test]
fn a_command_that_is_given_up_halfway_ends() {
    let rig = Rig::new();
    let given_up = async {
        let errand = rig.errand("echo $$ >> pids; sleep 60");
        tokio::select! {
            _ = attempt(errand, LONG) => (),
            () = async { while rig.pids().is_empty() { tokio::time::sleep(Duration::from_millis(2)).await } } => (),
        }
    };
    rig.runtime.block_on(given_up);
    let pid = rig.pids()[0];
    let deadline = Instant::now() + LONG;
    while !is_gone(pid) {
        assert!(Instant::now() < deadline);
        std::thread::yield_now();
    }
    assert!(rig.children.borrow().is_empty());
}
