use std::collections::BTreeMap;

use super::action::Action;
use super::event::Awaited;
use super::exchange::Roll;
use super::explain;
use super::fleet::Fleet;
use super::order::Outlook;
use super::phase::{Patience, Phase, Rest};
use super::service::{Service, Standing};
use super::ticket::{Awaiting, Verdict};
use crate::vocab::moment::Moment;
use crate::vocab::name::ServiceName;
use crate::vocab::state::{Goal, Health};

impl Fleet {
    /// Answers every ticket whose services have all come to a verdict, or whose time is up. What was reached counts only
    /// if it still is when the answer is given.
    pub(super) fn answer(&mut self, now: Moment, out: &mut Vec<Action>) {
        let changed = std::mem::take(&mut self.changed);
        let mut tickets = std::mem::take(&mut self.tickets);
        let mut judge = Judge { services: self.services(), outlook: Outlook::new(self.order()) };
        tickets.retain(|id, ticket| {
            let concerned = changed.iter().filter_map(|name| ticket.awaited.get_key_value(name));
            for (name, awaiting) in concerned {
                match (ticket.answer.get(name), judge.verdict(name, *awaiting)) {
                    (_, Some(verdict)) => drop(ticket.answer.insert(name.clone(), verdict)),
                    // A failure is an answer, whatever is tried after it: else two that fail in turn are none for ever.
                    (Some(Verdict::Failed(_)), None) => (),
                    // It was reached, and has been lost again while others were waited for.
                    (_, None) => drop(ticket.answer.remove(name)),
                }
            }
            if ticket.deadline.is_some_and(|deadline| deadline <= now) {
                for name in ticket.awaited.keys() {
                    let late = || Verdict::TimedOut(judge.why_not_yet(name));
                    ticket.answer.entry(name.clone()).or_insert_with(late);
                }
            }
            let is_open = ticket.answer.len() < ticket.awaited.len();
            if !is_open {
                out.push(Action::Answer { ticket: *id, answer: std::mem::take(&mut ticket.answer) });
            }
            is_open
        });
        self.tickets = tickets;
    }
}

/// Judges by how things stand at one moment.
struct Judge<'a> {
    services: &'a BTreeMap<ServiceName, Service>,
    outlook: Outlook<'a>,
}

