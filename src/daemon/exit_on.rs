use super::causes::askers::Asker;
use super::engine::{Ending, Engine};
use crate::machine::action::Change;
use crate::machine::event::Verb;
use crate::spec::supervisor::ExitOn;
use crate::vocab::cause::Means;
use crate::vocab::outcome::Outcome;
use crate::vocab::state::State;

/// Whether the end of all was begun.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Underway {
    /// It is due.
    NotYet,
    /// It is.
    Begun,
}

impl Engine {
    /// Notes when a change is one that ends all, by `exit_on`. The first one counts.
    pub(super) fn note_end_of_all(&mut self, change: &Change) {
        let is_end = change.state == State::Exited || change.state == State::Fatal;
        let code = match &self.fleet.spec().supervisor().exit_on {
            ExitOn::Fatal if change.state == State::Fatal => 1,
            ExitOn::Service(name) if *name == change.service && is_end => self.code_of(change),
            ExitOn::Never | ExitOn::Fatal | ExitOn::Service(_) => return,
        };
        if self.end_of_all.is_none() && self.ending == Ending::NotYet {
            tracing::info!(service = %change.service, state = %change.state, code, "ending all, as exit_on says");
            self.end_of_all = Some((code, Underway::NotYet));
        }
    }

    /// Begins the end of all, between two messages: the machine is not told of a command in the middle of its actions.
    pub(super) fn end_if_config_says_so(&mut self) {
        if let Some((code, Underway::NotYet)) = self.end_of_all {
            self.end_of_all = Some((code, Underway::Begun));
            let ticket = self.mailbox.ticket();
            self.stop_all(ticket, Verb::Stop, &Asker::NOBODY.by(Means::ExitOn));
        }
    }

    /// As a shell tells the end of a process: its exit code, or 128 and the number of the signal.
    fn code_of(&self, change: &Change) -> u8 {
        let last = self.fleet.services().get(&change.service).and_then(|service| service.last());
        match last.map(|last| last.end.outcome) {
            Some(Outcome::Code(code)) => u8::try_from(code).unwrap_or(1),
            Some(Outcome::Signal(signal)) => u8::try_from(128 + signal.as_raw()).unwrap_or(1),
            Some(Outcome::Unknown) | None => 1,
        }
    }
}
