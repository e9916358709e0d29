use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use super::times::{self, Entry, Recorder};
use crate::spec::log::Rotation;

/// One stream's files: `FILE` is the current one, `FILE.1` the newest of those set aside, up to `FILE.keep`.
#[derive(Debug)]
pub struct Series {
    path: PathBuf,
    rotation: Rotation,
    times: PathBuf,
    current: Option<Current>,
}

#[derive(Debug)]
struct Current {
    file: File,
    inode: u64,
    size: u64,
    ends_with: LineEnd,
    recorder: Recorder,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum LineEnd {
    Whole,
    Open,
}

/// How much of some bytes was written before an error.
#[derive(Debug)]
pub struct Stopped {
    /// So many bytes are in the files.
    pub written: usize,
    /// Why not more.
    pub error: io::Error,
}

/// The name of a file set aside.
pub fn set_aside_path(path: &Path, number: u32) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(format!(".{number}"));
    PathBuf::from(name)
}

impl Series {
    /// The series of a file; nothing is opened yet. Time indexes lie in the directory `times`.
    pub fn new(path: PathBuf, rotation: Rotation, times: PathBuf) -> Self {
        Self { path, rotation, times, current: None }
    }

    /// Takes over another path or rotation for all further bytes.
    pub fn configure(&mut self, path: PathBuf, rotation: Rotation) {
        if path != self.path {
            self.current = None;
        }
        self.path = path;
        self.rotation = rotation;
    }

    /// Notices that somebody renamed, removed or truncated the current file. Called once for each batch of bytes.
    pub fn look_again(&mut self) {
        let Some(current) = &mut self.current else { return };
        match fs::metadata(&self.path) {
            Ok(found) if found.ino() == current.inode && found.len() == current.size => (),
            Ok(found) if found.ino() == current.inode => {
                current.size = found.len();
                let _ = current.file.seek(SeekFrom::End(0));
            }
            Ok(_) | Err(_) => self.current = None,
        }
    }

    /// Appends bytes, setting the file aside at a line's end when it would grow too large. No line is cut by that: one
    /// that is larger than a file may be has a file of its own.
    pub fn append(&mut self, bytes: &[u8], unix_ms: u64) -> Result<(), Stopped> {
        let mut written = 0;
        while written < bytes.len() {
            let step = self.append_some(&bytes[written..], unix_ms);
            written += step.map_err(|error| Stopped { written, error })?;
        }
        Ok(())
    }

    /// Appends as much as fits into the current file, or sets it aside; says how much was appended.
    fn append_some(&mut self, bytes: &[u8], unix_ms: u64) -> io::Result<usize> {
        let size_max = self.rotation.size_max;
        let current = self.current()?;
        let room = usize::try_from(size_max.saturating_sub(current.size)).unwrap_or(usize::MAX);
        if bytes.len() <= room {
            return current.write(bytes, unix_ms);
        }
        let after_last_line_that_fits =
            bytes[..room].iter().rposition(|byte| *byte == b'\n').map(|at| at + 1);
        let cut = match (after_last_line_that_fits, current.ends_with) {
            (Some(cut), _) => cut,
            (None, LineEnd::Whole) if current.size > 0 => 0,
            // A line that does not fit goes on where it is, and the file ends with it.
            (None, LineEnd::Whole | LineEnd::Open) => {
                bytes.iter().position(|byte| *byte == b'\n').map_or(bytes.len(), |at| at + 1)
            }
        };
        let written = if cut == 0 { 0 } else { current.write(&bytes[..cut], unix_ms)? };
        if current.ends_with == LineEnd::Whole && written == cut {
            self.rotate()?;
        }
        Ok(written)
    }

    fn current(&mut self) -> io::Result<&mut Current> {
        if self.current.is_none() {
            self.current = Some(Current::open(&self.path, &self.times)?);
        }
        self.current.as_mut().ok_or_else(|| io::Error::other("the log file was just opened"))
    }

    /// Sets the current file aside as `.1`, moving those before it on; the last one goes.
    pub fn rotate(&mut self) -> io::Result<()> {
        self.current = None;
        let last = self.numbered(self.rotation.keep);
        self.remove(&last)?;
        for number in (1..self.rotation.keep).rev() {
            rename(&self.numbered(number), &self.numbered(number + 1))?;
        }
        if self.rotation.keep > 0 { rename(&self.path, &self.numbered(1)) } else { Ok(()) }
    }

    /// `FILE` for 0, else `FILE.number`.
    fn numbered(&self, number: u32) -> PathBuf {
        if number == 0 { self.path.clone() } else { set_aside_path(&self.path, number) }
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        let Ok(found) = fs::metadata(path) else { return Ok(()) };
        fs::remove_file(path)?;
        // An index without its file says nothing to anybody; one that stays behind does no harm.
        let _ = fs::remove_file(times::path(&self.times, found.ino()));
        Ok(())
    }
}

impl Current {
    fn open(path: &Path, times: &Path) -> io::Result<Self> {
        if let Some(directory) = path.parent() {
            fs::create_dir_all(directory)?;
        }
        // Not with O_APPEND: splice(2) refuses such files.
        let mut options = OpenOptions::new();
        let mut file = options.read(true).write(true).create(true).truncate(false).mode(0o640).open(path)?;
        let found = file.metadata()?;
        if !found.is_file() {
            return Err(io::Error::other(format!("{} is not a file", path.display())));
        }
        let ends_with = line_end(&mut file, found.len())?;
        file.seek(SeekFrom::End(0))?;
        let recorder = Recorder::open(times, found.ino(), found.len());
        Ok(Self { file, inode: found.ino(), size: found.len(), ends_with, recorder })
    }

