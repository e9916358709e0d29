use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, TryLockError};

use super::pump::{Destination, StreamKey};
use super::series::Series;
use crate::spec::log::Target;

/// The series of all files that streams write. A file has one, however many services write it and whichever threads those are
/// with: a lock is in the way of nobody who is alone, and a reload that makes services share a file moves none of them to another
/// thread. Clones are cheap.
#[derive(Debug, Clone, Default)]
pub(super) struct Shares(Arc<Mutex<BTreeMap<Arc<Path>, Arc<Shared>>>>);

/// A stream's share in the series of its file.
#[derive(Debug)]
pub(super) struct Share {
    key: StreamKey,
    destination: Arc<Destination>,
    /// Where its file is.
    place: Arc<Path>,
    writers: Writers,
    shared: Arc<Shared>,
    shares: Shares,
}

/// How many write into a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Writers {
    /// Bytes go there as they come.
    One,
    /// Lines go there whole.
    Several,
}

/// A series and who has a share in it. Who has the lock of the series may take that of the writers, and nobody the other way round.
#[derive(Debug)]
struct Shared {
    series: Mutex<Series>,
    /// In the order of their names. Nearly always it is one, for which a tree would take a node of eleven places.
    writers: Mutex<Vec<(StreamKey, Arc<Destination>)>>,
    are_several: AtomicBool,
}

impl Shares {
    /// Gives a stream its share in the series of the file that it goes to. Time indexes lie in the directory `times`.
    pub(super) fn join(&self, key: StreamKey, destination: Destination, times: &Arc<Path>) -> Share {
        let destination = Arc::new(destination);
        let series = Series::new(Arc::clone(&destination), Arc::clone(times)).among(self.clone());
        let fresh = Shared {
            series: Mutex::new(series),
            writers: Mutex::new(Vec::with_capacity(1)),
            are_several: AtomicBool::new(false),
        };
        let place = place(&destination.file);
        let mut all = lock(&self.0);
        let shared = Arc::clone(all.entry(Arc::clone(&place)).or_insert_with(|| Arc::new(fresh)));
        shared.take_on(&key, &destination);
        drop(all);
        shared.agree();
        let writers = shared.count();
        Share { key, destination, place, writers, shared, shares: self.clone() }
    }

    /// Does something while nobody writes into a file or moves those of its series, unless somebody does just then.
    pub(super) fn while_still<T>(&self, file: Option<&Arc<Path>>, act: impl FnOnce() -> T) -> Option<T> {
        let Some(file) = file else { return Some(act()) };
        // Who asks has the lock of a series, so that waiting for another one could be for ever.
        let place = place(file);
        let found = try_lock(&self.0)?.get(&place).cloned();
        let Some(shared) = found else { return Some(act()) };
        let _still = try_lock(&shared.series)?;
        Some(act())
    }
}

impl Share {
    /// The series, for whoever has a share in it: what is done while this is held is done as one.
    pub(super) fn series(&self) -> MutexGuard<'_, Series> {
        lock(&self.shared.series)
    }

    /// How many write into the file, as was last asked.
    pub(super) fn writers(&self) -> Writers {
        self.writers
    }

    /// Whether that has changed.
    pub(super) fn has_other_writers(&mut self) -> bool {
        let writers = self.shared.count();
        std::mem::replace(&mut self.writers, writers) != writers
    }

    /// Where the stream's bytes go.
    pub(super) fn destination(&self) -> &Arc<Destination> {
        &self.destination
    }

    /// Takes over another destination, one that differs, for all further bytes.
    pub(super) fn configure(&mut self, destination: Destination, times: &Arc<Path>) {
        if destination.file != self.destination.file {
            let mut joined = self.shares.clone().join(self.key.clone(), destination, times);
            // That there are as many there is still to be asked.
            joined.writers = self.writers;
            *self = joined;
            return;
        }
        self.destination = Arc::new(destination);
        self.shared.take_on(&self.key, &self.destination);
        self.shared.agree();
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        let mut all = lock(&self.shares.0);
        let mut writers = lock(&self.shared.writers);
        writers.retain(|(_, to)| !Arc::ptr_eq(to, &self.destination));
        if writers.is_empty() {
            all.remove(&self.place);
            return;
        }
        drop((writers, all));
        self.shared.agree();
    }
}

impl Shared {
    /// A writer goes there from here on, or goes there by another destination.
    fn take_on(&self, key: &StreamKey, destination: &Arc<Destination>) {
        let mut writers = lock(&self.writers);
        let destination = Arc::clone(destination);
        match writers.binary_search_by(|(other, _)| other.cmp(key)) {
            Ok(at) => writers[at].1 = destination,
            Err(at) => writers.insert(at, (key.clone(), destination)),
        }
    }

    fn count(&self) -> Writers {
        if self.are_several.load(Ordering::Relaxed) { Writers::Several } else { Writers::One }
    }

    /// The first by name of those who write says when the file is set aside, and what becomes of it then.
    fn agree(&self) {
        let mut series = lock(&self.series);
        let writers = lock(&self.writers);
        let all = || writers.iter().map(|(_, to)| to);
        let mut writing = all().filter(|to| to.targets.contains(&Target::File));
        let first = writing.next().or_else(|| all().next()).cloned();
        self.are_several.store(writing.next().is_some(), Ordering::Relaxed);
        drop(writers);
        first.into_iter().for_each(|first| series.configure(first));
    }
}

/// Whether two names are those of one file.
pub(super) fn are_one(one: &Arc<Path>, other: &Arc<Path>) -> bool {
    place(one) == place(other)
}

/// A file by the name of its directory that it has without symbolic links, as far as that is there.
fn place(file: &Arc<Path>) -> Arc<Path> {
    let real = |above: &Path| {
        let rest = file.strip_prefix(above).ok()?;
        fs::canonicalize(above).ok().map(|above| above.join(rest))
    };
    let found = file.ancestors().skip(1).find_map(real).filter(|found| *found != **file);
    found.map_or_else(|| Arc::clone(file), Arc::from)
}

/// Whoever panicked with the lock had changed nothing, or everything.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn try_lock<T>(mutex: &Mutex<T>) -> Option<MutexGuard<'_, T>> {
    match mutex.try_lock() {
        Ok(held) => Some(held),
        Err(TryLockError::Poisoned(held)) => Some(held.into_inner()),
        Err(TryLockError::WouldBlock) => None,
    }
}
