use std::fs::File;
use std::io::{self, BufReader, Read, Seek, SeekFrom};
use std::path::Path;
use std::sync::Arc;

use flate2::bufread::MultiGzDecoder;

use super::files;

/// What a log file holds, whether it was compressed since or not.
pub(super) enum Content {
    /// As it was written.
    Plain(Arc<File>),
    /// Compressed.
    Pressed(Box<MultiGzDecoder<BufReader<File>>>),
}

impl Content {
    pub(super) fn of(path: &Path, file: File) -> Self {
        if files::is_pressed(path) {
            let file = BufReader::with_capacity(64 * 1024, file);
            Self::Pressed(Box::new(MultiGzDecoder::new(file)))
        } else {
            Self::Plain(Arc::new(file))
        }
    }

    /// Goes on at an offset of what it holds, from its beginning.
    pub(super) fn skip_to(&mut self, offset: u64) -> io::Result<()> {
        match self {
            Self::Plain(file) => file.seek(SeekFrom::Start(offset)).map(drop),
            Self::Pressed(decoder) => io::copy(&mut decoder.take(offset), &mut io::sink()).map(drop),
        }
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
