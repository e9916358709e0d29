use std::fmt;

use serde::{Serialize, Serializer};

use crate::vocab::signal::Signal;

/// A signal as Python counts them: 0 and the first and last of real time among them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StopSignal {
    number: i64,
}

/// Names that Python knows beside the standard ones: other names of a signal, and the ends of the real-time signals
/// on Linux with the GNU C library.
const MORE_SIGNALS: [(&str, i64); 4] = [("CLD", 17), ("POLL", 29), ("RTMIN", 34), ("RTMAX", 64)];

impl StopSignal {
    pub(super) fn from_number(number: i64) -> Option<Self> {
        let is_standard = i32::try_from(number).ok().and_then(Signal::from_raw).is_some();
        let is_more = cfg!(target_os = "linux") && MORE_SIGNALS.iter().any(|(_, more)| *more == number);
        (number == 0 || is_standard || is_more).then_some(Self { number })
    }

    pub(super) fn from_name(bare: &str) -> Option<Self> {
        let standard = || Signal::parse(&format!("SIG{bare}")).ok().map(|signal| i64::from(signal.as_raw()));
        let more = MORE_SIGNALS.iter().find(|(name, _)| cfg!(target_os = "linux") && *name == bare);
        more.map(|(_, number)| *number).or_else(standard).map(|number| Self { number })
    }

    /// The signal, if it is one that can be sent by name.
    pub fn signal(self) -> Option<Signal> {
        Signal::from_raw(i32::try_from(self.number).ok()?)
    }
}

impl fmt::Display for StopSignal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let more = || MORE_SIGNALS.iter().find(|(_, number)| *number == self.number).map(|(name, _)| *name);
        match self.signal().map(Signal::name).or_else(more) {
            Some(name) => f.write_str(name.trim_start_matches("SIG")),
            None => write!(f, "{}", self.number),
        }
    }
}

impl Serialize for StopSignal {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}
