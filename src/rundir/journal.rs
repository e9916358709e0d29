use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::replace::replace;
use crate::sys::clock;
use crate::vocab::identity::Identity;
use crate::vocab::moment::Moment;
use crate::vocab::name::ServiceName;
use crate::vocab::outcome::Outcome;
use crate::vocab::run::RunId;
use crate::vocab::state::Goal;

/// What one supervisor leaves for the next: who lives, and what was wanted of whom.
///
/// On disk it is a line `procman-journal VERSION CRC32 LENGTH` and a JSON body of that length, replaced as a whole. A boot
/// makes it worthless.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Journal {
    /// The boot it speaks of; pids and moments mean nothing in another.
    pub boot: String,
    /// The last run number that was given.
    pub last_run: RunId,
    /// How often the supervisor was replaced since the services were first brought up.
    pub takeovers: u64,
    /// Every service that was ever wanted up, was stopped by hand, or has run.
    pub services: Vec<Entry>,
}

/// One service in the journal.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// Which.
    pub service: ServiceName,
    /// What was wanted of it.
    pub goal: Goal,
    /// How often it was started again by itself.
    pub restarts: u64,
    /// How many quick failures in a row it had behind it.
    pub failures: u32,
    /// Its last starts, if anybody counts them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub starts: Vec<Moment>,
    /// What is known of its schedule, if it has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub plan: Option<PlanEntry>,
    /// How it ended for good, if it did so by itself. Journals of earlier versions do not say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rest: Option<Rest>,
    /// Whose fall had taken it down. Journals of earlier versions do not say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fallen_with: Option<FallEntry>,
    /// Why its run was to end, or has ended for good. Journals of earlier versions do not say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub condemned: Option<CondemnedEntry>,
    /// Why it was given up, if that was not for the end of a run. Journals of earlier versions do not say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gave_up: Option<GaveUp>,
    /// Its run that ended last, if one has. Journals of earlier versions do not say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last: Option<LastEntry>,
    /// Its live run.
    pub live: Option<LiveEntry>,
    /// The run beside that, in the middle of a rolling exchange. Journals of earlier versions have none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub second: Option<SecondEntry>,
    /// How its last start went. Journals of earlier versions do not say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub startup: Option<StartupEntry>,
}

impl Entry {
    /// The processes of its runs that are known: the main ones, and those that the runs began with.
    pub fn processes(&self) -> impl Iterator<Item = (RunId, Identity)> {
        let live = self.live.map(|live| (live.run, live.identity, live.first));
        let second = self.second.map(|second| (second.run, second.identity, second.first));
        live.into_iter().chain(second).flat_map(|(run, main, first)| {
            [Some(main), first].into_iter().flatten().map(move |identity| (run, identity))
        })
    }
}

/// What is known of the times of a schedule.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlanEntry {
    /// The next time, in milliseconds since 1970 UTC.
    pub next_unix_ms: Option<u64>,
    /// How many times have come whose run is still to follow.
    pub queued: u32,
    /// How many came while a run lived, and were passed over.
    pub skipped: u64,
}

/// Whose fall takes a service down.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FallEntry {
    /// Who fell.
    pub by: ServiceName,
    /// How, in words that follow its name.
    pub how: String,
}

/// Why a run that was wanted ends.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CondemnedEntry {
    /// What was found.
    pub cause: String,
    /// What follows.
    pub remedy: Remedy,
}

/// What follows the end of a run that was wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Remedy {
    /// Another run.
    Restart,
    /// Nothing.
    Stop,
    /// What follows any run that has failed.
    Fail,
    /// Another run, and nothing has failed.
    Renew,
}

/// Why a service was given up that no end of a run tells of.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum GaveUp {
    /// Its process could not be made, in words.
    NotSpawned(String),
    /// It was started as often as it may be.
    StartedTooOften,
}

/// A run that has ended, in the journal.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LastEntry {
    /// Which.
    pub run: RunId,
    /// How it ended.
    pub outcome: Outcome,
    /// The last line of its standard error, if it wrote any.
    pub last_words: Option<String>,
    /// How long it had run.
    pub lasted: Duration,
}

/// How a service rests by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Rest {
    /// It waits for a time of its schedule.
    Planned,
    /// With success.
    Completed,
    /// With a failure, and its policy leaves it so.
    Failed,
    /// It failed too often.
    Fatal,
}

/// A live run in the journal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct LiveEntry {
    /// Which.
    pub run: RunId,
    /// Its main process.
    pub identity: Identity,
    /// The process that it began with, if that is another.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub first: Option<Identity>,
    /// When it was started.
    pub since: Moment,
    /// How far it had come.
    pub stage: Stage,
}

