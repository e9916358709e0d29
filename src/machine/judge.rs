use super::action::Action;
use super::event::Awaited;
use super::fleet::Fleet;
use super::phase::{Patience, Phase, Rest};
use super::service::Service;
use super::ticket::{Awaiting, Verdict};
use crate::vocab::moment::Moment;
use crate::vocab::name::ServiceName;
use crate::vocab::run::RunId;
use crate::vocab::state::{Goal, Health};

impl Fleet {
    /// Answers every ticket whose services have all come to a verdict, or whose time is up.
    pub(super) fn answer(&mut self, now: Moment, out: &mut Vec<Action>) {
        let changed = std::mem::take(&mut self.changed);
        let mut tickets = std::mem::take(&mut self.tickets);
        tickets.retain(|id, ticket| {
            let is_due = ticket.deadline.is_some_and(|deadline| deadline <= now);
            let judged: Vec<(ServiceName, Verdict)> = changed
                .iter()
                .filter_map(|name| Some((name.clone(), self.judge(name, *ticket.open.get(name)?)?)))
                .collect();
            for (name, verdict) in judged {
                ticket.open.remove(&name);
                ticket.answer.insert(name, verdict);
            }
            if is_due {
                for (name, _) in std::mem::take(&mut ticket.open) {
                    let verdict = Verdict::TimedOut(self.why_not_yet(&name));
                    ticket.answer.insert(name, verdict);
                }
            }
            let is_open = !ticket.open.is_empty();
            if !is_open {
                out.push(Action::Answer { ticket: *id, answer: std::mem::take(&mut ticket.answer) });
            }
            is_open
        });
        self.tickets = tickets;
    }

    fn judge(&self, name: &ServiceName, awaiting: Awaiting) -> Option<Verdict> {
        let Some(service) = self.services().get(name) else {
            return Some(match awaiting {
                Awaiting::Down | Awaiting::Seen(Awaited::Gone) => Verdict::Done,
                Awaiting::Up { .. } | Awaiting::Seen(Awaited::Ready | Awaited::Alive) => {
                    Verdict::Failed("is not in the config any more".to_owned())
                }
            });
        };
        match awaiting {
            Awaiting::Up { after } => self.judge_up(name, service, after),
            Awaiting::Down => judge_down(service, || self.why_not_yet(name)),
            Awaiting::Seen(awaited) => self.judge_seen(name, service, awaited),
        }
    }

    fn judge_up(&self, name: &ServiceName, service: &Service, after: Option<RunId>) -> Option<Verdict> {
        if service.goal == Goal::Down {
            return Some(Verdict::Failed("was stopped meanwhile".to_owned()));
        }
        let is_new = service.phase.run().is_none_or(|run| after.is_none_or(|after| run > after));
        match &service.phase {
            _ if service.goal == Goal::Again || !is_new => None,
            Phase::Running(_, proof) if proof.health != Health::Unhealthy => Some(Verdict::Done),
            Phase::Running(..) => Some(Verdict::Failed(self.why_not_yet(name))),
            Phase::Resting(Rest::Completed) => Some(Verdict::Done),
            Phase::Resting(Rest::Stopped | Rest::Failed | Rest::Fatal) => {
                Some(Verdict::Failed(self.why_not_yet(name)))
            }
            Phase::Waiting | Phase::Spawning { .. } | Phase::Starting(..) | Phase::Backoff { .. } => {
                self.order().is_stuck(name).then(|| Verdict::Failed(self.why_not_yet(name)))
            }
            Phase::Stopping { .. } | Phase::Killing { .. } => None,
        }
    }

    fn judge_seen(&self, name: &ServiceName, service: &Service, awaited: Awaited) -> Option<Verdict> {
        let is_seen = match awaited {
            Awaited::Ready => match &service.phase {
                Phase::Running(_, proof) => service.goal == Goal::Up && proof.health != Health::Unhealthy,
                Phase::Resting(rest) => *rest == Rest::Completed,
                Phase::Waiting | Phase::Spawning { .. } | Phase::Starting(..) => false,
                Phase::Stopping { .. } | Phase::Killing { .. } | Phase::Backoff { .. } => false,
            },
            Awaited::Alive => service.phase.live().is_some(),
            Awaited::Gone => !service.has_process(),
        };
        let is_lost = awaited != Awaited::Gone && service.phase == Phase::Resting(Rest::Fatal);
        match (is_seen, is_lost) {
            (true, _) => Some(Verdict::Done),
            (false, true) => Some(Verdict::Failed(self.why_not_yet(name))),
            (false, false) => None,
        }
    }

    fn why_not_yet(&self, name: &ServiceName) -> String {
        let state = self.services().get(name).map_or("gone", |service| service.state().word());
        self.reason(name).unwrap_or_else(|| format!("is {state}"))
    }
}

fn judge_down(service: &Service, why: impl Fn() -> String) -> Option<Verdict> {
    if service.goal != Goal::Down {
        return Some(Verdict::Failed("was started again meanwhile".to_owned()));
    }
    match &service.phase {
        Phase::Resting(_) => {
            let is_clear = service.last.as_ref().is_none_or(|last| last.end.left.is_empty());
            Some(if is_clear { Verdict::Done } else { Verdict::Failed(why()) })
        }
        Phase::Killing { patience: Patience::RunOut, .. } => Some(Verdict::Failed(why())),
        Phase::Killing { patience: Patience::Until(_), .. } => None,
        Phase::Waiting | Phase::Spawning { .. } | Phase::Backoff { .. } => None,
        Phase::Starting(..) | Phase::Running(..) | Phase::Stopping { .. } => None,
    }
}
