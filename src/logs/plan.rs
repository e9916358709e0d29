use std::fs::{File, Metadata};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::content::Content;
use super::files::{self, Found, Modified};
use super::place::Place;

/// Which files of a series are read, oldest first, as they were at one moment: a reader may be slow, and meanwhile rotation
/// gives them other names, compresses them, and drops the oldest.
pub(super) struct Plan {
    series: PathBuf,
    files: Vec<Planned>,
}

/// A file to be read.
struct Planned {
    path: PathBuf,
    inode: u64,
    hold: Hold,
}

enum Hold {
    /// Nothing is written to it any more, and it is looked for by what it was. Its compressed form has the same age, and another
    /// inode.
    Aside { modified: Modified },
    /// It is held open.
    Open(Arc<File>),
}

/// A file that is moved between finding and opening it is looked for so often.
pub(super) const TRIES: usize = 5;

impl Plan {
    /// The files from one place on, or all of them, up to the one that another place is in.
    pub(super) fn new(series: &Path, times: &Path, from: Option<&Place>, to: &Place) -> Self {
        let series = series.to_owned();
        if from.is_some_and(|from| from.inode == to.inode) {
            return Self { series, files: vec![Planned::held(to)] };
        }
        let mut files: Vec<Planned> =
            from.filter(|from| !from.is_pressed()).map(Planned::held).into_iter().collect();
        files.extend(between(&series, times, from, to).into_iter().rev().map(Planned::aside));
        files.push(Planned::held(to));
        Self { series, files }
    }

    /// How many files there are.
    pub(super) fn count(&self) -> usize {
        self.files.len()
    }

    /// The name that a file had, for people.
    pub(super) fn path(&self, at: usize) -> &Path {
        self.files.get(at).map_or(&self.series, |planned| &planned.path)
    }

    /// What it holds; none when it was dropped since.
    pub(super) fn open(&self, at: usize) -> io::Result<Option<(Content, Metadata)>> {
        let Some(planned) = self.files.get(at) else { return Ok(None) };
        let modified = match &planned.hold {
            Hold::Open(file) => {
                return Ok(Some((Content::of(&planned.path, file), file.metadata()?)));
            }
            Hold::Aside { modified } => *modified,
        };
        for _ in 0..TRIES {
            let Some(path) = self.find(planned, modified) else { continue };
            let Some(file) = if_there(File::open(&path))? else { continue };
            let found = file.metadata()?;
            if planned.is(&Found::of(path.clone(), &found), modified) {
                return Ok(Some((Content::of(&path, &Arc::new(file)), found)));
            }
        }
        Ok(None)
    }

    /// Where a file set aside lies. A list of the names that there are would not do: by the time it is looked through, the file
    /// may have one that is not in it.
    fn find(&self, planned: &Planned, modified: Modified) -> Option<PathBuf> {
        let is_it = |found: &Found| planned.is(found, modified);
        let moved = || files::newest_first(&self.series, highest(&self.series)).find(is_it);
        let found = Found::at(planned.path.clone()).filter(is_it).or_else(moved);
        found.map(|found| found.path)
    }
}

/// The highest number that a file set aside has.
fn highest(series: &Path) -> u32 {
    files::set_aside(series).last_key_value().map_or(0, |(number, _)| *number)
}

/// The files between those of two places, newest first. Where somebody moved one of these out of the series, or rotation has
/// dropped it, the others tell by themselves where they belong.
fn between(series: &Path, times: &Path, from: Option<&Place>, to: &Place) -> Vec<Found> {
    // Who goes on from somewhere comes to that soon.
    let least = match from {
        Some(_) => 0,
        None => highest(series),
    };
    let mut is_met = false;
    let is_behind_from = |found: &Found| {
        is_met = from.is_some_and(|from| from.inode == found.inode);
        !is_met
    };
    let mut found: Vec<Found> = files::newest_first(series, least).take_while(is_behind_from).collect();
    match found.iter().position(|found| found.inode == to.inode) {
        Some(at) => {
            found.drain(..=at);
            // A search that rotation overtakes meets files that are newer than where it began.
            found.retain(|found| !to.is_known_to_precede(found, times));
        }
        None => found.retain(|found| to.is_after(found, times)),
    }
    if let Some(from) = from.filter(|_| !is_met) {
        found.retain(|found| from.is_before(found, times));
    }
    found
}

impl Planned {
    fn held(place: &Place) -> Self {
        Self { path: place.path.clone(), inode: place.inode, hold: Hold::Open(Arc::clone(&place.file)) }
    }

    fn aside(found: Found) -> Self {
        let Found { path, inode, modified } = found;
        Self { path, inode, hold: Hold::Aside { modified } }
    }

    /// Whether it is what was found, or that was made of it.
    fn is(&self, found: &Found, modified: Modified) -> bool {
        let is_made_of_it = files::is_pressed(&found.path) && !files::is_pressed(&self.path);
        (found.inode == self.inode || is_made_of_it) && found.modified == modified
    }
}

/// None where a file is not there.
pub(super) fn if_there<T>(found: io::Result<T>) -> io::Result<Option<T>> {
    match found {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        found => found.map(Some),
    }
}

/// The same error with the name of the file.
pub(super) fn of_file(path: &Path, error: &io::Error) -> io::Error {
    io::Error::new(error.kind(), format!("{}: {error}", path.display()))
}
