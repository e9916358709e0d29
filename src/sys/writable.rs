use std::io;
use std::path::{Path, PathBuf};

use nix::unistd::{AccessFlags, access};

use super::os;

/// What keeps a file or a directory from being written.
#[derive(Debug)]
pub struct Closed {
    /// Which.
    pub path: PathBuf,
    /// Where that shows: the nearest that is there.
    pub at: PathBuf,
    /// Why.
    pub why: io::Error,
}

impl Closed {
    /// It in words that follow what the path is.
    pub fn words(&self) -> String {
        let Self { path, at, why } = self;
        if at == path {
            format!("{} cannot be written: {why}", path.display())
        } else {
            format!("{} cannot be made in {}: {why}", path.display(), at.display())
        }
    }
}

/// Looks whether this process may write a file that is there (access(2)), and touches nothing.
///
/// # Errors
/// What is in the way, as far as a look can tell.
pub fn look_at_file(file: &Path) -> Result<(), Closed> {
    let looked = if file.is_dir() {
        Err(io::ErrorKind::IsADirectory.into())
    } else if !file.is_file() {
        Err(io::Error::other("it is no regular file"))
    } else {
        may(file, AccessFlags::W_OK).and_then(|()| keeps_files(file))
    };
    looked.map_err(|why| Closed { path: file.to_owned(), at: file.to_owned(), why })
}

/// Looks whether this process may make files in a directory, or the directory with those that it lacks, and touches nothing.
///
/// # Errors
/// What is in the way, as far as a look can tell.
pub fn look_at_directory(directory: &Path) -> Result<(), Closed> {
    let at = directory.ancestors().find(|it| it.exists()).unwrap_or(Path::new("/"));
    let looked = if at.is_dir() {
        may(at, AccessFlags::W_OK | AccessFlags::X_OK).and_then(|()| keeps_files(at))
    } else {
        Err(io::ErrorKind::NotADirectory.into())
    };
    looked.map_err(|why| Closed { path: directory.to_owned(), at: at.to_owned(), why })
}

fn may(path: &Path, flags: AccessFlags) -> io::Result<()> {
    Ok(access(path, flags)?)
}

/// To root every directory looks open, also those in which the kernel shows itself.
fn keeps_files(path: &Path) -> io::Result<()> {
    if os::rest::shows_the_kernel(path) {
        return Err(io::Error::other("the kernel shows itself there, and keeps no files"));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::{look_at_directory, look_at_file};
    use std::fs;
    use std::path::Path;

    #[test]
    fn what_cannot_be_written_is_told_with_its_cause_and_nothing_is_touched() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("file");
        fs::write(&file, "").unwrap();
        let words = |looked: Result<(), super::Closed>| looked.err().map(|closed| closed.words());
        assert_eq!(words(look_at_file(&file)), None);
        assert_eq!(words(look_at_directory(&dir.path().join("a/b"))), None);
        assert!(!dir.path().join("a").exists());
        let shown = dir.path().display();
        assert_eq!(
            words(look_at_file(dir.path())),
            Some(format!("{shown} cannot be written: is a directory"))
        );
        assert_eq!(
            words(look_at_directory(&file)),
            Some(format!("{shown}/file cannot be written: not a directory"))
        );
        assert_eq!(
            words(look_at_directory(&file.join("logs"))),
            Some(format!("{shown}/file/logs cannot be made in {shown}/file: not a directory"))
        );
        if cfg!(target_os = "linux") {
            let told = words(look_at_directory(Path::new("/proc/nope"))).unwrap();
            assert!(told.starts_with("/proc/nope cannot be made in /proc: "), "{told}");
        }
    }
}
