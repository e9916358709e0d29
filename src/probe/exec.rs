use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, ErrorKind};
use std::os::fd::{AsFd, OwnedFd};
use std::path::PathBuf;
use std::time::Duration;

use tokio::io::unix::AsyncFd;
use tokio::net::unix::pipe::Receiver;
use tokio::sync::watch;

use super::failed::Failed;
use crate::spec::service::Command;
use crate::sys::exit::{self, ExitWatch};
use crate::sys::handover::Handover;
use crate::sys::signal;
use crate::sys::spawn::{Launch, spawn};
use crate::sys::tree::{self, Reach, Stem};
use crate::vocab::credentials::Credentials;
use crate::vocab::identity::{Identity, Pid};
use crate::vocab::outcome::Outcome;
use crate::vocab::rlimits::Rlimits;
use crate::vocab::run::Tag;
use crate::vocab::shown::shown;
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
    /// It reads from there; of what it writes the end is kept.
    Fed {
        /// Its standard input.
        stdin: OwnedFd,
    },
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
        Channels::Caught => caught(None).map_err(told)?,
        Channels::Fed { stdin } => caught(Some(stdin)).map_err(told)?,
    };
    let launch = Launch {
        program: &errand.program,
        argument_zero: errand.command.program(),
        arguments: errand.command.arguments(),
        environment: &errand.environment,
        directory: &errand.directory,
        handover: stdin.as_ref().map_or(Handover::Nothing, |fd| Handover::Stdin(fd.as_fd())),
        stdout,
        stderr,
        rlimits: errand.rlimits,
        umask: errand.umask,
        nice: errand.nice,
        credentials: errand.credentials,
        cgroup: None,
    };
    let leader = spawn(&launch).map_err(|error| error.to_string())?;
    errand.waited_for.send_modify(|children| {
        children.insert(leader.pid);
    });
    let Errand { tag, reach, waited_for, .. } = errand;
    Ok((Words { output, bytes: Vec::new() }, Hold { leader, tag, reach, waited_for }))
}

/// Its input, its two outputs in one pipe, and where they come out.
type Caught = (Option<OwnedFd>, OwnedFd, OwnedFd, Option<Receiver>);

fn caught(stdin: Option<OwnedFd>) -> io::Result<Caught> {
    let (reader, writer) = io::pipe()?;
    let output = Receiver::from_owned_fd(reader.into())?;
    Ok((stdin, writer.try_clone()?.into(), writer.into(), Some(output)))
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
        text.lines().rev().find_map(|line| shown(line, WORDS_CHARS_MAX))
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
        let is_leader = |pid| self.waited_for.borrow().contains(&pid);
        let mut rest = Rest::Gone;
        for member in tree::members(&[Stem::of_leader(self.leader)], &self.tag, self.reach, is_leader) {
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
mod tests;
