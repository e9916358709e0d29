use std::fs::{self, File, Metadata};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::content::Content;
use super::end::End;
use super::files;

/// Which files of a series are read, oldest first, as they were at one moment: a reader may be slow, and meanwhile rotation
/// gives them other names, compresses them, and drops the oldest.
pub(super) struct Plan {
    series: PathBuf,
    files: Vec<Planned>,
}

/// A file to be read, by what it was.
struct Planned {
    path: PathBuf,
    inode: u64,
    place: Place,
}

enum Place {
    /// It had been set aside: nothing is written to it any more. Its compressed form has the same age, and another inode.
    Aside { modified: Modified },
    /// It was the current one, which is held open.
    Current(Arc<File>),
}

/// When a file was last written: seconds and nanoseconds.
type Modified = (i64, i64);

/// A file that is moved between finding and opening it is looked for so often.
const TRIES: usize = 5;

impl Plan {
    /// All files, or those that are not younger than the one that this end is in.
    ///
    /// # Errors
    /// The current file is there and cannot be opened.
    pub(super) fn new(series: &Path, end: Option<End>) -> io::Result<Self> {
        let mut files = Vec::new();
        for path in files::all(series) {
            let planned = if path == series { Planned::current(path)? } else { Planned::aside(path) };
            let Some(planned) = planned else { continue };
            let is_last = end.is_some_and(|end| end.inode == planned.inode);
            files.push(planned);
            if is_last {
                break;
            }
        }
        Ok(Self { series: series.to_owned(), files })
    }

    /// How many files there are.
    pub(super) fn count(&self) -> usize {
        self.files.len()
    }

    /// The name that a file had, for people.
    pub(super) fn path(&self, at: usize) -> &Path {
        self.files.get(at).map_or(&self.series, |planned| &planned.path)
    }

    /// The inode that it had.
    pub(super) fn inode(&self, at: usize) -> Option<u64> {
        self.files.get(at).map(|planned| planned.inode)
    }

    /// What it holds; none when it was dropped since.
    pub(super) fn open(&self, at: usize) -> io::Result<Option<(Content, Metadata)>> {
        let Some(planned) = self.files.get(at) else { return Ok(None) };
        let modified = match &planned.place {
            Place::Current(file) => {
                return Ok(Some((Content::Plain(Arc::clone(file)), file.metadata()?)));
            }
            Place::Aside { modified } => *modified,
        };
        for path in (0..TRIES).map_while(|_| self.find(planned, modified)) {
            let Some(file) = if_there(File::open(&path))? else { continue };
            let found = file.metadata()?;
            if planned.is(&path, &found, modified) {
                return Ok(Some((Content::of(&path, file), found)));
            }
        }
        Ok(None)
    }

    /// Where a file set aside lies.
    fn find(&self, planned: &Planned, modified: Modified) -> Option<PathBuf> {
        let is_it = |path: &PathBuf| fs::metadata(path).is_ok_and(|found| planned.is(path, &found, modified));
        let moved = || files::set_aside(&self.series).into_values();
        Some(planned.path.clone()).filter(is_it).or_else(|| moved().find(is_it))
    }
}

impl Planned {
    fn current(path: PathBuf) -> io::Result<Option<Self>> {
        let Some(file) = if_there(File::open(&path)).map_err(|error| of_file(&path, &error))? else {
            return Ok(None);
        };
        let inode = file.metadata()?.ino();
        Ok(Some(Self { path, inode, place: Place::Current(Arc::new(file)) }))
    }

    fn aside(path: PathBuf) -> Option<Self> {
        let found = fs::metadata(&path).ok()?;
        let place = Place::Aside { modified: modified(&found) };
        Some(Self { path, inode: found.ino(), place })
    }

    /// Whether it is what was found, or that was made of it.
    fn is(&self, path: &Path, found: &Metadata, modified: Modified) -> bool {
        let is_made_of_it = files::is_pressed(path) && !files::is_pressed(&self.path);
        (found.ino() == self.inode || is_made_of_it) && self::modified(found) == modified
    }
}

fn modified(found: &Metadata) -> Modified {
    (found.mtime(), found.mtime_nsec())
}

fn if_there<T>(found: io::Result<T>) -> io::Result<Option<T>> {
    match found {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        found => found.map(Some),
    }
}

/// The same error with the name of the file.
pub(super) fn of_file(path: &Path, error: &io::Error) -> io::Error {
    io::Error::new(error.kind(), format!("{}: {error}", path.display()))
}
