use std::collections::BTreeSet;
use std::io;
use std::ops::ControlFlow;
use std::thread;

use super::envelope::OpenLines;
use super::follow::{Follower, OPEN_LINE_MS, PAUSE};
use super::merge::Span;
use super::place::{self, Place};
use super::query::{self, Item, Note, Query, Source, Told};
use super::run_ends::RunEnds;
use super::weave::weave;
use crate::sys;
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
    /// Services that are followed until their runs have ended.
    leaving: BTreeSet<ServiceName>,
    run_ends: RunEnds,
}

/// Who wants lines.
pub trait Listener {
    /// What comes next; whether more is wanted.
    fn hear(&mut self, item: Item) -> ControlFlow<()>;

    /// There is no more at the moment; whether it is wanted when it comes.
    fn rest(&mut self) -> ControlFlow<()>;
}

/// What is in no log file.
pub trait Feed {
    /// The marks that were not given before, in the order of their times.
    fn marks(&mut self) -> Vec<Mark>;

    /// Which streams are followed from here on, if these are others than before.
    fn roster(&mut self) -> Option<Roster>;
}

/// Which streams are followed.
#[derive(Debug)]
pub struct Roster {
    /// All of them.
    pub sources: Vec<Source>,
    /// What those wrote before that were not followed is not shown, in milliseconds since 1970 UTC.
    pub since_ms: u64,
}

impl<M: FnMut() -> Vec<Mark>> Feed for M {
    fn marks(&mut self) -> Vec<Mark> {
        self()
    }

    fn roster(&mut self) -> Option<Roster> {
        None
    }
}

/// A reading of logs.
pub struct Session<'a> {
    /// What is wanted.
    pub query: &'a Query,
    /// How far it goes.
    pub going: Going,
    /// The wall clock.
    pub unix_ms: fn() -> u64,
    /// Marks, and which services there are.
    pub feed: &'a mut dyn Feed,
}

/// Where sources end is looked up again when a run ended or began meanwhile, so often at most.
const TRIES: usize = 3;

