use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::replace::replace;
use crate::sys::clock;
use crate::vocab::identity::Identity;
use crate::vocab::moment::Moment;
use crate::vocab::name::ServiceName;
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
    /// Every service that was ever wanted up, or was stopped by hand.
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
    /// Its runs with their main processes.
    pub fn runs(&self) -> impl Iterator<Item = (RunId, Identity)> {
        let live = self.live.map(|live| (live.run, live.identity));
        live.into_iter().chain(self.second.map(|second| (second.run, second.identity)))
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
mod tests {
    use super::{Entry, Journal, LiveEntry, Rest, SecondEntry, SecondStage, Stage, Unreadable, decode};
    use crate::vocab::identity::{Identity, Pid, StartTime};
    use crate::vocab::moment::Moment;
    use crate::vocab::name::ServiceName;
    use crate::vocab::run::RunId;
    use crate::vocab::state::Goal;
    use std::time::Duration;

    fn journal() -> Journal {
        let since = Moment::since_boot(Duration::from_secs(100));
        let live = |stage| {
            let identity = Identity { pid: Pid::new(4711).unwrap(), started: StartTime(99) };
            Some(LiveEntry { run: RunId(7), identity, since, stage })
        };
        let entry = |name: &str, goal, live| Entry {
            service: ServiceName::parse(name).unwrap(),
            goal,
            restarts: 3,
            failures: 1,
            starts: Vec::new(),
            plan: None,
            rest: None,
            live,
            second: None,
            startup: None,
        };
        Journal {
            boot: "b".to_owned(),
            last_run: RunId(9),
            takeovers: 2,
            services: vec![
                entry("api", Goal::Up, live(Stage::Ready)),
                entry(
                    "db",
                    Goal::Again,
                    live(Stage::Stopping { kill_at: since.after(Duration::from_secs(1)) }),
                ),
                entry("old", Goal::Down, None),
            ],
        }
    }

    #[test]
    fn a_journal_reads_back_what_was_written() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("journal");
        assert!(Journal::read(&path).unwrap().is_none());
        journal().write(&path).unwrap();
        assert_eq!(Journal::read(&path).unwrap(), Some(journal()));
    }

    #[test]
    fn how_a_service_ended_for_good_is_kept() {
        let mut journal = journal();
        journal.services[2].rest = Some(Rest::Completed);
        assert_eq!(decode(&journal.encode().unwrap()), Ok(journal));
    }

    #[test]
    fn a_journal_cut_off_at_any_byte_is_told_apart() {
        let bytes = journal().encode().unwrap();
        assert!(decode(&bytes).is_ok());
        for length in 0..bytes.len() {
            assert!(decode(&bytes[..length]).is_err(), "cut at {length}");
        }
        for at in 0..bytes.len() {
            let mut damaged = bytes.clone();
            damaged[at] ^= 0x20;
            let reads_the_same = decode(&damaged).is_ok_and(|read| read == journal());
            assert!(decode(&damaged).is_err() || reads_the_same, "flipped at {at}");
        }
    }

    #[test]
    fn garbage_is_damage_and_not_an_error_of_the_disk() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("journal");
        std::fs::write(&path, [0xff; 4096]).unwrap();
        assert!(matches!(Journal::read(&path), Err(Unreadable::Damaged { .. })));
    }

    #[test]
    fn version_1_is_written_and_read_as_ever() {
        let fixture = include_bytes!("../../tests/fixtures/journal/version-1");
        assert_eq!(journal().encode().unwrap(), fixture);
        assert_eq!(decode(fixture), Ok(journal()));
    }

    fn check_seconds(stages: &[SecondStage], fixture: &[u8]) {
        let mut journal = journal();
        let Some(LiveEntry { identity, since, .. }) = journal.services[0].live else { panic!("it lives") };
        for (service, stage) in journal.services.iter_mut().zip(stages) {
            service.second = Some(SecondEntry { run: RunId(8), identity, since, stage: *stage });
        }
        assert_eq!(String::from_utf8_lossy(&journal.encode().unwrap()), String::from_utf8_lossy(fixture));
        assert_eq!(decode(fixture), Ok(journal));
    }

    #[test]
    fn a_run_beside_the_live_one_is_written_and_read_as_ever() {
        let soon = Moment::since_boot(Duration::from_secs(105));
        let stages = [SecondStage::Understudy { give_up_at: soon }, SecondStage::Stopping { kill_at: soon }];
        check_seconds(&stages, include_bytes!("../../tests/fixtures/journal/version-1-rolling"));
        let draining = [SecondStage::Draining { until: soon }];
        check_seconds(&draining, include_bytes!("../../tests/fixtures/journal/version-1-draining"));
    }
}