    /// Writes what the disk takes; at least one byte, or an error.
    fn write(&mut self, bytes: &[u8], unix_ms: u64) -> io::Result<usize> {
        self.recorder.note(Entry { offset: self.size, unix_ms });
        let written = loop {
            match self.file.write(bytes) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => (),
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                result => break result?,
            }
        };
        self.size += u64::try_from(written).unwrap_or_default();
        self.ends_with = if bytes[..written].ends_with(b"\n") { LineEnd::Whole } else { LineEnd::Open };
        Ok(written)
    }
}

fn line_end(file: &mut File, size: u64) -> io::Result<LineEnd> {
    if size == 0 {
        return Ok(LineEnd::Whole);
    }
    let mut last = [0];
    file.seek(SeekFrom::Start(size - 1))?;
    file.read_exact(&mut last)?;
    Ok(if last == *b"\n" { LineEnd::Whole } else { LineEnd::Open })
}

fn rename(from: &Path, to: &Path) -> io::Result<()> {
    match fs::rename(from, to) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        Ok(()) | Err(_) => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::{Series, set_aside_path};
    use crate::spec::log::Rotation;
    use proptest::prelude::*;
    use std::fs;
    use std::path::{Path, PathBuf};

    fn series(dir: &Path, size_max: u64, keep: u32) -> (Series, PathBuf) {
        let path = dir.join("logs/a.out.log");
        fs::create_dir_all(dir.join("times")).unwrap();
        (Series::new(path.clone(), Rotation { size_max, keep }, dir.join("times")), path)
    }

    /// The files of a series, oldest first.
    fn files(path: &Path) -> Vec<Vec<u8>> {
        let aside = (1..1000).map(|number| set_aside_path(path, number)).take_while(|path| path.exists());
        let mut files: Vec<PathBuf> = aside.collect();
        files.reverse();
        files.push(path.to_owned());
        files.iter().filter_map(|path| fs::read(path).ok()).collect()
    }

    proptest! {
        #[test]
        fn rotation_loses_nothing_doubles_nothing_and_cuts_no_line(
            lines in proptest::collection::vec(0_usize..60, 1..60),
            chunk in 1_usize..50,
            size_max in 1_u64..120,
        ) {
            let dir = tempfile::tempdir().unwrap();
            let (mut series, path) = series(dir.path(), size_max, 900);
            let text: Vec<u8> = lines
                .iter()
                .enumerate()
                .flat_map(|(number, length)| [vec![b'a' + u8::try_from(number % 26).unwrap(); *length], vec![b'\n']].concat())
                .collect();
            for chunk in text.chunks(chunk) {
                series.look_again();
                series.append(chunk, 1).unwrap();
            }
            let files = files(&path);
            prop_assert_eq!(files.concat(), text);
            for file in &files[..files.len() - 1] {
                prop_assert!(file.ends_with(b"\n"));
                let lines = file.iter().filter(|byte| **byte == b'\n').count();
                prop_assert!(file.len() as u64 <= size_max || lines == 1 || file[..file.len() - 1].contains(&b'\n'));
            }
        }
    }

    #[test]
    fn only_so_many_files_are_kept_and_their_indexes_go_with_them() {
        let dir = tempfile::tempdir().unwrap();
        let (mut series, path) = series(dir.path(), 10, 2);
        for number in 0..9 {
            series.append(format!("line {number}\n").as_bytes(), 1).unwrap();
        }
        assert_eq!(files(&path).concat(), b"line 6\nline 7\nline 8\n");
        assert_eq!(fs::read_dir(dir.path().join("times")).unwrap().count(), 3);
    }

    #[test]
    fn a_file_that_is_renamed_removed_or_truncated_from_outside_is_followed() {
        let dir = tempfile::tempdir().unwrap();
        let (mut series, path) = series(dir.path(), 1000, 2);
        let mut write = |text: &str| {
            series.look_again();
            series.append(text.as_bytes(), 1).unwrap();
        };
        write("one\n");
        fs::rename(&path, dir.path().join("moved")).unwrap();
        write("two\n");
        assert_eq!(fs::read_to_string(&path).unwrap(), "two\n");
        fs::write(&path, "").unwrap();
        write("three\n");
        assert_eq!(fs::read_to_string(&path).unwrap(), "three\n");
        fs::remove_dir_all(path.parent().unwrap()).unwrap();
        write("four\n");
        assert_eq!(fs::read_to_string(&path).unwrap(), "four\n");
    }

    #[test]
    fn an_open_line_of_an_earlier_life_is_not_cut() {
        let dir = tempfile::tempdir().unwrap();
        let (mut first, path) = series(dir.path(), 10, 2);
        first.append(b"12345678", 1).unwrap();
        let (mut second, _) = series(dir.path(), 10, 2);
        second.append(b"9abc\nnext\n", 1).unwrap();
        assert_eq!(files(&path), [b"123456789abc\n".to_vec(), b"next\n".to_vec()]);
    }
}
