use std::fs::File;
use std::io::{self, BufReader, Read};
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::Arc;

use flate2::bufread::MultiGzDecoder;

use super::files;

/// What a log file holds, whether it was compressed since or not.
pub(super) enum Content {
    /// As it was written.
    Plain(Plain),
    /// Compressed.
    Pressed(Box<MultiGzDecoder<BufReader<Plain>>>),
}

/// A file that others read as well, from wherever they are in it.
pub(super) struct Plain {
    pub(super) file: Arc<File>,
    offset: u64,
}

impl Content {
    /// From its beginning.
    pub(super) fn of(path: &Path, file: &Arc<File>) -> Self {
        let file = Plain { file: Arc::clone(file), offset: 0 };
        if files::is_pressed(path) {
            let file = BufReader::with_capacity(64 * 1024, file);
            Self::Pressed(Box::new(MultiGzDecoder::new(file)))
        } else {
            Self::Plain(file)
        }
    }

    /// Goes on at an offset of what it holds, from its beginning.
    pub(super) fn skip_to(&mut self, offset: u64) -> io::Result<()> {
        match self {
            Self::Plain(file) => file.offset = offset,
            Self::Pressed(decoder) => drop(io::copy(&mut decoder.take(offset), &mut io::sink())?),
        }
        Ok(())
    }
}

impl Read for Plain {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let length = self.file.read_at(buffer, self.offset)?;
        self.offset += u64::try_from(length).unwrap_or_default();
        Ok(length)
    }
}

impl Read for Content {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Plain(file) => file.read(buffer),
            Self::Pressed(decoder) => decoder.read(buffer),
        }
    }
}
