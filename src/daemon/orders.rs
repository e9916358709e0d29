use std::time::Duration;

use super::causes::askers::Sent;
use super::engine::{Ending, Engine, ending_problem};
use super::guardianship::no_guardian;
use super::mailbox::Reply;
use crate::machine::event::{Awaited, Command, Event, Verb};
use crate::machine::ticket::{Answer, TicketId, Verdict};
use crate::protocol;
use crate::protocol::command::{Dependents, Fate, Order, Pace, RollOrder, Sequel, ShutdownOrder};
use crate::protocol::problem::{Kind, Problem};
use crate::protocol::reply::{Report, ServiceResult};
use crate::sys::{clock, process};
use crate::vocab::cause::{By, Means};
use crate::vocab::enablement::Enablement;
use crate::vocab::moment::Moment;
use crate::vocab::name::ServiceName;
use crate::vocab::selection::Selection;
use crate::vocab::signal::Signal;
use crate::vocab::state::State;

impl Engine {
    /// Answers a command whose ticket the machine has closed.
    pub(super) fn answer(&mut self, ticket: TicketId, answer: Answer) {
        let results = answer.into_iter().map(|(name, verdict)| self.result(name, verdict)).collect();
        if let Some(reply) = self.replies.remove(&ticket) {
            let _ = reply.send(Report { results });
        }
        if self.ending == Ending::After(ticket) {
            self.ending = Ending::Over(Fate::Stop);
        }
    }

    fn result(&self, service: ServiceName, verdict: Verdict) -> ServiceResult {
        let state = self.fleet.services().get(&service).map_or(State::Stopped, |service| service.state());
        let (verdict, reason) = match verdict {
            Verdict::Done => (protocol::reply::Verdict::Done, None),
            Verdict::Failed(why) => (protocol::reply::Verdict::Failed, Some(why)),
            Verdict::TimedOut(why) => (protocol::reply::Verdict::TimedOut, Some(why)),
        };
        let stderr = if reason.is_some() { self.last_stderr(&service) } else { Vec::new() };
        ServiceResult { service, verdict, state, reason, stderr }
    }

    /// A client asks the supervisor to end.
    pub(super) fn shut_down(&mut self, ticket: TicketId, order: ShutdownOrder, reply: Reply) {
        match (order.services, self.ending) {
            (Fate::Upgrade, _) if !self.guardian.is_some_and(process::is_alive) => {
                reply.refuse(no_guardian());
            }
            (Fate::Leave | Fate::Upgrade, _) => {
                let _ = reply.accept().send(Report::default());
                self.ending = Ending::Over(order.services);
            }
            (Fate::Stop, Ending::NotYet) => {
                let by = reply.asker.by(Means::Shutdown);
                self.replies.insert(ticket, reply.accept());
                self.stop_all(ticket, Verb::Stop, &by);
            }
            (Fate::Stop, Ending::After(_) | Ending::Over(_)) => reply.refuse(ending_problem()),
        }
    }

    /// Passes a command on to the machine, or refuses it.
    pub(super) fn command(&mut self, ticket: TicketId, command: protocol::command::Command, reply: Reply) {
        use protocol::command::Command as Asked;
        let means = means(&command);
        let asked = match command {
            _ if self.ending != Ending::NotYet => Err(ending_problem()),
            Asked::Up(order) if order.services.is_all() => Ok(self.autostart(ticket, &order)),
            Asked::Up(order) => self.order(ticket, Verb::Up, &order),
            Asked::Start(order) => self.order(ticket, Verb::Start, &order),
            Asked::Stop(order) => {
                let verb = match order.pace {
                    Pace::InOrder => Verb::Stop,
                    Pace::AtOnce => Verb::StopAtOnce,
                };
                self.order(ticket, verb, &order)
            }
            Asked::Restart(order) => self.order(ticket, Verb::Restart, &order),
            Asked::Roll(order) => self.roll(ticket, &order),
            Asked::Scale(order) => self.scale(ticket, &order),
            Asked::Kill(order) => self.order(ticket, Verb::Kill, &order),
            Asked::Wait(wait) => {
                let verb = Verb::Await(match wait.awaited {
                    protocol::command::Awaited::Ready => Awaited::Ready,
                    protocol::command::Awaited::Running => Awaited::Alive,
                    protocol::command::Awaited::Stopped => Awaited::Gone,
                });
                let order =
                    Order { services: wait.services, timeout_ms: wait.timeout_ms, ..Order::default() };
                self.order(ticket, verb, &order)
            }
            Asked::Signal(order) => {
                let by = reply.asker.by(Means::Signal);
                return reply.tell(self.signal(&order.services, order.signal, &by));
            }
            Asked::Flush(order) => {
                let by = reply.asker.by(Means::Flush);
                self.note_flush(&order.pids, &by);
                return reply.tell(Ok(Report::default()));
            }
            Asked::Enable(order) => return reply.tell(self.enable(&order.services, Enablement::Enabled)),
            Asked::Disable(order) => return reply.tell(self.enable(&order.services, Enablement::Disabled)),
        };
        if let Ok(command) = &asked {
            self.note_asker(command, means.map(|means| reply.asker.by(means)));
        }
        match asked {
            Ok(command) if command.verb == Verb::Restart => self.restart(command, reply.accept()),
            Ok(command) => {
                self.replies.insert(ticket, reply.accept());
                self.feed(Event::Command(command));
            }
            Err(problem) => reply.refuse(problem),
        }
    }

