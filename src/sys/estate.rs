use std::fmt;
use std::io;
use std::os::fd::RawFd;
use std::str::FromStr;

use super::letterbox::Letterbox;
use super::stash::{self, Stash};

/// What supervisors leave to each other, and what their guardian has a share in, so that it outlives each of them.
#[derive(Debug)]
pub struct Estate {
    /// The services' pipes.
    pub stash: Stash,
    /// The sockets that are held for services.
    pub letterbox: Letterbox,
}

/// The numbers of its descriptors, as one process tells another on its command line: `ENTRY:REST:SLOT:TRAY`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Numbers {
    stash: stash::Numbers,
    letterbox: [RawFd; 2],
}

impl Estate {
    /// What whoever started this process shares with it; what cannot be had is shared from here on. To be asked once.
    ///
    /// # Errors
    /// The system has no descriptors for another.
    pub fn shared_or_new(numbers: Option<Numbers>) -> io::Result<Self> {
        let stash = numbers.and_then(|it| Stash::inherited(it.stash));
        let letterbox = numbers.and_then(|it| Letterbox::inherited(it.letterbox));
        Ok(Self {
            stash: stash.map_or_else(Stash::new, Ok)?,
            letterbox: letterbox.map_or_else(Letterbox::new, Ok)?,
        })
    }

    /// The numbers under which a program that this process becomes or starts finds it, if it is let through.
    pub fn numbers(&self) -> Numbers {
        Numbers { stash: self.stash.numbers(), letterbox: self.letterbox.numbers() }
    }

    /// Lets it through an exec of this process.
    pub fn pass_on(&self) -> io::Result<()> {
        self.stash.pass_on()?;
        self.letterbox.pass_on()
    }

    /// Keeps it from programs that this process becomes.
    pub fn keep_back(&self) -> io::Result<()> {
        self.stash.keep_back()?;
        self.letterbox.keep_back()
    }
}

/// Lets it through an exec of a child that is just being made. Async-signal-safe.
pub(super) fn let_through(numbers: Numbers) {
    stash::let_through(numbers.stash);
    for number in numbers.letterbox {
        // SAFETY: fcntl takes numbers by value; one that is no open descriptor is an error and nothing else.
        unsafe { libc::fcntl(number, libc::F_SETFD, 0) };
    }
}

impl fmt::Display for Numbers {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { stash, letterbox: [slot, tray] } = self;
        write!(formatter, "{stash}:{slot}:{tray}")
    }
}

impl FromStr for Numbers {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let bad = || format!("`{text}` is not ENTRY:REST:SLOT:TRAY");
        let number = |text: &str| text.parse::<RawFd>().map_err(|_| bad());
        let (rest, tray) = text.rsplit_once(':').ok_or_else(bad)?;
        let (stash, slot) = rest.rsplit_once(':').ok_or_else(bad)?;
        Ok(Self { stash: stash.parse()?, letterbox: [number(slot)?, number(tray)?] })
    }
}

#[cfg(test)]
mod tests {
    use super::Estate;

    #[test]
    fn numbers_are_read_as_they_are_written() {
        let numbers = Estate::shared_or_new(None).unwrap().numbers();
        assert_eq!(numbers.to_string().parse(), Ok(numbers));
        for bad in ["", "1", "1:2:3", "1:2:3:x", "1:2:3:4:5"] {
            assert!(bad.parse::<super::Numbers>().is_err(), "{bad}");
        }
    }
}
