use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use crate::vocab::name::ServiceName;

/// What was not written of each service's output since the supervisor began. Clones are the same tally.
#[derive(Debug, Clone, Default)]
pub struct Tally(Arc<Mutex<BTreeMap<ServiceName, Lost>>>);

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
        self.0.lock().unwrap_or_else(PoisonError::into_inner).get(service).copied().unwrap_or_default()
    }
}

impl Loss {
    pub(super) fn new(tally: &Tally, service: &ServiceName) -> Self {
        Self { tally: tally.clone(), service: service.clone() }
    }

    pub(super) fn note(&self, lines: u64, bytes: usize) {
        let mut tally = self.tally.0.lock().unwrap_or_else(PoisonError::into_inner);
        let lost = tally.entry(self.service.clone()).or_default();
        lost.lines += lines;
        lost.bytes += u64::try_from(bytes).unwrap_or_default();
    }
}
