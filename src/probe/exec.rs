use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, ErrorKind};
use std::os::fd::OwnedFd;
use std::path::PathBuf;
use std::time::Duration;

use tokio::io::unix::AsyncFd;
use tokio::net::unix::pipe::Receiver;
use tokio::sync::watch;

use super::failed::Failed;
use crate::spec::service::Command;
use crate::sys::exit::{self, ExitWatch};
use crate::sys::handover::Handover;
use crate::sys::limits::Rlimits;
use crate::sys::signal;
use crate::sys::spawn::{Credentials, Launch, spawn};
use crate::sys::tree::{self, Reach};
use crate::vocab::identity::{Identity, Pid};
use crate::vocab::outcome::Outcome;
use crate::vocab::run::Tag;
use crate::vocab::signal::Signal;

/// A command of a service beside its own, with all that it is run with.
#[derive(Debug)]
pub struct Errand {
    /// What is run.
    pub command: Command,
    /// Its file, absolute.
    pub program: PathBuf,
    /// Its environment, the tag among it.
    pub environment: BTreeMap<String, String>,
    /// Its working directory.
    pub directory: PathBuf,
    /// What the system holds it to.
    pub rlimits: Rlimits,
    /// Its file mode creation mask, if not ours.
    pub umask: Option<u32>,
    /// Its nice value, if not ours.
    pub nice: Option<i32>,
    /// Who it runs as, if not as we do.
    pub credentials: Option<Credentials>,
    /// What its processes carry. It is not the tag of the service's run, whose processes they are not.
    pub tag: Tag,
    /// Where it reads and writes.
    pub channels: Channels,
    /// Where its processes are when their parents have gone.
    pub reach: Reach,
    /// The children that somebody waits for, this one among them while it lives.
    pub waited_for: watch::Sender<BTreeSet<Pid>>,
}

/// Where a command reads and writes.
#[derive(Debug)]
pub enum Channels {
    /// It reads nothing, and of what it writes the end is kept, for whoever asks why it failed.
    Caught,
    /// These.
    Given {
        /// Its standard input.
        stdin: OwnedFd,
        /// Its standard output.
        stdout: OwnedFd,
        /// Its standard error.
        stderr: OwnedFd,
    },
}

/// How much of its output is kept, from the end.
const WORDS_BYTES_MAX: usize = 4096;

/// The longest line that is told.
const WORDS_CHARS_MAX: usize = 200;

/// The longest command that is told.
const COMMAND_CHARS_MAX: usize = 60;

/// How long the processes of a command may take to vanish after SIGKILL.
const KILLED_MAX: Duration = Duration::from_secs(1);

/// How long is waited between two looks for them.
const LOOK_AGAIN: Duration = Duration::from_millis(5);

/// Runs a command once. When it has ended, and when `limit` is over, nothing is left of its tree; that is also so when
/// this is given up halfway.
///
/// # Errors
/// [`Failed`]: it ended otherwise than with code 0, or not in time.
pub async fn attempt(errand: Errand, limit: Duration) -> Result<(), Failed> {
    let command = brief(&errand.command);
    let not_run = |why: String| Failed::NotRun { why };
    let (mut words, hold) = begin(errand).map_err(not_run)?;
    let watch = ExitWatch::open(hold.leader).map_err(|error| not_run(error.to_string()))?;
    let watch = watch.into_async().map_err(|error| not_run(error.to_string()))?;
    let outcome = tokio::time::timeout(limit, words.until_end_of(&watch)).await;
    words.take();
    hold.clear().await;
    let words = words.last_line();
    match outcome {
        Ok(Outcome::Code(0)) => Ok(()),
        Ok(outcome) => Err(Failed::Command { command, outcome, words }),
        Err(_) => Err(Failed::CommandTimedOut { command, limit, words }),
    }
}

/// A command line that fits into a sentence.
fn brief(command: &Command) -> String {
    let line = command.line();
    match line.char_indices().nth(COMMAND_CHARS_MAX) {
        Some((end, _)) => format!("{}…", &line[..end]),
        None => line,
    }
}

fn begin(errand: Errand) -> Result<(Words, Hold), String> {
    let told = |error: io::Error| error.to_string();
    let (stdin, stdout, stderr, output) = match errand.channels {
        Channels::Given { stdin, stdout, stderr } => (Some(stdin), stdout, stderr, None),
        Channels::Caught => {
            let (reader, writer) = io::pipe().map_err(told)?;
            let output = Receiver::from_owned_fd(reader.into()).map_err(told)?;
            (None, writer.try_clone().map_err(told)?.into(), writer.into(), Some(output))
        }
    };
    let launch = Launch {
        program: &errand.program,
        argument_zero: errand.command.program(),
        arguments: errand.command.arguments(),
        environment: &errand.environment,
        directory: &errand.directory,
        stdin,
        handover: Handover::Nothing,
        stdout,
        stderr,
        rlimits: errand.rlimits,
        umask: errand.umask,
        nice: errand.nice,
        credentials: errand.credentials,
    };
    let leader = spawn(&launch).map_err(|error| error.to_string())?;
    errand.waited_for.send_modify(|children| {
        children.insert(leader.pid);
    });
    let Errand { tag, reach, waited_for, .. } = errand;
    Ok((Words { output, bytes: Vec::new() }, Hold { leader, tag, reach, waited_for }))
}