/// How far a live run had come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Stage {
    /// It had not proven itself.
    Starting,
    /// It had proven itself.
    Ready,
    /// It was asked to end.
    Stopping {
        /// When it is killed.
        kill_at: Moment,
    },
}

/// The steps of a start in the journal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct StartupEntry {
    /// The run that was started.
    pub run: RunId,
    /// When it was begun.
    pub begun: Moment,
    /// When its process lived.
    pub spawned: Option<Moment>,
    /// When it had proven itself.
    pub ready: Option<Moment>,
    /// When it had run to its end with success.
    pub completed: Option<Moment>,
}

/// A run beside the live one in the journal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct SecondEntry {
    /// Which.
    pub run: RunId,
    /// Its main process.
    pub identity: Identity,
    /// The process that it began with, if that is another.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub first: Option<Identity>,
    /// When it was started.
    pub since: Moment,
    /// What becomes of it.
    pub stage: SecondStage,
}

/// What becomes of a run beside the live one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum SecondStage {
    /// It replaces the live one if it is ready in time.
    Understudy {
        /// When it is ended if it is not.
        give_up_at: Moment,
    },
    /// It goes on with the connections that it has.
    Draining {
        /// When it is asked to end.
        until: Moment,
    },
    /// It was asked to end.
    Stopping {
        /// When it is killed.
        kill_at: Moment,
    },
}

/// Why a journal cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum Unreadable {
    /// The file is there and the system does not let us read it.
    #[error("cannot read the journal {path}: {source}")]
    Io {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The file is not a whole journal of a known version.
    #[error("cannot trust the journal {path}: {why}")]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What gives it away.
        why: String,
    },
}

const MAGIC: &str = "procman-journal";
const VERSION: &str = "1";

impl Journal {
    /// Reads a journal; none if there is no file.
    pub fn read(path: &Path) -> Result<Option<Self>, Unreadable> {
        let bytes = match fs::read(path) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(source) => return Err(Unreadable::Io { path: path.to_owned(), source }),
        };
        decode(&bytes).map(Some).map_err(|why| Unreadable::Damaged { path: path.to_owned(), why })
    }

    /// The same, if it is of this boot: in another, its pids are those of others.
    pub fn read_of_this_boot(path: &Path) -> Result<Option<Self>, Unreadable> {
        Ok(Self::read(path)?.filter(|journal| journal.boot == clock::boot_id()))
    }

    /// The main processes of runs that began with another, each with that.
    pub fn handed_over(&self) -> impl Iterator<Item = (Identity, Identity)> {
        self.services.iter().flat_map(|entry| {
            let live = entry.live.map(|live| (live.identity, live.first));
            let second = entry.second.map(|second| (second.identity, second.first));
            live.into_iter().chain(second).filter_map(|(main, first)| Some((main, first?)))
        })
    }

    /// Replaces the journal as a whole.
    pub fn write(&self, path: &Path) -> io::Result<()> {
        replace(path, &self.encode()?)
    }

    fn encode(&self) -> io::Result<Vec<u8>> {
        let body = serde_json::to_vec(self)?;
        let mut bytes =
            format!("{MAGIC} {VERSION} {:08x} {}\n", crc32fast::hash(&body), body.len()).into_bytes();
        bytes.extend(body);
        Ok(bytes)
    }
}

/// Moves a journal that cannot be trusted out of the way, to be looked at later; says where it is.
pub fn set_aside(path: &Path, unix_ms: u64) -> io::Result<PathBuf> {
    let aside = path.with_extension(format!("damaged-{unix_ms}"));
    fs::rename(path, &aside)?;
    Ok(aside)
}

/// Removes the journal; one that is not there is as good.
pub fn remove(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        Ok(()) | Err(_) => Ok(()),
    }
}

fn decode(bytes: &[u8]) -> Result<Journal, String> {
    let end = bytes.iter().position(|byte| *byte == b'\n').ok_or("it has no first line")?;
    let (header, body) = (&bytes[..end], &bytes[end + 1..]);
    let header = std::str::from_utf8(header).map_err(|_| "its first line is not text".to_owned())?;
    let words: Vec<&str> = header.split(' ').collect();
    let [MAGIC, version, checksum, length] = words[..] else {
        return Err("its first line is not that of a journal".to_owned());
    };
    if version != VERSION {
        return Err(format!("it is of version {version}, and this procman knows version {VERSION}"));
    }
    if length.parse() != Ok(body.len()) {
        return Err(format!("it should have {length} bytes after its first line and has {}", body.len()));
    }
    if u32::from_str_radix(checksum, 16) != Ok(crc32fast::hash(body)) {
        return Err("its checksum does not match".to_owned());
    }
    serde_json::from_slice(body).map_err(|error| format!("its body is not one: {error}"))
}

#[cfg(test)]
mod tests;
