//! Looks at all processes again and again: two runs of one service must never be alive together.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use procman::rundir::leftovers::{self, Leftover};
use procman::sys::process;
use procman::vocab::run::Instance;

/// Between two looks.
const PAUSE: Duration = Duration::from_millis(15);

pub(super) struct Observer {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Default)]
struct Shared {
    is_over: AtomicBool,
    looks: AtomicU64,
    offence: Mutex<Option<String>>,
}

impl Observer {
    /// Watches the processes of this fleet; the puppet leaves a file for each main process in `counted`.
    pub(super) fn start(instance: Instance, counted: PathBuf) -> Self {
        let shared = Arc::new(Shared::default());
        let own = Arc::clone(&shared);
        let thread = std::thread::spawn(move || {
            while !own.is_over.load(Ordering::Relaxed) {
                if let Some(offence) = look(&instance, &counted) {
                    own.offence.lock().unwrap().get_or_insert(offence);
                }
                own.looks.fetch_add(1, Ordering::Relaxed);
                std::thread::sleep(PAUSE);
            }
        });
        Self { shared, thread: Some(thread) }
    }

    /// Lets time pass under its eyes; fails at the first offence.
    pub(super) fn watch_for(&self, time: Duration) {
        let end = Instant::now() + time;
        loop {
            let offence = self.shared.offence.lock().unwrap().clone();
            assert_eq!(offence, None);
            if Instant::now() >= end {
                return;
            }
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    /// Ends it, fails if it saw an offence, and says how often it looked.
    pub(super) fn end(mut self) -> u64 {
        self.watch_for(Duration::ZERO);
        self.shared.is_over.store(true, Ordering::Relaxed);
        self.thread.take().unwrap().join().unwrap();
        self.shared.looks.load(Ordering::Relaxed)
    }
}

impl Drop for Observer {
    fn drop(&mut self) {
        self.shared.is_over.store(true, Ordering::Relaxed);
    }
}

fn look(instance: &Instance, counted: &Path) -> Option<String> {
    let found = leftovers::find(instance, None);
    let is_main = |it: &Leftover| counted.join(format!("{}-{}", it.run, it.identity.pid)).exists();
    for (at, one) in found.iter().enumerate() {
        for other in found[at + 1..].iter().filter(|other| other.service == one.service) {
            if one.run == other.run && !(is_main(one) && is_main(other)) {
                continue;
            }
            // Both were seen before the first of these questions, so if it and the next are answered with yes, both
            // were alive at one moment.
            if process::is_alive(one.identity) && process::is_alive(other.identity) {
                return Some(format!("{one:?} and {other:?} are alive together"));
            }
        }
    }
    None
}