impl Session<'_> {
    /// Hands over lines, and marks between them, until nobody wants more. It waits on the calling thread.
    ///
    /// # Errors
    /// A file that is there cannot be read, or nobody can tell whether one is there.
    pub fn run(mut self, listener: &mut (impl Listener + Send)) -> io::Result<()> {
        // Each stream has two files open at most, and there may be many.
        limits::raise_open_files();
        let mut run_ends = RunEnds::default();
        let (ends, marks) = self.begin(&mut run_ends)?;
        let mut is_over = false;
        query::read(self.query, &ends, marks, |item| {
            let next = listener.hear(item);
            is_over = next.is_break();
            next
        })?;
        match self.going {
            Going::On if !is_over => self.follow(ends, run_ends, listener),
            Going::On | Going::AsFarAsItIs => Ok(()),
        }
    }

    /// Goes on from these places.
    fn follow(
        &mut self,
        ends: Vec<Option<Place>>,
        run_ends: RunEnds,
        listener: &mut (impl Listener + Send),
    ) -> io::Result<()> {
        let Query { sources, times, .. } = self.query.clone();
        let follower = Follower::new(sources, ends, self.open_lines(), times);
        let (ended, leaving) = (BTreeSet::new(), BTreeSet::new());
        let mut course = Course { follower, held: Vec::new(), ended, leaving, run_ends };
        while listener.rest().is_continue() {
            if let Some(roster) = self.feed.roster() {
                course.leaving = course.follower.adopt(roster);
            }
            let spans = self.spans(&mut course)?;
            let next = if spans.iter().any(Option::is_some) {
                self.catch_up(&mut course, &spans, listener)?
            } else {
                let next = self.news(&mut course)?.into_iter().try_for_each(|item| listener.hear(item));
                thread::sleep(PAUSE);
                next
            };
            if next.is_break() {
                return Ok(());
            }
        }
        Ok(())
    }

    /// Where all sources end, and every mark that stands before that.
    fn begin(&mut self, run_ends: &mut RunEnds) -> io::Result<(Vec<Option<Place>>, Vec<Mark>)> {
        let mut marks = self.feed.marks();
        run_ends.note(&marks);
        for _ in 1..TRIES {
            let ends = self.ends(run_ends)?;
            let more = self.feed.marks();
            if more.is_empty() {
                return Ok((ends, marks));
            }
            run_ends.note(&more);
            marks.extend(more);
        }
        Ok((self.ends(run_ends)?, marks))
    }

    fn ends(&self, run_ends: &RunEnds) -> io::Result<Vec<Option<Place>>> {
        let Query { sources, times, .. } = self.query;
        match self.going {
            Going::AsFarAsItIs => place::ends(sources, times),
            Going::On => {
                let begun_before_ms = match self.open_lines() {
                    OpenLines::Flushed => Some((self.unix_ms)().saturating_sub(OPEN_LINE_MS)),
                    OpenLines::Awaited | OpenLines::Cut => None,
                };
                let line_end = |source| place::line_end(source, times, run_ends, begun_before_ms);
                sources.iter().map(line_end).collect()
            }
        }
    }

    /// What becomes of a line whose end does not come. It is searched as a whole; nobody waits for an answer to what was not
    /// found yet.
    fn open_lines(&self) -> OpenLines {
        match self.query.pattern {
            Some(_) => OpenLines::Awaited,
            None => OpenLines::Flushed,
        }
    }

    /// What is to be read before anybody can wait for news, if that is much: of each stream, up to where it ends.
    fn spans(&mut self, course: &mut Course) -> io::Result<Vec<Option<Span>>> {
        let mut spans = Vec::new();
        if !course.follower.is_behind()? {
            return Ok(spans);
        }
        for _ in 0..TRIES {
            spans = course.follower.behind(&course.run_ends)?;
            let more = self.feed.marks();
            if more.is_empty() {
                break;
            }
            // The last lines of a run were written before its end was told, and perhaps after the look.
            course.note(more);
        }
        Ok(spans)
    }

    /// Reads what much has come, in a thread of its own that gets what processor time others leave: whoever wrote it does not
    /// wait for its reader.
    fn catch_up(
        &self,
        course: &mut Course,
        spans: &[Option<Span>],
        listener: &mut (impl Listener + Send),
    ) -> io::Result<ControlFlow<()>> {
        let Course { follower, held, ended, run_ends, .. } = course;
        let mut read = || {
            let spans = spans.iter().flatten().cloned().collect();
            let fresh = query::Fresh { spans, marks: held, run_ends };
            query::read_on(self.query, fresh, |item| listener.hear(item))
        };
        let next = thread::scope(|scope| {
            let reader = thread::Builder::new().name("log-catch-up".to_owned()).spawn_scoped(scope, || {
                sys::thread::stand_back();
                read()
            });
            reader?.join().map_err(|_| io::Error::other("the thread that reads has panicked"))?
        })?;
        follower.pass(spans);
        // Of those whose runs have ended, the last lines were read as well.
        ended.clear();
        Ok(next)
    }

    /// What has come since the last look.
    fn news(&mut self, course: &mut Course) -> io::Result<Vec<Item>> {
        let unix_ms = self.unix_ms;
        let mut lines = course.follower.look(unix_ms())?;
        let mut is_behind = false;
        for _ in 1..TRIES {
            let more = self.feed.marks();
            if more.is_empty() {
                break;
            }
            course.note(more);
            is_behind = course.follower.is_behind()?;
            if is_behind {
                break;
            }
            lines.extend(course.follower.look(unix_ms())?);
        }
        let Course { follower, held, ended, run_ends, .. } = course;
        if !is_behind {
            lines.extend(follower.close(ended, unix_ms()));
        }
        let mut items = weave(lines, held, run_ends, &self.query.times);
        if !is_behind {
            items.extend(held.drain(..).map(Item::Mark));
            items.extend(course.take_leave(unix_ms()));
        }
        let pattern = self.query.pattern.as_ref();
        items.retain(|item| match item {
            Item::Line(line) if self.query.is_early(line) => false,
            Item::Line(line) => pattern.is_none_or(|pattern| pattern.is_match_of(line)),
            Item::Mark(mark) => self.query.wants(mark),
            Item::Note(_) => true,
        });
        Ok(items)
    }
}

impl Course {
    fn note(&mut self, marks: Vec<Mark>) {
        self.ended.extend(self.run_ends.note(&marks));
        self.held.extend(marks);
    }

    /// Of services that are no more, once all that they wrote is read.
    fn take_leave(&mut self, unix_ms: u64) -> Vec<Item> {
        let leaving = std::mem::take(&mut self.leaving).into_iter();
        let (live, gone): (BTreeSet<ServiceName>, BTreeSet<ServiceName>) =
            leaving.partition(|service| self.run_ends.is_live(service));
        self.leaving = live;
        gone.iter().for_each(|service| self.follower.leave(service));
        gone.into_iter().map(|service| Item::Note(Note { service, unix_ms, told: Told::Removed })).collect()
    }
}
