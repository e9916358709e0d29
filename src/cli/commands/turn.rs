use std::thread;
use std::time::{Duration, Instant};

use crate::cli::context::Context;
use crate::cli::failure::Failure;
use crate::cli::interrupt;
use crate::cli::restart_args::Restart;
use crate::rundir::turn::{self, Turn};
use crate::vocab::restart::Mode;

/// How often the turn is asked for.
const LOOK_AGAIN: Duration = Duration::from_millis(20);

/// An emergency assumes that nothing works, another restart among it: it waits no longer than for one in good health.
const EMERGENCY_MAX: Duration = Duration::from_secs(10);

/// Waits until no other command restarts the whole system; none where there is no file to agree in.
pub(in crate::cli) fn take(context: &Context, args: &Restart, mode: Mode) -> Result<Option<Turn>, Failure> {
    let patience = match mode {
        Mode::Master | Mode::Quick => args.timeout,
        Mode::Emergency => args.timeout.min(EMERGENCY_MAX),
    };
    let begun = Instant::now();
    let mut is_told = false;
    loop {
        match turn::take(&context.paths) {
            Ok(Some(turn)) => return Ok(Some(turn)),
            Ok(None) => (),
            // There is no directory yet, or no room in it: a restart may be the way out of that.
            Err(_) => return Ok(None),
        }
        let other = turn::holder(&context.paths).map_or_else(String::new, |pid| format!(" (pid {pid})"));
        if !is_told {
            context.say(&format!("another restart{other} is under way; waiting for it to end"));
            interrupt::say_at_interrupt(
                "interrupted; nothing was touched, and the other restart goes on".to_owned(),
            );
            is_told = true;
        }
        if begun.elapsed() >= patience {
            if mode == Mode::Emergency {
                return Ok(None);
            }
            return Err(Failure::NotReached(format!(
                "cannot restart: another restart{other} is still under way; nothing was touched\n\
                 hint: wait for it or end it; `procman restart --emergency` waits for ten seconds and goes on"
            )));
        }
        thread::sleep(LOOK_AGAIN);
    }
}
