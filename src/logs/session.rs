use std::collections::BTreeSet;
use std::io;
use std::ops::ControlFlow;
use std::thread;

use super::end::{self, End};
use super::envelope::OpenLines;
use super::follow::{Follower, PAUSE};
use super::query::{self, Item, Query};
use super::run_ends::RunEnds;
use super::weave::weave;
use crate::sys::limits;
use crate::vocab::mark::Mark;
use crate::vocab::name::ServiceName;

/// Whether it goes on when all lines that are there were handed over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Going {
    /// It is over then.
    AsFarAsItIs,
    /// New lines are handed over as they come.
    On,
}

/// How far a follower has come.
struct Course {
    follower: Follower,
    /// The marks behind lines that are not read yet.
    held: Vec<Mark>,
    /// Services whose runs have ended of which not all is read yet.
    ended: BTreeSet<ServiceName>,
    run_ends: RunEnds,
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
        // Each stream has two files open at most, and there may be many.
        limits::raise_open_files();
        let mut run_ends = RunEnds::default();
        let (ends, marks) = self.begin(&mut run_ends);
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
        let follower = Follower::new(self.query.sources.clone(), &ends, open_lines);
        let mut course = Course { follower, held: Vec::new(), ended: BTreeSet::new(), run_ends };
        while listener.rest().is_continue() {
            for item in self.news(&mut course)? {
                if listener.hear(item).is_break() {
                    return Ok(());
                }
            }
            thread::sleep(PAUSE);
        }
        Ok(())
    }

    /// Where all sources end, and every mark that stands before that.
    fn begin(&mut self, run_ends: &mut RunEnds) -> (Vec<Option<End>>, Vec<Mark>) {
        let mut marks = (self.marks)();
        run_ends.note(&marks);
        for _ in 1..TRIES {
            let ends = self.ends(run_ends);
            let more = (self.marks)();
            if more.is_empty() {
                return (ends, marks);
            }
            run_ends.note(&more);
            marks.extend(more);
        }
        (self.ends(run_ends), marks)
    }

    fn ends(&self, run_ends: &RunEnds) -> Vec<Option<End>> {
        match self.going {
            Going::AsFarAsItIs => end::ends(&self.query.sources),
            Going::On => end::line_ends(&self.query.sources, &self.query.times, run_ends),
        }
    }

    /// What has come since the last look.
    fn news(&mut self, course: &mut Course) -> io::Result<Vec<Item>> {
        let Course { follower, held, ended, run_ends } = course;
        let unix_ms = self.unix_ms;
        let mut lines = follower.look(unix_ms())?;
        for _ in 1..TRIES {
            let more = (self.marks)();
            if more.is_empty() {
                break;
            }
            ended.extend(run_ends.note(&more));
            held.extend(more);
            // The last lines of a run were written before its end was told, and perhaps after the look.
            lines.extend(follower.look(unix_ms())?);
        }
        lines.extend(follower.close(ended, unix_ms()));
        let mut items = weave(lines, held, run_ends, &self.query.times);
        if !follower.is_behind() {
            items.extend(held.drain(..).map(Item::Mark));
        }
        let pattern = self.query.pattern.as_ref();
        items.retain(|item| match item {
            Item::Line(line) => pattern.is_none_or(|pattern| pattern.is_match(&line.bytes)),
            Item::Mark(mark) => self.query.wants(mark),
        });
        Ok(items)
    }
}
