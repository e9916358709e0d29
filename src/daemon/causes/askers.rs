use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use crate::config::change::Effect;
use crate::daemon::engine::Engine;
use crate::daemon::preflight::Reading;
use crate::daemon::warden::Warden;
use crate::machine::event::{Command, Verb};
use crate::ports::flush;
use crate::sys::{clock, user};
use crate::vocab::cause::{By, Means};
use crate::vocab::identity::Pid;
use crate::vocab::moment::Moment;
use crate::vocab::name::ServiceName;
use crate::vocab::outcome::Outcome;
use crate::vocab::run::RunId;
use crate::vocab::signal::Signal;

/// Who asks for something: the user at the other end of the control socket, or nobody when the supervisor itself does.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Asker(pub Option<u32>);

impl Asker {
    /// The supervisor itself.
    pub const NOBODY: Self = Self(None);

    /// What is told of it.
    pub fn by(self, means: Means) -> By {
        By { means, user: self.0.map(user::name), uid: self.0, what: None }
    }
}

/// Who had runs ended that live still, and services stopped that rest. A supervisor that follows knows nothing of it.
#[derive(Debug, Default)]
pub struct Askers {
    ends: BTreeMap<ServiceName, By>,
    signals: BTreeMap<RunId, Vec<Sent>>,
    flushes: BTreeMap<RunId, (Moment, By)>,
    stops: BTreeMap<ServiceName, Stopped>,
}

/// An end that comes later than so long after a flush was announced is none of its doing: by then it has asked, killed and
/// given up, and what the run left has had as long to vanish.
const FLUSH_MAX: Duration = flush::GRACE.saturating_add(flush::KILLED_MAX).saturating_add(flush::KILLED_MAX);

/// A signal that somebody has sent to a run.
#[derive(Debug)]
pub struct Sent {
    /// Which.
    pub signal: Signal,
    /// By whom.
    pub by: By,
    /// An end that comes later is none of its doing.
    pub until: Moment,
}

impl Sent {
    /// One that is sent at this moment to a run whose stop may take as long as `grace`.
    pub fn at(now: Moment, grace: Duration, signal: Signal, by: &By) -> Self {
        let by = By { what: Some(signal.to_string()), ..by.clone() };
        Self { signal, by, until: now.after(grace.max(SIGNAL_MIN)) }
    }
}

/// A signal that ends a process does so at once, unless the process catches it and ends when it has tidied up: it has as long
/// for that as its stop may take, and no less than this, in which a slow disk takes a dump of its memory as well.
const SIGNAL_MIN: Duration = Duration::from_secs(10);

/// By whom and when a service was stopped.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stopped {
    /// By whom.
    pub by: By,
    /// When, in milliseconds since 1970 UTC.
    pub unix_ms: u64,
}

impl Askers {
    /// The runs of these services are to end.
    pub fn end<'n>(&mut self, services: impl IntoIterator<Item = &'n ServiceName>, by: &By) {
        self.ends.extend(services.into_iter().map(|service| (service.clone(), by.clone())));
    }

    /// The same, and none is to follow.
    pub fn stop(&mut self, services: &[ServiceName], by: &By, unix_ms: u64) {
        self.end(services, by);
        let stopped = |service: &ServiceName| (service.clone(), Stopped { by: by.clone(), unix_ms });
        self.stops.extend(services.iter().map(stopped));
    }

    /// These services are wanted again.
    pub fn start(&mut self, services: &[ServiceName]) {
        services.iter().for_each(|service| drop(self.stops.remove(service)));
    }

    /// A signal is sent to a run. The last one of its kind counts.
    pub fn signal(&mut self, run: RunId, sent: Sent) {
        let earlier = self.signals.entry(run).or_default();
        earlier.retain(|it| it.signal != sent.signal);
        earlier.push(sent);
    }

    /// A run is about to be ended by a client, which may take more than one signal.
    pub fn flush(&mut self, run: RunId, by: By, now: Moment) {
        self.flushes.insert(run, (now, by));
    }

    /// Who ended a run to free its port, if a flush can have ended a run that is over now.
    pub fn take_flush(&mut self, run: RunId, now: Moment) -> Option<By> {
        let (announced, by) = self.flushes.remove(&run)?;
        (now.since(announced) <= FLUSH_MAX).then_some(by)
    }

    /// The runs of these services are not to end after all.
    pub fn call_off(&mut self, services: &[ServiceName]) {
        services.iter().for_each(|service| drop(self.ends.remove(service)));
    }

    /// Who had a run ended that procman was asked to end, and has ended.
    pub fn take_end(&mut self, service: &ServiceName) -> Option<By> {
        self.ends.remove(service)
    }

    /// The signal that a run which is over has ended by, if somebody sent it: it itself, or, when the process ended by an exit,
    /// the last one that it can have been given cause to. It counts for a while only.
    pub fn take_signal(&mut self, run: RunId, outcome: Outcome, now: Moment) -> Option<(Signal, By)> {
        let may_be = |it: &Sent| match outcome {
            Outcome::Signal(signal) => signal == it.signal,
            Outcome::Code(_) | Outcome::Unknown => true,
        };
        let sent = self.signals.remove(&run)?.into_iter().rfind(|it| now <= it.until && may_be(it))?;
        Some((sent.signal, sent.by))
    }

    /// By whom a service was stopped.
    pub fn stopped(&self, service: &ServiceName) -> Option<&Stopped> {
        self.stops.get(service)
    }
}

