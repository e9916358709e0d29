use std::future::Future;
use std::io::Read;
use std::os::unix::net::UnixStream as StdStream;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::thread;

use signal_hook::consts::SIGINT;
use signal_hook::low_level::{exit, pipe};
use tokio::io::AsyncReadExt;
use tokio::net::UnixStream;

use super::failure::Failure;
use super::output;

/// How many waits answer to the signal themselves.
static WAITS: AtomicUsize = AtomicUsize::new(0);

/// How much must not be left half done at this moment, and whether an interrupt waits for the end of it.
static HELD: AtomicUsize = AtomicUsize::new(0);
static IS_DUE: AtomicBool = AtomicBool::new(false);

/// What is said when the command is interrupted outside of such a wait.
static GOODBYE: Mutex<String> = Mutex::new(String::new());

/// From here on SIGINT ends this command with 130, whatever it is busy with. It is a thread that waits for the signal, for a
/// command may be in the middle of anything. Where none can be made, the signal ends the process as it always did.
pub(super) fn end_at_interrupt() {
    let Ok((read, write)) = StdStream::pair() else { return };
    if thread::Builder::new().name("interrupts".to_owned()).spawn(move || wait_for_interrupts(read)).is_ok() {
        // Without it, the signal ends the process as well.
        let _ = pipe::register(SIGINT, write);
    }
}

fn wait_for_interrupts(mut signals: StdStream) {
    let mut signal = [0];
    while signals.read_exact(&mut signal).is_ok() {
        match (WAITS.load(Ordering::SeqCst), HELD.load(Ordering::SeqCst)) {
            (0, 0) => end(),
            (0, _) => IS_DUE.store(true, Ordering::SeqCst),
            _ => (),
        }
    }
}

fn end() {
    let goodbye = GOODBYE.lock().unwrap_or_else(PoisonError::into_inner);
    if !goodbye.is_empty() {
        output::say(&goodbye);
    }
    exit(i32::from(Failure::Interrupted("").code()));
}

/// While this lives, an interrupt waits.
pub(super) struct Held(());

/// What is done from here on is not left half done.
pub(super) fn hold() -> Held {
    HELD.fetch_add(1, Ordering::SeqCst);
    Held(())
}

impl Drop for Held {
    fn drop(&mut self) {
        if HELD.fetch_sub(1, Ordering::SeqCst) == 1 && IS_DUE.load(Ordering::SeqCst) {
            end();
        }
    }
}

/// What is said at an interrupt from here on; nothing, if it is empty.
pub(super) fn say_at_interrupt(goodbye: String) {
    *GOODBYE.lock().unwrap_or_else(PoisonError::into_inner) = goodbye;
}

/// Waits for an answer until it comes or somebody presses Ctrl-C; `goodbye` says what becomes of what was asked for.
pub(super) async fn unless_interrupted<T, E: Into<Failure>>(
    asked: impl Future<Output = Result<T, E>>,
    goodbye: &'static str,
) -> Result<T, Failure> {
    let _wait = Wait::begin();
    tokio::select! {
        answer = asked => answer.map_err(Into::into),
        () = interrupted() => Err(Failure::Interrupted(goodbye)),
    }
}

/// A wait that answers to the signal itself.
struct Wait;

impl Wait {
    fn begin() -> Self {
        WAITS.fetch_add(1, Ordering::SeqCst);
        Self
    }
}

impl Drop for Wait {
    fn drop(&mut self) {
        WAITS.fetch_sub(1, Ordering::SeqCst);
    }
}

/// Resolves at SIGINT; never where the signal cannot be caught, for then it ends the process as it always did.
async fn interrupted() {
    let caught = StdStream::pair().and_then(|(read, write)| {
        read.set_nonblocking(true)?;
        pipe::register(SIGINT, write)?;
        UnixStream::from_std(read)
    });
    match caught {
        Ok(mut read) => drop(read.read_u8().await),
        Err(_) => std::future::pending().await,
    }
}