/// What a command says.
struct Words {
    /// None when nobody can write into it any more, or it goes elsewhere.
    output: Option<Receiver>,
    bytes: Vec<u8>,
}

impl Words {
    /// Keeps the pipe from filling until the command has ended.
    async fn until_end_of(&mut self, watch: &AsyncFd<ExitWatch>) -> Outcome {
        loop {
            tokio::select! {
                biased;
                ready = watch.readable() => match (watch.get_ref().peek(), ready) {
                    (Some(outcome), _) => return outcome,
                    (None, Ok(mut guard)) => guard.clear_ready(),
                    (None, Err(_)) => return Outcome::Unknown,
                },
                () = readable(self.output.as_ref()) => self.take(),
            }
        }
    }

    /// Takes what there is, up to a pipe's worth.
    fn take(&mut self) {
        let mut buffer = [0; WORDS_BYTES_MAX];
        for _ in 0..16 {
            let Some(output) = &self.output else { return };
            match output.try_read(&mut buffer) {
                Ok(0) => self.output = None,
                Ok(count) => {
                    self.bytes.extend_from_slice(&buffer[..count]);
                    let old = self.bytes.len().saturating_sub(WORDS_BYTES_MAX);
                    self.bytes.drain(..old);
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => return,
                Err(_) => self.output = None,
            }
        }
    }

    /// The last line that is not blank, fit to be shown.
    fn last_line(&self) -> Option<String> {
        let text = String::from_utf8_lossy(&self.bytes);
        let line = text.lines().map(str::trim).rfind(|line| !line.is_empty())?;
        let fit = line.chars().map(|c| if c.is_control() { ' ' } else { c });
        Some(fit.take(WORDS_CHARS_MAX).collect())
    }
}

async fn readable(output: Option<&Receiver>) {
    match output {
        Some(output) => drop(output.readable().await),
        None => std::future::pending().await,
    }
}

/// The processes of a command. Dropping it ends them.
struct Hold {
    leader: Identity,
    tag: Tag,
    reach: Reach,
    waited_for: watch::Sender<BTreeSet<Pid>>,
}

/// Whether something of a tree lives.
#[derive(PartialEq, Eq)]
enum Rest {
    Alive,
    Gone,
}

impl Hold {
    /// Ends all of them, and waits until they are gone.
    async fn clear(self) {
        let cleared = async {
            while self.kill() == Rest::Alive {
                tokio::time::sleep(LOOK_AGAIN).await;
            }
        };
        if tokio::time::timeout(KILLED_MAX, cleared).await.is_err() {
            tracing::warn!(tag = %self.tag, "processes of a command do not end");
        }
    }

    /// Sends SIGKILL to whatever lives. While the leader is a zombie its group is its own.
    fn kill(&self) -> Rest {
        let _ = signal::send_group(self.leader, Signal::KILL);
        let members = match self.reach {
            Reach::Near => {
                let orphans = tree::orphans(|pid| self.waited_for.borrow().contains(&pid));
                tree::members_near(self.leader, &self.tag, &orphans)
            }
            Reach::Anywhere => tree::members_anywhere(self.leader, &self.tag),
        };
        let mut rest = Rest::Gone;
        for member in members {
            if member.is_alive() {
                let _ = signal::send(member.identity, Signal::KILL);
                rest = Rest::Alive;
            } else if member.identity != self.leader {
                exit::reap(member.identity.pid);
            }
        }
        rest
    }
}

impl Drop for Hold {
    fn drop(&mut self) {
        self.kill();
        exit::reap(self.leader.pid);
        // One that takes longer to end is reaped like any child that nobody waits for.
        self.waited_for.send_modify(|children| {
            children.remove(&self.leader.pid);
        });
    }
}

#[cfg(test)]
mod tests {
    use super::{Channels, Errand, attempt};
    use crate::probe::failed::Failed;
    use crate::spec::service::Command;
    use crate::sys::limits::Rlimits;
    use crate::sys::tree::Reach;
    use crate::sys::{exit, process};
    use crate::vocab::identity::Pid;
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
            let tag =
                Tag::parse(&format!("{}/api/0", self.dir.path().file_name().unwrap().display())).unwrap();
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
        assert!(pids.into_iter().all(is_gone));
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
        assert!(rig.pids().into_iter().all(is_gone));
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
}
