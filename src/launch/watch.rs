use std::io;

use super::guardian::{Charge, NoGuardian};
use super::orphan::Ear;
use crate::rundir::paths::Paths;
use crate::sys::fork::{self, Side, Signals};
use crate::sys::lock::{FileLock, KeptLock};
use crate::sys::{detach, signal};
use crate::vocab::identity::Identity;
use crate::vocab::outcome::Outcome;
use crate::vocab::signal::Signal;

/// Signals that are the supervisor's, and that its guardian passes on.
const PASSED_ON: [Signal; 4] = [Signal::TERM, Signal::INT, Signal::QUIT, Signal::HUP];

/// A guardian at its post: with its lock, its signals held back, and an eye on one supervisor.
#[derive(Debug)]
pub(super) struct Watch<'a> {
    paths: &'a Paths,
    lock: KeptLock,
    signals: Signals,
    /// For a supervisor that is no child.
    ear: Option<Ear>,
    /// By what the whole was asked to end: a supervisor that dies over that leaves it to the next one.
    asked_to_end: Option<Signal>,
}

impl<'a> Watch<'a> {
    /// Takes the lock and holds the signals back.
    pub(super) fn begin(paths: &'a Paths) -> Result<Self, NoGuardian> {
        let lock = FileLock::try_take(&paths.guardian)?.ok_or(NoGuardian::AnotherAlive)?.keep();
        let own = [Signal::CHLD, Signal::USR1, Signal::USR2, Signal::IO];
        let signals = Signals::hold(&[&PASSED_ON[..], &own].concat())?;
        Ok(Self { paths, lock, signals, ear: None, asked_to_end: None })
    }

    /// Where the files lie of which one is the lock.
    pub(super) fn paths(&self) -> &'a Paths {
        self.paths
    }

    /// The supervisor that lives already, or a new one, which is a copy of this process.
    pub(super) fn supervisor(&mut self, charge: Option<Charge>) -> io::Result<Side> {
        self.ear = None;
        match charge {
            None => {
                let side = fork::fork_self()?;
                if let Side::Parent(supervisor) = side {
                    self.repeat_to(supervisor);
                }
                Ok(side)
            }
            Some(Charge::Child(supervisor)) => Ok(Side::Parent(supervisor.identity)),
            Some(Charge::Orphan(supervisor, pipe)) => {
                self.ear = Some(Ear::new(pipe)?);
                Ok(Side::Parent(supervisor.identity))
            }
        }
    }

    /// What the copy that is to be a supervisor does first. The lock stays with the guardian, and signals are held back until
    /// the supervisor can hear them: one that came sooner would end it, and another would be started in its place.
    pub(super) fn leave(self) -> io::Result<Signals> {
        drop(self.lock);
        signal::ignore(Signal::USR1)?;
        signal::ignore(Signal::USR2)?;
        Ok(self.signals)
    }

    /// Passes signals on to the supervisor and reaps whoever ends, until the supervisor does.
    pub(super) fn until_it_ends(&mut self, supervisor: Identity) -> Outcome {
        loop {
            if let Some(outcome) = self.ear.as_mut().and_then(Ear::hear) {
                return outcome;
            }
            // Looked at before the first wait, too: a signal that came before this process was this program is forgotten.
            let ended = std::iter::from_fn(fork::reap_one).filter(|(pid, _)| *pid == supervisor.pid).last();
            if let Some((_, outcome)) = ended {
                return outcome;
            }
            if let Some(signal) = self.signals.next() {
                self.hear(signal, supervisor);
            }
        }
    }

    /// Passes on to the next supervisor what has come before another program takes this one's place, which knows of nothing
    /// that was said to the supervisor before.
    pub(super) fn pass_on(&mut self, supervisor: Identity) {
        self.repeat_to(supervisor);
        while let Some(signal) = self.signals.next_that_came() {
            self.hear(signal, supervisor);
        }
    }

    /// One that came when the supervisor before was just ending was heard by nobody.
    fn repeat_to(&self, supervisor: Identity) {
        if let Some(signal) = self.asked_to_end {
            let _ = signal::send(supervisor, signal);
        }
    }

    fn hear(&mut self, signal: Signal, supervisor: Identity) {
        match signal {
            Signal::CHLD | Signal::IO => (),
            // Each log is looked for at its name anyway.
            Signal::USR2 => tracing::info!("received SIGUSR2 indicating log reopen request"),
            Signal::USR1 => self.mend(),
            passed => {
                if passed != Signal::HUP {
                    self.asked_to_end = Some(passed);
                }
                // One that is just ending gets no more signals.
                let _ = signal::send(supervisor, passed);
            }
        }
    }

    /// Takes the lock again, and goes on with the log, where their files were taken away.
    fn mend(&mut self) {
        match FileLock::try_take(&self.paths.guardian) {
            Ok(Some(lock)) => self.lock = lock.keep(),
            // It is where it was, and held.
            Ok(None) => (),
            Err(error) => tracing::warn!(%error, "cannot take the guardian's lock again"),
        }
        if let Err(error) = detach::reopen_removed_output(&self.paths.supervisor_log) {
            tracing::warn!(%error, "cannot go on with the log in its place");
        }
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::process::ExitStatusExt;
    use std::process::Command;

    use super::Watch;
    use crate::rundir::paths::Paths;
    use crate::sys::fork::Signals;
    use crate::sys::lock::FileLock;
    use crate::sys::process;
    use crate::vocab::identity::Pid;
    use crate::vocab::signal::Signal;

    #[test]
    fn what_the_supervisor_before_was_asked_when_it_was_ending_the_next_one_is_asked() {
        let dir = tempfile::tempdir().unwrap();
        let paths = Paths::new(&dir.path().join("services.toml"), dir.path());
        let lock = FileLock::try_take(&dir.path().join("lock")).unwrap().unwrap().keep();
        let signals = Signals::hold(&[]).unwrap();
        let asked_to_end = Some(Signal::TERM);
        let mut watch = Watch { paths: &paths, lock, signals, ear: None, asked_to_end };
        let mut next = Command::new("sleep").arg("20").spawn().unwrap();
        watch.pass_on(process::identify(Pid::new(next.id().try_into().unwrap()).unwrap()).unwrap());
        assert_eq!(next.wait().unwrap().signal(), Some(Signal::TERM.as_raw()));
    }
}
