use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;

use super::history;
use super::paths::Paths;
use super::roster_watch::RosterWatch;
use crate::vocab::mark::{Mark, Turn};
use crate::vocab::name::ServiceName;

/// The beginnings and ends of the runs of some services, as their records tell, and those that come. It is best effort: of a
/// service whose records cannot be read, nothing is told.
#[derive(Debug)]
pub struct Marks {
    paths: Paths,
    watch: RosterWatch,
    tracks: Vec<Track>,
}

#[derive(Debug)]
struct Track {
    service: ServiceName,
    file: PathBuf,
    /// The file as it was when it was read: another inode or size has more to tell.
    seen: Option<(u64, u64)>,
    last: Option<Turn>,
    /// What was before this time is not told, in milliseconds since 1970 UTC.
    since_ms: u64,
}

impl Marks {
    /// Of these services; nothing is read yet.
    pub fn new<'a>(paths: &Paths, services: impl IntoIterator<Item = &'a ServiceName>) -> Self {
        let watch = RosterWatch::new(paths);
        let tracks = services.into_iter().map(|service| Track::new(paths, service, 0)).collect();
        Self { paths: paths.clone(), watch, tracks }
    }

    /// Tells of these services as well, of what is since then, in milliseconds since 1970 UTC.
    pub fn include<'a>(&mut self, services: impl IntoIterator<Item = &'a ServiceName>, since_ms: u64) {
        for service in services {
            if !self.tracks.iter().any(|track| track.service == *service) {
                self.tracks.push(Track::new(&self.paths, service, since_ms));
            }
        }
    }

    /// What `act` makes of it that the supervisor may have other services, if that was not told, and since when, in milliseconds
    /// since 1970 UTC. What it makes nothing of is told again.
    pub fn roster_news<T>(&mut self, act: impl FnOnce() -> Option<T>) -> Option<(T, u64)> {
        self.watch.news(act)
    }

    /// What was not told yet, in the order of its times.
    pub fn news(&mut self) -> Vec<Mark> {
        let mut found = Vec::new();
        for track in &mut self.tracks {
            track.read(&mut found);
        }
        found.sort_by_key(|mark: &Mark| mark.turn.rank());
        found
    }
}

impl Track {
    fn new(paths: &Paths, service: &ServiceName, since_ms: u64) -> Self {
        let file = history::file_of(paths, service);
        Self { service: service.clone(), file, seen: None, last: None, since_ms }
    }

    fn read(&mut self, found: &mut Vec<Mark>) {
        let seen = fs::metadata(&self.file).ok().map(|it| (it.ino(), it.len()));
        if seen == self.seen {
            return;
        }
        self.seen = seen;
        let Ok(mut turns) = history::read_file(&self.file) else { return };
        if let Some(last) = &self.last {
            // What was told last is missing only where very much came since.
            let told = turns.iter().rposition(|turn| turn == last).map_or(0, |at| at + 1);
            turns.drain(..told);
        }
        if let Some(last) = turns.last() {
            self.last = Some(last.clone());
        }
        turns.retain(|turn| turn.unix_ms() >= self.since_ms);
        found.extend(turns.into_iter().map(|turn| Mark { service: self.service.clone(), turn }));
    }
}

#[cfg(test)]
mod tests {
    use super::Marks;
    use crate::rundir::history::Book;
    use crate::rundir::paths::Paths;
    use crate::vocab::identity::Pid;
    use crate::vocab::mark::{Began, Turn};
    use crate::vocab::name::ServiceName;
    use crate::vocab::run::RunId;

    fn began(run: u64) -> Began {
        Began { v: Began::VERSION, began: RunId(run), unix_ms: run * 1000, pid: Pid::new(4711).unwrap() }
    }

    fn told(marks: &mut Marks) -> Vec<(String, u64)> {
        let run = |turn: &Turn| match turn {
            Turn::Began(began) => began.began.0,
            Turn::Ended(record) => record.run.0,
        };
        marks.news().iter().map(|mark| (mark.service.to_string(), run(&mark.turn))).collect()
    }

    #[test]
    fn each_mark_is_told_once_by_the_order_of_times_also_when_the_records_are_cut_back() {
        let dir = tempfile::tempdir().unwrap();
        let paths = Paths::new(&dir.path().join("services.toml"), &dir.path().join("state"));
        let [api, web] = ["api", "web"].map(|name| ServiceName::parse(name).unwrap());
        let mut marks = Marks::new(&paths, [&api, &web]);
        assert_eq!(told(&mut marks), []);
        let mut books = [&api, &web].map(|name| Book::open(&paths, name).unwrap());
        books[0].begin(began(2)).unwrap();
        books[1].begin(began(1)).unwrap();
        assert_eq!(told(&mut marks), [("web".to_owned(), 1), ("api".to_owned(), 2)]);
        assert_eq!(told(&mut marks), []);
        for run in 3..2000 {
            books[0].begin(began(run)).unwrap();
            assert_eq!(told(&mut marks), [("api".to_owned(), run)]);
        }
    }
}
