use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use crate::vocab::identity::Pid;

/// A file with a pid in it, for scripts that signal whoever it names. It proves nothing: locks do that.
#[derive(Debug)]
pub struct PidFile {
    path: PathBuf,
    content: String,
}

impl PidFile {
    /// Writes the file, whatever was there.
    ///
    /// # Errors
    /// It cannot be written.
    pub fn write(path: &Path, pid: Pid) -> io::Result<Self> {
        let content = format!("{pid}\n");
        fs::write(path, &content)?;
        Ok(Self { path: path.to_owned(), content })
    }

    /// Removes the file if nobody else has written it since.
    pub fn remove(self) {
        if fs::read_to_string(&self.path).is_ok_and(|content| content == self.content) {
            // What cannot be removed names a process that is gone, which is what such files do.
            let _ = fs::remove_file(&self.path);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::PidFile;
    use crate::vocab::identity::Pid;
    use std::fs;

    #[test]
    fn the_file_of_another_is_left_alone() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("pid");
        let ours = PidFile::write(&path, Pid::new(7).unwrap()).unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "7\n");
        fs::write(&path, "8\n").unwrap();
        ours.remove();
        assert!(path.exists());
        PidFile::write(&path, Pid::new(9).unwrap()).unwrap().remove();
        assert!(!path.exists());
    }
}
