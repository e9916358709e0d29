use std::fmt;
use std::io;
use std::os::fd::RawFd;
use std::str::FromStr;
use std::sync::Arc;

use nix::fcntl::FdFlag;

use super::letterbox::Letterbox;
use super::pair::{self, Pair};
use super::stash::Stash;

/// What supervisors leave to each other, and what their guardian has a share in, so that it outlives each of them.
#[derive(Debug)]
pub struct Estate {
    /// The services' pipes.
    pub stash: Stash,
    /// The sockets that are held for services.
    pub letterbox: Letterbox,
}

/// The numbers of its descriptors, as one process tells another on its command line: those of the stash, then those of the
/// letterbox, with colons between.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Numbers {
    stash: pair::Numbers,
    letterbox: pair::Numbers,
}

impl Estate {
    /// What whoever started this process shares with it; what cannot be had is shared from here on. To be asked once.
    ///
    /// # Errors
    /// The system has no descriptors for another.
    pub fn shared_or_new(numbers: Option<Numbers>) -> io::Result<Self> {
        let stash =
            numbers.and_then(|it| Pair::inherited(it.stash)).map(|pair| Stash { pair: Arc::new(pair) });
        let letterbox = numbers.and_then(|it| Pair::inherited(it.letterbox)).map(|pair| Letterbox { pair });
        Ok(Self {
            stash: stash.map_or_else(Stash::new, Ok)?,
            letterbox: letterbox.map_or_else(Letterbox::new, Ok)?,
        })
    }

    /// The numbers under which a program that this process becomes or starts finds it, if it is let through.
    pub fn numbers(&self) -> Numbers {
        Numbers { stash: self.stash.pair.numbers(), letterbox: self.letterbox.pair.numbers() }
    }

    /// Lets it through an exec of this process.
    pub fn pass_on(&self) -> io::Result<()> {
        self.set_flags(FdFlag::empty())
    }

    /// Keeps it from programs that this process becomes.
    pub fn keep_back(&self) -> io::Result<()> {
        self.set_flags(FdFlag::FD_CLOEXEC)
    }

    fn set_flags(&self, flags: FdFlag) -> io::Result<()> {
        self.stash.pair.set_flags(flags)?;
        self.letterbox.pair.set_flags(flags)
    }
}

/// Lets it through an exec of a child that is just being made. Async-signal-safe.
pub(super) fn let_through(numbers: Numbers) {
    pair::let_through(numbers.stash);
    pair::let_through(numbers.letterbox);
}

impl fmt::Display for Numbers {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { stash: [entry, exit], letterbox: [slot, tray] } = self;
        write!(formatter, "{entry}:{exit}:{slot}:{tray}")
    }
}

impl FromStr for Numbers {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let numbers: Result<Vec<RawFd>, _> = text.split(':').map(str::parse).collect();
        match numbers.as_deref() {
            Ok(&[entry, exit, slot, tray]) => Ok(Self { stash: [entry, exit], letterbox: [slot, tray] }),
            Ok(_) | Err(_) => Err(format!("`{text}` is not four numbers with colons between")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Estate;

    #[test]
    fn numbers_are_read_as_they_are_written() {
        let numbers = Estate::shared_or_new(None).unwrap().numbers();
        assert_eq!(numbers.to_string().parse(), Ok(numbers));
        for bad in ["", "1", "7", "1:2:3", "1:2:3:x", "1:2:3:4:5"] {
            assert!(bad.parse::<super::Numbers>().is_err(), "{bad}");
        }
    }
}
