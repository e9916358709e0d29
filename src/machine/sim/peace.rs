use super::agenda::Due;
use super::operator::{PEACE_MAX, Temper};
use super::world::{Ending, Verdict, World};
use crate::machine::event::Verb;
use crate::machine::phase::{Phase, Rest};
use crate::machine::service::Service;
use crate::vocab::identity::Pid;
use crate::vocab::name::ServiceName;
use crate::vocab::state::{Goal, Health};

impl World {
    /// Faults stop: strangers leave the ports, and every process means well from here on.
    pub(super) fn make_peace(&mut self) -> Verdict {
        self.tell(|| "peace".to_owned());
        self.temper = Temper::Peaceful;
        self.send_strangers_away();
        if let Some(supervisor) = &mut self.supervisor {
            supervisor.doom = None;
        }
        let pids: Vec<Pid> = self.children.keys().copied().collect();
        for pid in pids {
            self.reform(pid);
        }
        Ok(())
    }

    fn reform(&mut self, pid: Pid) {
        let Some(child) = self.children.get(&pid) else { return };
        let service = self.file.service(&child.service).cloned();
        let end = service.and_then(|service| self.natural_end(&service));
        let Some(child) = self.children.get_mut(&pid) else { return };
        let at = end.map(|(after, _)| self.now.after(after));
        child.reform(self.now, end);
        if let Some(at) = at {
            self.agenda.plan(at, Due::Dies(pid));
        }
    }

    /// Lets time pass until the goal is reached, then stops everything.
    pub(super) fn come_to_rest(&mut self) -> Verdict {
        self.until_nothing_is_missing(World::missing_from_goal)?;
        let everything = self.supervisor.as_ref().map(|it| it.fleet.services().keys().cloned().collect());
        self.command(Verb::Stop, everything.unwrap_or_default(), None)?;
        self.until_nothing_is_missing(World::missing_from_rest)
    }

    fn until_nothing_is_missing(&mut self, missing: impl Fn(&World) -> Option<String>) -> Verdict {
        let limit = self.now.after(PEACE_MAX);
        while let Some(what) = missing(self) {
            if self.now > limit {
                return Err(format!("ten minutes after the last fault: {what}"));
            }
            self.step().map_err(|why| format!("{why} ({what})"))?;
        }
        Ok(())
    }

    fn missing_from_goal(&self) -> Option<String> {
        let Some(supervisor) = &self.supervisor else { return Some("no daemon lives".to_owned()) };
        if supervisor.ending != Ending::NotYet {
            return Some("the daemon is about to end".to_owned());
        }
        let fleet = &supervisor.fleet;
        let awaits = |verb: Verb| matches!(verb, Verb::Await(_));
        let open = self.ledger.open_tickets().iter().find(|(_, asked)| !awaits(asked.verb));
        let mut services = fleet.services().iter();
        let missing = services.find(|(name, it)| !is_at_goal(it, fleet.reason(name)));
        match (missing, open) {
            (Some((name, it)), _) => Some(format!("`{name}` is {it:?}, because {:?}", fleet.reason(name))),
            (None, Some(open)) => Some(format!("no answer to {open:?}")),
            (None, None) => None,
        }
    }

    fn missing_from_rest(&self) -> Option<String> {
        let Some(supervisor) = &self.supervisor else { return Some("no daemon lives".to_owned()) };
        let is_over = |service: &Service| *service.phase() == Phase::Resting(Rest::Stopped);
        let alive: Option<&ServiceName> =
            supervisor.fleet.services().iter().find(|(_, it)| !is_over(it)).map(|(name, _)| name);
        let open = self.ledger.open_tickets().values().find(|asked| asked.verb == Verb::Stop);
        let timer = supervisor.fleet.deadline().filter(|(_, why)| *why != "a command's answer is due");
        let process = self.children.values().find(|child| child.is_ours());
        (alive.is_some() || open.is_some() || timer.is_some() || process.is_some())
            .then(|| format!("{alive:?}, {open:?}, {timer:?} and {process:?} are left after a stop of all"))
    }
}

fn is_at_goal(service: &Service, reason: Option<String>) -> bool {
    let waits_in_vain = reason.is_some_and(|reason| reason.starts_with("waits in vain for"));
    match (service.goal(), service.phase()) {
        _ if service.second().is_some() || service.awaits_exchange() => false,
        (Goal::Again, _) => false,
        (Goal::Down, phase) => *phase == Phase::Resting(Rest::Stopped),
        (Goal::Up, Phase::Running(_, proof)) => matches!(proof.health, Health::Healthy | Health::None),
        (Goal::Up, Phase::Resting(rest)) => *rest != Rest::Stopped,
        (Goal::Up, Phase::Waiting) => waits_in_vain,
        (Goal::Up, Phase::Spawning { .. } | Phase::Starting(..) | Phase::Backoff { .. }) => false,
        (Goal::Up, Phase::Stopping { .. } | Phase::Killing { .. } | Phase::Blocked { .. }) => false,
    }
}
