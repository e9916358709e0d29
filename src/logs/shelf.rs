use std::cmp::Reverse;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use super::disposal::Disposal;
use super::files::{self, inode, on_its_way_path, pressed_path, set_aside_path};
use super::times;

/// The files of a series as rotation moves them.
pub(super) struct Shelf<'a> {
    /// The current file.
    pub(super) path: &'a Path,
    /// How many files set aside are kept.
    pub(super) keep: u32,
    /// Where time indexes lie.
    pub(super) times: &'a Path,
    /// Where those go that there is no room for.
    pub(super) disposal: &'a Disposal,
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
        // Where a number is missing, those before it have room to move on, and nothing needs to go.
        let missing = (1..self.keep).find(|number| !self.of(*number).iter().any(|path| path.exists()));
        if missing.is_none() {
            // A rename over a file makes ext4 write what it renames to the disk at once, for who forgets fsync(2).
            for path in self.of(self.keep) {
                self.remove(&path)?;
            }
        }
        for number in (1..missing.unwrap_or(self.keep)).rev() {
            for (from, to) in self.of(number).iter().zip(self.of(number + 1)) {
                match fs::rename(from, to) {
                    Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                    Ok(()) | Err(_) => (),
                }
            }
        }
        fs::rename(&on_its_way, set_aside_path(self.path, 1))
    }

    /// What a number names: one of the two, and both after a death that cut a compression short.
    fn of(&self, number: u32) -> [PathBuf; 2] {
        [set_aside_path(self.path, number), pressed_path(self.path, number)]
    }

    /// Puts what was made of the file with this inode into its place, whatever its number is by then. `made` is removed
    /// where that file is there no more.
    pub(super) fn replace(&self, replaced: u64, made: &Path) -> io::Result<()> {
        let found = files::set_aside(self.path).into_iter().find(|(_, path)| inode(path) == Some(replaced));
        let Some((number, path)) = found else { return self.remove(made) };
        fs::rename(made, pressed_path(self.path, number))?;
        self.remove(&path)
    }

    /// Removes the files set aside whose numbers are higher than those that are kept.
    pub(super) fn remove_excess(&self) -> io::Result<()> {
        let aside = files::set_aside(self.path);
        let excess =
            aside.into_keys().filter(|number| *number > self.keep).flat_map(|number| self.of(number));
        excess.into_iter().try_for_each(|path| self.remove(&path))
    }

    /// Removes the oldest files set aside, of this series and of the one beside it, until what is left takes at most so many
    /// bytes.
    pub(super) fn trim(&self, beside: Option<&Path>, bytes_max: u64) -> io::Result<()> {
        let mut aside: Vec<_> = [Some(self.path), beside]
            .into_iter()
            .flatten()
            .flat_map(files::set_aside)
            .filter_map(|(number, path)| {
                let found = fs::metadata(&path).ok()?;
                // Clocks of file systems are coarse, and numbers of one series tell.
                Some((found.modified().ok()?, Reverse(number), path, found.len()))
            })
            .collect();
        aside.sort_unstable();
        let mut bytes: u64 = aside.iter().map(|(_, _, _, bytes)| bytes).sum();
        for (_, _, path, size) in aside {
            if bytes <= bytes_max {
                break;
            }
            self.remove(&path)?;
            bytes -= size;
        }
        Ok(())
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        let removed = inode(path);
        self.disposal.remove(path)?;
        self.forget_times(removed);
        Ok(())
    }

    /// An index without its file says nothing to anybody; one that stays behind does no harm.
    fn forget_times(&self, inode: Option<u64>) {
        let index = inode.map(|inode| times::path(self.times, inode));
        let _ = index.map(fs::remove_file);
    }
}