impl Engine {
    /// Notes who gave a command that ends runs, and forgets who stopped what is wanted again.
    pub(in crate::daemon) fn note_asker(&mut self, command: &Command, by: Option<By>) {
        let services = &command.services;
        match (command.verb, by) {
            (Verb::Stop | Verb::StopAtOnce | Verb::Kill, Some(by)) => {
                self.askers.stop(services, &by, clock::unix_ms());
            }
            (Verb::Restart | Verb::Roll { .. } | Verb::Fit, Some(by)) => {
                self.askers.start(services);
                let lives = |name: &&ServiceName| {
                    self.fleet.services().get(*name).is_some_and(|service| service.has_live_process())
                };
                let living: Vec<ServiceName> = services.iter().filter(lives).cloned().collect();
                self.askers.end(&living, &by);
            }
            (Verb::Start | Verb::Up, _) => self.askers.start(services),
            (Verb::Stop | Verb::StopAtOnce | Verb::Kill | Verb::Await(_), _) => (),
            (Verb::Restart | Verb::Roll { .. } | Verb::Fit, None) => (),
        }
    }

    /// Notes who is about to end the runs that have these main processes.
    pub(in crate::daemon) fn note_flush(&mut self, pids: &BTreeSet<Pid>, by: &By) {
        for charge in self.wardens.values().map(Warden::charge) {
            if pids.contains(&charge.lead.main().pid) {
                self.askers.flush(charge.tag.run, by.clone(), clock::now());
            }
        }
    }

    /// Notes that a service is started again because a file changed.
    pub(in crate::daemon) fn note_watched(&mut self, service: &ServiceName, path: &str) {
        let by = Asker::NOBODY.by(Means::Watch);
        self.askers.end([service], &By { what: Some(path.to_owned()), ..by });
    }

    /// Notes that runs end because of a new config.
    pub(in crate::daemon) fn note_reloaded(&mut self, reading: &Reading) {
        let by = reading.asker.by(Means::Reload);
        let changed = reading.difference.changed.iter().filter(|it| it.effect == Effect::NewRun);
        self.askers.end(changed.map(|it| &it.service).chain(&reading.difference.removed), &by);
    }
}

#[cfg(test)]
mod tests {
    use super::{Asker, Askers, FLUSH_MAX, SIGNAL_MIN, Sent};
    use crate::vocab::cause::Means;
    use crate::vocab::moment::Moment;
    use crate::vocab::outcome::Outcome;
    use crate::vocab::run::RunId;
    use crate::vocab::signal::Signal;
    use std::time::Duration;

    #[test]
    fn a_signal_is_the_cause_of_an_end_that_it_can_have_led_to_and_of_no_later_one() {
        const LONG: Duration = Duration::from_secs(60);
        let sent_at = Moment::since_boot(Duration::from_secs(7));
        let taken = |sent: &[Signal], outcome, grace, lasted| {
            let mut askers = Askers::default();
            for signal in sent {
                let by = Asker::NOBODY.by(Means::Signal);
                askers.signal(RunId(1), Sent::at(sent_at, grace, *signal, &by));
            }
            let taken = askers.take_signal(RunId(1), outcome, sent_at.after(lasted));
            assert!(askers.signals.is_empty(), "nothing is kept of a run that is over");
            taken.map(|(signal, by)| {
                assert_eq!(by.what, Some(signal.to_string()));
                signal
            })
        };
        let by_term = Outcome::Signal(Signal::TERM);
        let (soon, later) = (SIGNAL_MIN, SIGNAL_MIN + Duration::from_millis(1));
        let both = [Signal::TERM, Signal::HUP];
        assert_eq!(taken(&both, by_term, Duration::ZERO, soon), Some(Signal::TERM));
        assert_eq!(taken(&both, by_term, Duration::ZERO, later), None);
        assert_eq!(taken(&both, by_term, LONG, LONG), Some(Signal::TERM), "it may take its time to tidy up");
        assert_eq!(taken(&both, Outcome::Code(0), LONG, soon), Some(Signal::HUP));
        assert_eq!(taken(&[Signal::HUP], by_term, LONG, soon), None, "somebody else sent that one");
    }

    #[test]
    fn a_flush_is_the_cause_of_no_end_that_comes_when_it_has_long_given_up() {
        let (announced, by) = (Moment::since_boot(Duration::from_secs(7)), Asker::NOBODY.by(Means::Flush));
        let taken = |lasted| {
            let mut askers = Askers::default();
            askers.flush(RunId(1), by.clone(), announced);
            askers.take_flush(RunId(1), announced.after(lasted))
        };
        assert_eq!(taken(FLUSH_MAX), Some(by.clone()));
        assert_eq!(taken(FLUSH_MAX + Duration::from_millis(1)), None);
    }
}
