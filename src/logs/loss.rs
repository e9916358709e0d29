use std::collections::BTreeMap;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::envelope::Origin;
use crate::vocab::name::ServiceName;
use crate::vocab::stream::Stream;

/// What was not written of each service's output since the supervisor began, and what cannot be at this moment. Clones are
/// the same tally.
#[derive(Debug, Clone, Default)]
pub struct Tally(Arc<Mutex<Count>>);

#[derive(Debug, Default)]
struct Count {
    lost: BTreeMap<ServiceName, Lost>,
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

/// A service's part of a tally.
#[derive(Debug, Clone)]
pub(super) struct Loss {
    tally: Tally,
    service: ServiceName,
}

impl Tally {
    /// What was lost of a service.
    pub fn of(&self, service: &ServiceName) -> Lost {
        self.count().lost.get(service).copied().unwrap_or_default()
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
    pub(super) fn new(tally: &Tally, service: &ServiceName) -> Self {
        Self { tally: tally.clone(), service: service.clone() }
    }

    pub(super) fn note(&self, lines: u64, bytes: usize) {
        let mut count = self.tally.count();
        let lost = count.lost.entry(self.service.clone()).or_default();
        lost.lines += lines;
        lost.bytes += u64::try_from(bytes).unwrap_or_default();
    }
}
