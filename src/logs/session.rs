use std::io;
use std::ops::ControlFlow;
use std::thread;

use super::envelope::OpenLines;
use super::follow::{Follower, PAUSE};
use super::query::{self, End, Item, Query};
use super::weave::weave;
use crate::vocab::mark::Mark;

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
    /// What comes next; whether more is wanted.
    fn hear(&mut self, item: Item) -> ControlFlow<()>;

    /// There is no more at the moment; whether it is wanted when it comes.
    fn rest(&mut self) -> ControlFlow<()>;
}

/// A reading of logs.
pub struct Session<'a> {
    /// What is wanted.
    pub query: &'a Query,
    /// How far it goes.
    pub going: Going,
    /// The wall clock.
    pub unix_ms: fn() -> u64,
    /// Gives the marks that it did not give before, in the order of their times.
    pub marks: &'a mut dyn FnMut() -> Vec<Mark>,
}

/// Where sources end is looked up again when a run ended or began meanwhile, so often at most.
const TRIES: usize = 3;

impl Session<'_> {
    /// Hands over lines, and marks between them, until nobody wants more. It waits on the calling thread.
    ///
    /// # Errors
    /// A file that is there cannot be read.
    pub fn run(mut self, listener: &mut impl Listener) -> io::Result<()> {
        let (ends, marks) = self.begin();
        let mut is_over = false;
        query::read(self.query, &ends, marks, |item| {
            let next = listener.hear(item);
            is_over = next.is_break();
            next
        })?;
        if is_over || self.going == Going::AsFarAsItIs {
            return Ok(());
        }
        // A line is searched as a whole; nobody waits for an answer to what was not found yet.
        let open_lines = match self.query.pattern {
            Some(_) => OpenLines::Awaited,
            None => OpenLines::Flushed,
        };
        let mut follower = Follower::new(self.query.sources.clone(), &ends, open_lines);
        while listener.rest().is_continue() {
            for item in self.news(&mut follower)? {
                if listener.hear(item).is_break() {
                    return Ok(());
                }
            }
            thread::sleep(PAUSE);
        }
        Ok(())
    }

    /// Where all sources end, and every mark that stands before that.
    fn begin(&mut self) -> (Vec<Option<End>>, Vec<Mark>) {
        let ends_of = match self.going {
            Going::AsFarAsItIs => query::ends,
            Going::On => query::line_ends,
        };
        let mut marks = self.marks();
        let mut ends = ends_of(&self.query.sources);
        for _ in 1..TRIES {
            let more = self.marks();
            if more.is_empty() {
                break;
            }
            marks.extend(more);
            ends = ends_of(&self.query.sources);
        }
        (ends, marks)
    }

    /// What has come since the last look.
    fn news(&mut self, follower: &mut Follower) -> io::Result<Vec<Item>> {
        let mut lines = follower.look((self.unix_ms)())?;
        let mut marks = Vec::new();
        for _ in 1..TRIES {
            let more = self.marks();
            if more.is_empty() {
                break;
            }
            marks.extend(more);
            // The last lines of a run were written before its end was told, and perhaps after the look.
            lines.extend(follower.look((self.unix_ms)())?);
        }
        let pattern = self.query.pattern.as_ref();
        lines.retain(|fresh| pattern.is_none_or(|pattern| pattern.is_match(&fresh.line.bytes)));
        marks.retain(|mark| self.query.wants(mark));
        Ok(weave(lines, marks, &self.query.times))
    }
    /// The marks that are new; who searches wants none.
    fn marks(&mut self) -> Vec<Mark> {
        if self.query.pattern.is_some() { Vec::new() } else { (self.marks)() }
    }
}
