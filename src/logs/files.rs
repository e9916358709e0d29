use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use super::times;

/// The name of a file set aside.
pub(super) fn set_aside_path(path: &Path, number: u32) -> PathBuf {
    with_ending(path, &number.to_string())
}

/// The name of a file on its way from being the current one to being set aside.
fn on_its_way_path(path: &Path) -> PathBuf {
    with_ending(path, "rotating")
}

fn with_ending(path: &Path, ending: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(format!(".{ending}"));
    PathBuf::from(name)
}

/// The files of a series that are there, oldest first, and at last the current one, there or not. Numbers may be missing:
/// a rotation may be under way, or have failed.
pub fn all(path: &Path) -> Vec<PathBuf> {
    let entries = path.parent().and_then(|directory| fs::read_dir(directory).ok());
    let mut numbers: Vec<u32> = entries
        .into_iter()
        .flatten()
        .filter_map(|entry| number(path, entry.ok()?.file_name().to_str()?))
        .collect();
    numbers.sort_unstable();
    let aside = numbers.into_iter().rev().map(|number| set_aside_path(path, number));
    let on_its_way = Some(on_its_way_path(path)).filter(|path| path.is_file());
    aside.chain(on_its_way).chain([path.to_owned()]).collect()
}

/// The number of a file set aside, by its name.
fn number(path: &Path, name: &str) -> Option<u32> {
    let digits = name.strip_prefix(path.file_name()?.to_str()?)?.strip_prefix('.')?;
    let number = digits.parse().ok()?;
    (number > 0 && set_aside_path(path, number).ends_with(name)).then_some(number)
}

/// The files of a series that are there with their inodes, newest first, each once. A rotation may go on meanwhile: it
/// moves files in the direction of this search, so that one may be met twice, but none is passed by.
pub(super) fn newest_first(path: &Path) -> impl Iterator<Item = (PathBuf, u64)> {
    // A rotation under way, or one that failed, leaves one number out; where many are missing, the series ends.
    const MISSING_MAX: usize = 16;
    let aside = (1..).map(|number| set_aside_path(path, number));
    let mut missing = 0;
    let mut seen = BTreeSet::new();
    [path.to_owned(), on_its_way_path(path)]
        .into_iter()
        .chain(aside)
        .map(|path| (inode(&path), path))
        .take_while(move |(inode, _)| {
            missing = if inode.is_some() { 0 } else { missing + 1 };
            missing <= MISSING_MAX
        })
        .filter_map(|(inode, path)| Some((path, inode?)))
        .filter(move |(_, inode)| seen.insert(*inode))
}

/// The inode of a file.
pub(super) fn inode(path: &Path) -> Option<u64> {
    fs::metadata(path).ok().map(|found| found.ino())
}

/// The files of a series as rotation moves them.
pub(super) struct Shelf<'a> {
    /// The current file.
    pub(super) path: &'a Path,
    /// How many files set aside are kept.
    pub(super) keep: u32,
    /// Where time indexes lie.
    pub(super) times: &'a Path,
}

impl Shelf<'_> {
    /// Sets the current file aside as `.1`, moving those before it on; the last one goes when there is no room.
    ///
    /// # Errors
    /// The current file is where it was, and no file was lost.
    pub(super) fn set_aside(&self) -> io::Result<()> {
        if self.keep == 0 {
            return self.remove(self.path);
        }
        self.finish()?;
        // This comes before anything else moves: where it can never be done, as with a file that is a mount point, the
        // files before it must not be pushed out one by one.
        let on_its_way = on_its_way_path(self.path);
        match fs::rename(self.path, &on_its_way) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            renamed => renamed?,
        }
        self.finish().inspect_err(|_| {
            if !self.path.exists() {
                // Where even this fails, the file keeps its name on the way and is finished some day.
                let _ = fs::rename(&on_its_way, self.path);
            }
        })
    }

    /// Brings a file that is on its way to its place, if there is one: a rotation was cut short.
    pub(super) fn finish(&self) -> io::Result<()> {
        let on_its_way = on_its_way_path(self.path);
        if !on_its_way.is_file() {
            return Ok(());
        }
        if self.keep == 0 {
            return self.remove(&on_its_way);
        }
        let numbered = |number| set_aside_path(self.path, number);
        // Where a number is missing, those before it have room to move on, and nothing needs to go.
        let missing = (1..self.keep).find(|number| !numbered(*number).exists());
        if missing.is_none() {
            // A rename over a file makes ext4 write what it renames to the disk at once, for who forgets fsync(2).
            self.remove(&numbered(self.keep))?;
        }
        for number in (1..missing.unwrap_or(self.keep)).rev() {
            fs::rename(numbered(number), numbered(number + 1))?;
        }
        fs::rename(&on_its_way, numbered(1))
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        let removed = inode(path);
        match fs::remove_file(path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            Ok(()) | Err(_) => (),
        }
        self.forget_times(removed);
        Ok(())
    }

    /// An index without its file says nothing to anybody; one that stays behind does no harm.
    fn forget_times(&self, inode: Option<u64>) {
        let index = inode.map(|inode| times::path(self.times, inode));
        let _ = index.map(fs::remove_file);
    }
}
