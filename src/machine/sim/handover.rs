use super::agenda::{Due, wait};
use super::child::{Child, Life, identity};
use super::world::{Verdict, World};
use crate::machine::event::Event;
use crate::machine::phase::Live;
use crate::vocab::identity::Pid;

impl World {
    /// A process names another of its run as the main one, and ends or not. One that was sent SIGKILL names it in vain.
    pub(super) fn hand_over(&mut self) -> Verdict {
        let Some(supervisor) = &self.supervisor else { return Ok(()) };
        let is_known = |child: &&Child| {
            let is_alive = child.is_ours() && child.life == Life::Alive;
            is_alive && child.told_at <= self.now && !supervisor.spawning.contains(&child.run)
        };
        let pids: Vec<Pid> = self.children.values().filter(is_known).map(Child::pid).collect();
        let Some(mut child) = self.rng.choice(pids).and_then(|pid| self.children.remove(&pid)) else {
            return Ok(());
        };
        self.born += 1;
        let (run, main) = (child.run, identity(self.born));
        if child.killed_at.is_none() {
            child.former = self.rng.bool().then_some(child.identity);
            child.identity = main;
            self.let_it_end(&mut child);
        }
        self.children.insert(child.pid(), child);
        self.feed(Event::HandedOver { run, main })
    }

    /// The same, and the daemon dies before the journal knows of it.
    pub(super) fn hand_over_in_vain(&mut self) -> Verdict {
        if let Some(supervisor) = &mut self.supervisor {
            supervisor.doom = Some(0);
        }
        self.hand_over()
    }

    /// What was to become of the process before becomes of this one; who was asked to end passes that on.
    fn let_it_end(&mut self, child: &mut Child) {
        if let Some((_, outcome)) = child.character.dies {
            let at = self.now.after(wait(&mut self.rng, 2000));
            child.character.dies = Some((at.since(child.born), outcome));
            self.agenda.plan(at, Due::Dies(child.pid()));
        }
        if let (Some(_), Some((after, outcome))) = (child.kill_by, child.character.obeys) {
            self.agenda.plan(self.now.after(after), Due::Falls(child.pid(), outcome));
        }
    }

    /// Whether the main process lives that a journal names. One that has handed over after that was written, and lives on,
    /// is the main one to a daemon that has not heard of it.
    pub(super) fn still_lives(&mut self, live: &Live) -> bool {
        let is_it = |child: &Child| child.identity == live.identity;
        if self.children.get(&live.identity.pid).is_some_and(is_it) {
            return true;
        }
        let heir = self.children.values().find(|child| child.former == Some(live.identity)).map(Child::pid);
        let Some(heir) = heir.and_then(|pid| self.children.remove(&pid)) else { return false };
        let child = Child { identity: live.identity, former: None, ..heir };
        self.children.insert(child.pid(), child);
        true
    }
}