    fn order(&self, ticket: TicketId, verb: Verb, order: &Order) -> Result<Command, Problem> {
        let mut services = self.pick(&order.services)?;
        match order.dependents {
            Dependents::Included => {
                services = self.fleet.spec().graph().with_dependents(&services).into_iter().collect();
            }
            Dependents::Untouched => self.refuse_needed(verb, &services)?,
            Dependents::Forced => (),
        }
        Ok(Command { ticket, verb, services, deadline: deadline(order.timeout_ms) })
    }

    /// Others would be taken down with these: whoever stops them says whether that is meant.
    fn refuse_needed(&self, verb: Verb, services: &[ServiceName]) -> Result<(), Problem> {
        let word = match verb {
            Verb::Stop | Verb::StopAtOnce => "stop",
            Verb::Kill => "kill",
            Verb::Up | Verb::Start | Verb::Restart | Verb::Roll { .. } => return Ok(()),
            Verb::Fit | Verb::Await(_) => return Ok(()),
        };
        let others = self.fleet.taken_down_with(services);
        if others.is_empty() {
            return Ok(());
        }
        let quoted = |names: &[ServiceName]| {
            let names: Vec<String> = names.iter().map(|name| format!("`{name}`")).collect();
            names.join(", ")
        };
        let needed_by_others = self.fleet.spec().graph().with_hard_needs(&others);
        let needed: Vec<ServiceName> =
            services.iter().filter(|name| needed_by_others.contains(*name)).cloned().collect();
        Err(Problem {
            kind: Kind::Needed,
            what: format!(
                "cannot {word} {}: {} cannot be up without it, and would be taken down; nothing was touched",
                quoted(&needed),
                quoted(&others)
            ),
            hint: Some(format!(
                "`--with-dependents` {word}s those as well; `--force` {word}s it alone, and they come back when it does"
            )),
        })
    }

    fn roll(&self, ticket: TicketId, order: &RollOrder) -> Result<Command, Problem> {
        const READY_WITHIN: Duration = Duration::from_secs(60);
        let ready_within = order.ready_within_ms.map_or(READY_WITHIN, Duration::from_millis);
        let named =
            Order { services: order.services.clone(), dependents: order.dependents, ..Order::default() };
        let command = self.order(ticket, Verb::Roll { ready_within }, &named)?;
        self.fleet.spec().prove_overlap(&command.services).map_err(|error| Problem {
            kind: Kind::ConfigForbids,
            what: error.to_string(),
            hint: None,
        })?;
        Ok(command)
    }

    fn autostart(&self, ticket: TicketId, order: &Order) -> Command {
        let wanted = self.fleet.spec().services().values().filter(|service| service.autostart);
        let services = wanted.map(|service| service.name.clone()).collect();
        Command { ticket, verb: Verb::Up, services, deadline: deadline(order.timeout_ms) }
    }

    pub(super) fn pick(&self, selection: &Selection) -> Result<Vec<ServiceName>, Problem> {
        self.fleet.spec().pick(selection).map_err(|missing| Problem::no_such_service(&missing))
    }

    fn signal(&mut self, selection: &Selection, signal: Option<Signal>, by: &By) -> Result<Report, Problem> {
        let names = self.pick(selection)?;
        let results = names.into_iter().map(|name| self.signal_one(name, signal, by)).collect();
        Ok(Report { results })
    }

    fn signal_one(&mut self, name: ServiceName, signal: Option<Signal>, by: &By) -> ServiceResult {
        let service = &self.fleet.services()[&name];
        let warden = service.phase().live().and_then(|live| self.wardens.get(&live.run));
        let reason = match (warden, signal.or(service.spec().reload_signal)) {
            (Some(warden), Some(signal)) => {
                warden.signal(signal);
                let sent = Sent::at(clock::now(), service.spec().stop.timeout, signal, by);
                self.askers.signal(warden.charge().tag.run, sent);
                None
            }
            (None, _) => Some(format!("cannot signal it: it is {}", service.state())),
            (Some(_), None) => {
                Some("cannot signal it: say which signal, or declare `reload_signal`".to_owned())
            }
        };
        let verdict = match reason {
            None => protocol::reply::Verdict::Done,
            Some(_) => protocol::reply::Verdict::Failed,
        };
        ServiceResult { state: service.state(), service: name, verdict, reason, stderr: Vec::new() }
    }
}

/// By what a command ends runs, if it does.
fn means(command: &protocol::command::Command) -> Option<Means> {
    use protocol::command::Command as Asked;
    match command {
        Asked::Stop(order) => Some(match order.sequel {
            Sequel::Nothing => Means::Stop,
            Sequel::Restart => Means::Restart,
        }),
        Asked::Restart(_) => Some(Means::Restart),
        Asked::Roll(_) => Some(Means::Roll),
        Asked::Scale(_) => Some(Means::Scale),
        Asked::Kill(_) => Some(Means::Kill),
        Asked::Up(_) | Asked::Start(_) | Asked::Signal(_) | Asked::Wait(_) => None,
        Asked::Flush(_) | Asked::Enable(_) | Asked::Disable(_) => None,
    }
}

/// When an answer is due.
pub(super) fn deadline(timeout_ms: Option<u64>) -> Option<Moment> {
    timeout_ms.map(|limit| clock::now().after(Duration::from_millis(limit)))
}
