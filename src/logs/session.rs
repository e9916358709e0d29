use std::io;
use std::ops::ControlFlow;
use std::thread;

use super::follow::{Follower, PAUSE};
use super::query::{self, Line, Query};

/// Whether it goes on when all lines that are there were handed over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Going {
    /// It is over then.
    AsFarAsItIs,
    /// New lines are handed over as they come.
    On,
}

/// Who wants lines.
pub trait Listener {
    /// The next line; whether another one is wanted.
    fn hear(&mut self, line: Line) -> ControlFlow<()>;

    /// There is no other line at the moment; whether one is wanted when it comes.
    fn rest(&mut self) -> ControlFlow<()>;
}

/// Hands over lines until nobody wants more. It waits on the calling thread, and asks `unix_ms` for the wall clock.
///
/// # Errors
/// A file that is there cannot be read.
pub fn run(
    query: &Query,
    going: Going,
    unix_ms: fn() -> u64,
    listener: &mut impl Listener,
) -> io::Result<()> {
    let ends = query::ends(&query.sources);
    let mut is_over = false;
    query::read(query, &ends, |line| {
        let next = listener.hear(line);
        is_over = next.is_break();
        next
    })?;
    if is_over || going == Going::AsFarAsItIs {
        return Ok(());
    }
    let mut follower = Follower::new(query.sources.clone(), &ends);
    while listener.rest().is_continue() {
        let lines = follower.look(unix_ms())?;
        let is_wanted =
            |line: &Line| query.pattern.as_ref().is_none_or(|pattern| pattern.is_match(&line.bytes));
        for line in lines.into_iter().filter(is_wanted) {
            if listener.hear(line).is_break() {
                return Ok(());
            }
        }
        thread::sleep(PAUSE);
    }
    Ok(())
}
