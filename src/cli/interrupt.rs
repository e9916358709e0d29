use std::future::Future;
use std::io::{self, Read};
use std::os::unix::net::UnixStream as StdStream;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread;

use signal_hook::consts::SIGINT;
use signal_hook::low_level::{exit, pipe};
use tokio::io::AsyncReadExt;
use tokio::net::UnixStream;

use super::failure::Failure;
use super::output;

/// What stands between an interrupt and the end of the command. One lock for all of it: who lets go of the last thing sees
/// the interrupt that came before, and an interrupt sees that nothing holds it up.
struct Standing {
    /// How many waits answer to the signal themselves.
    waits: usize,
    /// How much must not be left half done at this moment.
    held: usize,
    /// Whether an interrupt waits for the end of that.
    is_due: bool,
    /// What is said when the command is interrupted outside of a wait.
    goodbye: String,
}

static STANDING: Mutex<Standing> =
    Mutex::new(Standing { waits: 0, held: 0, is_due: false, goodbye: String::new() });

fn standing() -> MutexGuard<'static, Standing> {
    STANDING.lock().unwrap_or_else(PoisonError::into_inner)
}

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
        let mut standing = standing();
        if standing.waits == 0 {
            if standing.held > 0 && !standing.is_due {
                output::say("interrupt: what must not be left half done is brought to its end first");
            }
            standing.is_due = true;
            standing.end_if_due();
        }
    }
}

impl Standing {
    /// Ends this process if an interrupt is due and nothing holds it up.
    fn end_if_due(&self) {
        if !self.is_due || self.held > 0 {
            return;
        }
        if !self.goodbye.is_empty() {
            output::say(&self.goodbye);
        }
        exit(i32::from(Failure::Interrupted("").code()));
    }
}

/// While this lives, an interrupt waits. A command that fails meanwhile says why, and ends by that.
pub(super) struct Held(());

/// What is done from here on is not left half done.
pub(super) fn hold() -> Held {
    standing().held += 1;
    Held(())
}

impl Held {
    /// All is done: an interrupt that came meanwhile ends the command here, with the goodbye of this moment.
    pub(super) fn release(self) {
        drop(self);
        standing().end_if_due();
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        standing().held -= 1;
    }
}

/// What is said at an interrupt from here on; nothing, if it is empty.
pub(super) fn say_at_interrupt(goodbye: String) {
    standing().goodbye = goodbye;
}

/// Waits for an answer until it comes or somebody presses Ctrl-C; `goodbye` says what becomes of what was asked for.
pub(super) async fn unless_interrupted<T, E: Into<Failure>>(
    asked: impl Future<Output = Result<T, E>>,
    goodbye: &'static str,
) -> Result<T, Failure> {
    // Before it counts as a wait: from then on nobody else answers to the signal.
    let signals = signals();
    let wait = Wait::begin();
    tokio::select! {
        answer = asked => answer.map_err(Into::into),
        () = interrupted(signals) => {
            // The command ends by this, and says so itself, however late the thread sees the same signal.
            std::mem::forget(wait);
            Err(Failure::Interrupted(goodbye))
        }
    }
}

/// A wait that answers to the signal itself.
struct Wait(());

impl Wait {
    fn begin() -> Self {
        standing().waits += 1;
        Self(())
    }
}

impl Drop for Wait {
    fn drop(&mut self) {
        standing().waits -= 1;
    }
}

/// What is readable at SIGINT.
fn signals() -> io::Result<UnixStream> {
    let (read, write) = StdStream::pair()?;
    read.set_nonblocking(true)?;
    pipe::register(SIGINT, write)?;
    UnixStream::from_std(read)
}

/// Resolves at SIGINT; never where the signal cannot be caught, for then it ends the process as it always did.
async fn interrupted(signals: io::Result<UnixStream>) {
    match signals {
        Ok(mut signals) => drop(signals.read_u8().await),
        Err(_) => std::future::pending().await,
    }
}
