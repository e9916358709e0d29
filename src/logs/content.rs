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
    Pressed(Box<Pressed>),
}

/// What a compressed file holds can be read only from its beginning on.
pub(super) struct Pressed {
    decoder: MultiGzDecoder<BufReader<Plain>>,
    /// How much of it was read.
    offset: u64,
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
        if files::is_pressed(path) { Self::pressed(file) } else { Self::Plain(file) }
    }

    fn pressed(file: Plain) -> Self {
        let file = BufReader::with_capacity(64 * 1024, file);
        Self::Pressed(Box::new(Pressed { decoder: MultiGzDecoder::new(file), offset: 0 }))
    }

    /// The same file once more, from its beginning.
    pub(super) fn again(&self) -> Self {
        match self {
            Self::Plain(plain) => Self::Plain(plain.again()),
            Self::Pressed(pressed) => Self::pressed(pressed.decoder.get_ref().get_ref().again()),
        }
    }

    /// Whether a line goes on at an offset, by the byte before it. What is compressed is read from lines' beginnings only.
    pub(super) fn is_in_midst_of_line(&self, offset: u64) -> bool {
        let mut before = [b'\n'];
        match (self, offset.checked_sub(1)) {
            (Self::Plain(plain), Some(at)) => {
                plain.file.read_exact_at(&mut before, at).is_ok() && before != [b'\n']
            }
            (Self::Plain(_), None) | (Self::Pressed(_), _) => false,
        }
    }

    /// Goes on at an offset of what it holds; in what is compressed, at none that was passed.
    pub(super) fn skip_to(&mut self, offset: u64) -> io::Result<()> {
        match self {
            Self::Plain(file) => file.offset = offset,
            Self::Pressed(pressed) => {
                let between = offset.saturating_sub(pressed.offset);
                io::copy(&mut pressed.take(between), &mut io::sink())?;
            }
        }
        Ok(())
    }
}

impl Plain {
    fn again(&self) -> Self {
        Self { file: Arc::clone(&self.file), offset: 0 }
    }
}

impl Read for Plain {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let length = self.file.read_at(buffer, self.offset)?;
        self.offset += u64::try_from(length).unwrap_or_default();
        Ok(length)
    }
}

impl Read for Pressed {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let length = self.decoder.read(buffer)?;
        self.offset += u64::try_from(length).unwrap_or_default();
        Ok(length)
    }
}

impl Read for Content {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Plain(file) => file.read(buffer),
            Self::Pressed(pressed) => pressed.read(buffer),
        }
    }
}
