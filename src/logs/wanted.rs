use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// Whether somebody waits for what is read, as all that hold a copy know it. A search that finds nothing hands nothing over,
/// and its reader would not learn from that that nobody listens.
#[derive(Debug, Clone, Default)]
pub struct Wanted {
    over: Arc<AtomicBool>,
}

impl Wanted {
    /// Nobody waits any more. It stays so.
    pub fn end(&self) {
        self.over.store(true, Ordering::Relaxed);
    }

    /// Whether nobody waits any more.
    pub fn is_over(&self) -> bool {
        self.over.load(Ordering::Relaxed)
    }

    /// An error where nobody waits any more.
    pub(super) fn check(&self) -> io::Result<()> {
        if self.is_over() { Err(io::Error::other("nobody waits for the rest")) } else { Ok(()) }
    }
}
