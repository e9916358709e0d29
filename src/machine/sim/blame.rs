use super::check::require;
use super::child::Child;
use super::world::{Verdict, World};
use crate::machine::blame::Blame;
use crate::machine::event::Event;
use crate::vocab::name::ServiceName;
use crate::vocab::outcome::Outcome;

impl World {
    /// What the end of a process is put down to: to its program only if it ended as that does by itself.
    pub(super) fn blame_of(&self, child: &Child, outcome: Outcome) -> Blame {
        let of_itself = child.character.dies.map(|(_, outcome)| outcome);
        let blames = of_itself == Some(outcome) && child.kill_by.is_none();
        if blames { child.character.blame.clone() } else { Blame::Nothing }
    }

    /// Somebody changes the file that an end was put down to: whoever waits for that goes on, and nobody else does anything.
    pub(super) fn repair(&mut self) -> Verdict {
        let names: Vec<ServiceName> = self.file.services().keys().cloned().collect();
        let Some(name) = self.rng.choice(names) else { return Ok(()) };
        let seen = |world: &World| {
            let service = world.supervisor.as_ref()?.fleet.services().get(&name)?;
            Some((service.awaits_change(), service.phase().run()))
        };
        let before = seen(self);
        self.feed(Event::Repaired(name.clone()))?;
        match (before, seen(self)) {
            (Some((true, _)), Some((still_awaits, _))) => {
                require(!still_awaits, || format!("`{name}` waits for a file that has changed"))
            }
            (Some((false, Some(run))), Some((_, after))) => require(after == Some(run), || {
                format!("a file that `{name}` does not wait for ended its run")
            }),
            (Some((false, None)) | None, _) | (_, None) => Ok(()),
        }
    }
}