impl Judge<'_> {
    fn verdict(&mut self, name: &ServiceName, awaiting: Awaiting) -> Option<Verdict> {
        let Some(service) = self.services.get(name) else {
            return Some(match awaiting {
                Awaiting::Down | Awaiting::Gone | Awaiting::Seen(Awaited::Gone) => Verdict::Done,
                Awaiting::Up | Awaiting::Exchanged => not_declared(),
                Awaiting::Seen(Awaited::Ready | Awaited::Alive) => not_declared(),
            });
        };
        match awaiting {
            Awaiting::Up => self.verdict_up(service),
            Awaiting::Exchanged => self.verdict_exchanged(service),
            Awaiting::Down => self.verdict_down(service),
            Awaiting::Gone => self.verdict_gone(service),
            Awaiting::Seen(awaited) => self.verdict_seen(service, awaited),
        }
    }

    fn verdict_up(&mut self, service: &Service) -> Option<Verdict> {
        let name = &service.spec.name;
        if service.standing == Standing::Removed {
            return Some(not_declared());
        }
        if service.goal == Goal::Down {
            return Some(Verdict::Failed("was stopped meanwhile".to_owned()));
        }
        match &service.phase {
            Phase::Killing { patience: Patience::RunOut, .. } => Some(self.failed(name)),
            // The run that lives is the one to be left behind.
            _ if service.goal == Goal::Again => None,
            Phase::Running(_, proof) if proof.health != Health::Unhealthy => Some(Verdict::Done),
            Phase::Running(..) => Some(self.failed(name)),
            Phase::Resting(Rest::Completed | Rest::Planned) => Some(Verdict::Done),
            Phase::Resting(Rest::Stopped | Rest::Failed | Rest::Fatal) => Some(self.failed(name)),
            Phase::Waiting
            | Phase::Spawning { .. }
            | Phase::Starting(..)
            | Phase::Backoff { .. }
            | Phase::Blocked { .. } => self.outlook.is_stuck(name).then(|| self.failed(name)),
            Phase::Stopping { .. } | Phase::Killing { .. } => None,
        }
    }

    fn verdict_exchanged(&mut self, service: &Service) -> Option<Verdict> {
        if service.goal == Goal::Down || service.standing == Standing::Removed {
            return self.verdict_up(service);
        }
        if let Some(why) = explain::second_hangs(service) {
            return Some(Verdict::Failed(why));
        }
        match &service.roll {
            _ if service.second.is_some() => None,
            Roll::Due { .. } => None,
            Roll::Failed { why } => Some(Verdict::Failed(why.clone())),
            Roll::Nothing => self.verdict_up(service),
        }
    }

    fn verdict_down(&mut self, service: &Service) -> Option<Verdict> {
        let name = &service.spec.name;
        if service.goal != Goal::Down {
            return Some(Verdict::Failed("was started again meanwhile".to_owned()));
        }
        if let Some(why) = explain::second_hangs(service) {
            return Some(Verdict::Failed(why));
        }
        match &service.phase {
            Phase::Resting(_) if service.second.is_some() || service.is_after_stop() => None,
            Phase::Resting(_) => {
                let is_clear = service.last.as_ref().is_none_or(|last| last.end.left.is_empty());
                Some(if is_clear { Verdict::Done } else { self.failed(name) })
            }
            Phase::Killing { patience: Patience::RunOut, .. } => Some(self.failed(name)),
            Phase::Killing { patience: Patience::Until(_), .. } => None,
            Phase::Waiting | Phase::Spawning { .. } | Phase::Backoff { .. } | Phase::Blocked { .. } => None,
            Phase::Starting(..) | Phase::Running(..) | Phase::Stopping { .. } => None,
        }
    }

    /// A config that came meanwhile may have it again: then it is as that wants it.
    fn verdict_gone(&mut self, service: &Service) -> Option<Verdict> {
        match (service.standing, service.goal) {
            (Standing::Declared, Goal::Up | Goal::Again) => self.verdict_up(service),
            (Standing::Declared, Goal::Down) | (Standing::Removed, _) => self.verdict_down(service),
        }
    }

    fn verdict_seen(&mut self, service: &Service, awaited: Awaited) -> Option<Verdict> {
        let is_seen = match awaited {
            Awaited::Ready => match &service.phase {
                Phase::Running(_, proof) => service.goal == Goal::Up && proof.health != Health::Unhealthy,
                Phase::Resting(rest) => *rest == Rest::Completed,
                Phase::Waiting | Phase::Spawning { .. } | Phase::Starting(..) => false,
                Phase::Stopping { .. } | Phase::Killing { .. } => false,
                Phase::Backoff { .. } | Phase::Blocked { .. } => false,
            },
            Awaited::Alive => service.has_live_process(),
            Awaited::Gone => !service.is_occupied(),
        };
        let is_over = matches!(service.phase, Phase::Resting(Rest::Failed | Rest::Fatal));
        let is_lost = awaited != Awaited::Gone && is_over;
        match (is_seen, is_lost) {
            (true, _) => Some(Verdict::Done),
            (false, true) => Some(self.failed(&service.spec.name)),
            (false, false) => None,
        }
    }

    fn failed(&mut self, name: &ServiceName) -> Verdict {
        Verdict::Failed(self.why_not_yet(name))
    }

    fn why_not_yet(&mut self, name: &ServiceName) -> String {
        let state = self.services.get(name).map_or("gone", |service| service.state().word());
        explain::reason(&mut self.outlook, name).unwrap_or_else(|| format!("is {state}"))
    }
}

fn not_declared() -> Verdict {
    Verdict::Failed("is not in the config any more".to_owned())
}
