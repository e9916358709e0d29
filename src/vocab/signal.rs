use std::fmt;

use serde::{Deserialize, Serialize};

use super::unfit::Unfit;

/// A signal of signal(7) by number, named without doubt: reads `TERM`, `SIGTERM`, `term` and `15`, writes `SIGTERM`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, utoipa::ToSchema)]
#[schema(value_type = String, example = "SIGTERM")]
pub struct Signal(nix::sys::signal::Signal);

/// A text that names no signal of this system.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a signal: {way_out}", way_out = Self::WAY_OUT)]
pub struct BadSignal(pub String);

impl Unfit for BadSignal {
    const WAY_OUT: &'static str = "use a name such as TERM, INT, QUIT, HUP, USR1, USR2 or KILL";
}

impl Signal {
    /// Asks a process to end.
    pub const TERM: Self = Self(nix::sys::signal::Signal::SIGTERM);
    /// Ends a process, asking nobody.
    pub const KILL: Self = Self(nix::sys::signal::Signal::SIGKILL);
    /// The terminal's interrupt.
    pub const INT: Self = Self(nix::sys::signal::Signal::SIGINT);
    /// Quit from a terminal.
    pub const QUIT: Self = Self(nix::sys::signal::Signal::SIGQUIT);
    /// The terminal hung up; to many programs: read your config again.
    pub const HUP: Self = Self(nix::sys::signal::Signal::SIGHUP);
    /// Whatever a program takes it for; to a supervisor or guardian of ours: what you have in the
    /// run directory was taken away, put it back.
    pub const USR1: Self = Self(nix::sys::signal::Signal::SIGUSR1);
    /// Something urgent came over a socket; to a Python program with held sockets: accept nothing more; to
    /// one with `capture_hangs`: write the stacks of your threads. Who has no handler
    /// for it takes no notice.
    pub const URG: Self = Self(nix::sys::signal::Signal::SIGURG);
    /// Whatever a program takes it for; to many daemons: open your logs again.
    pub const USR2: Self = Self(nix::sys::signal::Signal::SIGUSR2);
    /// Something can be read that was announced so.
    pub const IO: Self = Self(nix::sys::signal::Signal::SIGIO);
    /// Stops a process until SIGCONT.
    pub const STOP: Self = Self(nix::sys::signal::Signal::SIGSTOP);
    /// A child has ended, or was stopped or continued.
    pub const CHLD: Self = Self(nix::sys::signal::Signal::SIGCHLD);
    /// Lets a stopped process go on.
    pub const CONT: Self = Self(nix::sys::signal::Signal::SIGCONT);

    /// Reads a name, with or without `SIG`, in any case, or a number.
    pub fn parse(text: &str) -> Result<Self, BadSignal> {
        let bad = || BadSignal(text.to_owned());
        if let Ok(number) = text.parse::<i32>() {
            return Self::from_raw(number).ok_or_else(bad);
        }
        let upper = text.to_ascii_uppercase();
        let name = if upper.starts_with("SIG") { upper } else { format!("SIG{upper}") };
        name.parse().map(Self).map_err(|_| bad())
    }

    /// The signal with this number on this system.
    pub fn from_raw(number: i32) -> Option<Self> {
        nix::sys::signal::Signal::try_from(number).ok().map(Self)
    }

    /// Whether the kernel sends it to a process whose own code went wrong: SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGTRAP, SIGSYS
    /// and SIGABRT, which abort(3) raises.
    pub fn is_fault(self) -> bool {
        use nix::sys::signal::Signal as Nix;
        let faults =
            [Nix::SIGSEGV, Nix::SIGBUS, Nix::SIGILL, Nix::SIGFPE, Nix::SIGTRAP, Nix::SIGSYS, Nix::SIGABRT];
        faults.contains(&self.0)
    }

    /// Its number on this system.
    pub fn as_raw(self) -> i32 {
        self.0 as i32
    }

    /// Its name, such as `SIGTERM`.
    pub fn name(self) -> &'static str {
        self.0.as_str()
    }
}

impl fmt::Display for Signal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl Serialize for Signal {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.name())
    }
}

impl<'de> Deserialize<'de> for Signal {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Self::parse(&text).map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::Signal;

    #[test]
    fn a_signal_is_read_the_way_people_type_it() {
        for text in ["TERM", "SIGTERM", "term", "15"] {
            assert_eq!(Signal::parse(text), Ok(Signal::TERM), "{text}");
        }
        assert_eq!(Signal::KILL.to_string(), "SIGKILL");
        for text in ["", "NOPE", "0", "-9", "9999"] {
            assert!(Signal::parse(text).is_err(), "{text}");
        }
    }
}
