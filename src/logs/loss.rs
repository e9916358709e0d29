use std::collections::BTreeMap;
use std::fmt;
use std::io;
use std::iter::Sum;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::envelope::Origin;
use crate::spec::log::{Sockets, Target};
use crate::vocab::name::ServiceName;
use crate::vocab::stream::Stream;

/// What was not written of each service's output since the supervisor began, and what cannot be at this moment. Clones are
/// the same tally.
#[derive(Debug, Clone, Default)]
pub struct Tally(Arc<Mutex<Count>>);

#[derive(Debug, Default)]
struct Count {
    lost: BTreeMap<(ServiceName, Place), Missing>,
    /// Why the file of a stream cannot be written.
    waits: BTreeMap<(ServiceName, Stream), String>,
}

/// So much of a service's output was not written, for one of its targets.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Lost {
    /// Lines.
    pub lines: u64,
    /// Their bytes.
    pub bytes: u64,
}

/// Where lines did not come to.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Place {
    /// The log file of their stream.
    File,
    /// Where the supervisor's own output goes.
    Inherit,
    /// The daemon of syslog(3) that listens there.
    Syslog(PathBuf),
    /// systemd's journal, that listens there.
    Journald(PathBuf),
}

impl Place {
    pub(super) fn of(target: Target, sockets: &Sockets) -> Self {
        match target {
            Target::File => Self::File,
            Target::Inherit => Self::Inherit,
            Target::Syslog => Self::Syslog(sockets.syslog.clone()),
            Target::Journald => Self::Journald(sockets.journald.clone()),
        }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File => f.write_str("its log file"),
            Self::Inherit => f.write_str("the supervisor's own output"),
            Self::Syslog(socket) => write!(f, "syslog on {}", socket.display()),
            Self::Journald(socket) => write!(f, "journald on {}", socket.display()),
        }
    }
}

/// Whether lines that one target lost are elsewhere.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Copies {
    /// They go into the log file of their stream as well.
    InFile,
    /// They may be nowhere else.
    Nowhere,
}

impl Sum for Lost {
    fn sum<I: Iterator<Item = Self>>(each: I) -> Self {
        each.fold(Self::default(), |sum, one| Self {
            lines: sum.lines + one.lines,
            bytes: sum.bytes + one.bytes,
        })
    }
}

/// What one target of a service did not take.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Missing {
    /// So much.
    pub lost: Lost,
    /// Why the last of it.
    pub why: String,
    /// Whether all of it is elsewhere.
    pub copies: Copies,
}

/// A service's part of a tally, of one target.
#[derive(Debug)]
pub(super) struct Loss {
    tally: Tally,
    of: (ServiceName, Place),
    copies: Copies,
    why: String,
}

impl Tally {
    /// Which targets of a service did not take everything.
    pub fn missing_of(&self, service: &ServiceName) -> Vec<(Place, Missing)> {
        let count = self.count();
        let missing = count.lost.iter().filter(|((of, _), _)| of == service);
        missing.map(|((_, place), missing)| (place.clone(), missing.clone())).collect()
    }

    /// Which streams of a service wait for their files, and why.
    pub fn waits_of(&self, service: &ServiceName) -> Vec<(Stream, String)> {
        let count = self.count();
        let waits = count.waits.iter().filter(|((of, _), _)| of == service);
        waits.map(|((_, stream), why)| (*stream, why.clone())).collect()
    }

    fn count(&self) -> MutexGuard<'_, Count> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A stream waits for its file as long as this lives.
#[derive(Debug)]
pub(super) struct Wait {
    tally: Tally,
    of: (ServiceName, Stream),
}

impl Wait {
    pub(super) fn begin(tally: &Tally, origin: &Origin, error: &io::Error) -> Self {
        let wait = Self { tally: tally.clone(), of: (origin.service.clone(), origin.stream) };
        wait.because(error);
        wait
    }

    /// Why it still does.
    pub(super) fn because(&self, error: &io::Error) {
        self.tally.count().waits.insert(self.of.clone(), error.to_string());
    }
}

impl Drop for Wait {
    fn drop(&mut self) {
        self.tally.count().waits.remove(&self.of);
    }
}

impl Loss {
    pub(super) fn new(tally: &Tally, service: &ServiceName, place: Place, copies: Copies) -> Self {
        Self { tally: tally.clone(), of: (service.clone(), place), copies, why: String::new() }
    }

    pub(super) fn place(&self) -> &Place {
        &self.of.1
    }

    /// Why that is lost which is noted from here on.
    pub(super) fn because(&mut self, why: impl fmt::Display) {
        self.why = why.to_string();
    }

    pub(super) fn note(&self, lines: u64, bytes: usize) {
        let mut count = self.tally.count();
        let blank = || Missing { lost: Lost::default(), why: String::new(), copies: self.copies };
        let missing = count.lost.entry(self.of.clone()).or_insert_with(blank);
        missing.lost.lines += lines;
        missing.lost.bytes += u64::try_from(bytes).unwrap_or_default();
        if self.copies == Copies::Nowhere {
            missing.copies = Copies::Nowhere;
        }
        missing.why.clone_from(&self.why);
    }
}
