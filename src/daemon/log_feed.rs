use crate::logs::query::Source;
use crate::logs::session::{Feed, Roster};
use crate::rundir::marks::Marks;
use crate::vocab::mark::Mark;

/// What the run directory tells of a session's services, and of whether there are others.
pub struct LogFeed<P> {
    marks: Marks,
    pick: P,
}

impl<P: FnMut() -> Option<Vec<Source>>> LogFeed<P> {
    /// `pick` says which streams are meant by what was asked for, where there may be others; none where nobody knows.
    pub fn new(marks: Marks, pick: P) -> Self {
        Self { marks, pick }
    }
}

impl<P: FnMut() -> Option<Vec<Source>>> Feed for LogFeed<P> {
    fn marks(&mut self) -> Vec<Mark> {
        self.marks.news()
    }

    fn roster(&mut self) -> Option<Roster> {
        let (sources, since_ms) = self.marks.roster_news(&mut self.pick)?;
        self.marks.include(sources.iter().map(|source| &source.service), since_ms);
        Some(Roster { sources, since_ms })
    }
}
