use std::time::Duration;

use tokio::sync::oneshot;

use super::askers::{Asker, Stopped};
use super::classify::{Deed, Facts, Memory, Merit, blame};
use super::recorder::{Draft, Why};
use super::said::Said;
use crate::daemon::engine::Engine;
use crate::daemon::last_words::shortened;
use crate::daemon::notes;
use crate::daemon::view::round;
use crate::machine::event::{End, Event, Obstacle};
use crate::machine::service::Service;
use crate::machine::trouble::Remedy;
use crate::protocol::why::{self, LiveRun};
use crate::spec::health::{Aspect, Check};
use crate::sys::clock;
use crate::vocab::cause::{By, Class, Means, Record};
use crate::vocab::measure::millis;
use crate::vocab::name::ServiceName;
use crate::vocab::outcome::Outcome;
use crate::vocab::run::RunId;
use crate::vocab::state::State;

/// The end of a run, as its warden tells it.
#[derive(Debug)]
pub struct Ended {
    /// Which.
    pub run: RunId,
    /// When all that it had written had arrived, in milliseconds since 1970 UTC.
    pub unix_ms: u64,
    /// How it ended; why is not told by it.
    pub end: End,
    /// Its last lines of standard error, more than are kept.
    pub stderr: Vec<String>,
    /// What its cgroup tells of memory.
    pub memory: Memory,
}

/// All lines of a record take so many bytes at most.
const STDERR_BYTES_MAX: usize = 4000;

/// How long the records may take to be read when somebody asks why.
const READ_MAX: Duration = Duration::from_secs(2);

impl Engine {
    /// A run has ended. The machine is told with what its end is put down to, and a record is made of it.
    pub(in crate::daemon) fn ended(&mut self, ended: Ended) {
        self.tell_what_was_heard();
        let Ended { run, unix_ms, end, stderr, memory } = ended;
        let mut end = self.hinted(run, end);
        let Some(service) = self.fleet.service_of(run) else { return self.feed(Event::Exited { run, end }) };
        let (name, merit) = (service.spec().name.clone(), merit(service, end.outcome));
        self.roster.log_end(service, run, (end.outcome, merit));
        let (deed, by) = self.deed(run, &name, end.outcome);
        let facts = Facts { outcome: end.outcome, merit, deed, said: Said::of(&stderr), memory };
        end.blame = blame(&facts);
        let record = Record {
            exit: Some(end.outcome),
            by,
            traceback: facts.said.exception.as_ref().map(|it| shortened(&it.line)),
            stderr: last_of(&stderr),
            stacks: self.take_stacks(run, &name),
            ..Record::blank(run, unix_ms)
        };
        let record = self.with_life(record);
        let blame = end.blame.clone();
        self.feed(Event::Exited { run, end });
        self.watch_for_repair(&name, blame);
        self.recorder.ended(Draft { service: name, record, why: Why::Facts(facts) });
    }

    /// Takes note of what ends runs beside their own ends.
    pub(in crate::daemon) fn note_what_ends_runs(&mut self, event: &Event) {
        if let Event::NotSpawned { run, obstacle } = event {
            self.note_not_spawned(*run, obstacle);
        }
        if let Event::FileChanged { service, path } = event {
            self.note_watched(service, path);
        }
    }

    /// Makes a record of a run whose process could not be made. A port that is taken ends no run.
    fn note_not_spawned(&mut self, run: RunId, obstacle: &Obstacle) {
        let Obstacle::Refused { why } = obstacle else { return };
        let Some(service) = self.fleet.service_of(run).map(|it| it.spec().clone()) else { return };
        let environment = crate::daemon::preflight::environment_of(&self.environment, &service);
        let search = environment.get("PATH").map(String::as_str);
        let class = match service.command.resolve(&service.directory, search) {
            Some(_) => Class::NotStarted,
            None => Class::ProgramNotFound,
        };
        let record = Record::blank(run, clock::unix_ms());
        let draft = Draft { service: service.name.clone(), record, why: Why::NotStarted(class, why.clone()) };
        self.recorder.ended(draft);
    }

    /// Adds the process and how long it lived, by the machine's own clock.
    fn with_life(&self, record: Record) -> Record {
        let service = self.fleet.service_of(record.run);
        let Some(live) = service.and_then(|service| service.live(record.run)) else { return record };
        let lasted = clock::now().since(live.since);
        let lasted_ms = millis(lasted);
        Record { pid: Some(live.identity.pid), lasted_ms: Some(lasted_ms), ..record }
    }

    /// What was done to a run that has ended, and who had it done.
    fn deed(&mut self, run: RunId, name: &ServiceName, outcome: Outcome) -> (Deed, Option<By>) {
        let service = &self.fleet.services()[name];
        let now = clock::now();
        let signalled = self.askers.take_signal(run, outcome, now);
        let flushed = self.askers.take_flush(run, now);
        let by = |means| Some(Asker::NOBODY.by(means));
        if let Some((cause, remedy)) = service.condemned().filter(|_| service.phase().run() == Some(run)) {
            let cause = cause.to_owned();
            return match remedy {
                Remedy::Fail => (Deed::Measured(cause), by(Means::MemoryLimit)),
                Remedy::Renew => (Deed::Renewed(cause), by(Means::Renewal)),
                Remedy::Restart | Remedy::Stop if is_watched(service) => {
                    (Deed::Watched(cause), by(Means::Health))
                }
                Remedy::Restart | Remedy::Stop => (Deed::Checked(cause), by(Means::Health)),
            };
        }
        let taken_down = service.taken_down_by().filter(|_| service.phase().run() == Some(run));
        match (signalled, taken_down) {
            (_, Some((fallen, words))) if service.is_asked_to_end(run) => {
                let by = By { what: Some(fallen.to_string()), ..Asker::NOBODY.by(Means::Dependency) };
                drop(self.askers.take_end(name));
                (Deed::TakenDown(words), Some(by))
            }
            _ if service.is_asked_to_end(run) => match (service.renewed(run), service.unready(run)) {
                (Some(cause), _) => (Deed::Renewed(cause.to_owned()), by(Means::Renewal)),
                (None, Some(why)) => {
                    // Who asked for the exchange has not had the other run ended.
                    drop(self.askers.take_end(name));
                    (Deed::Checked(why.to_owned()), by(Means::Health))
                }
                (None, None) => (Deed::Asked, self.askers.take_end(name)),
            },
            _ if flushed.is_some() => (Deed::Asked, flushed),
            (Some((signal, by)), _) => (Deed::Signalled(signal), Some(by)),
            (None, _) => (Deed::Nothing, None),
        }
    }

    /// Why a service is as it is, or ended as it did; none if there is no such service.
    pub(in crate::daemon) fn why(&self, name: &ServiceName, answer: oneshot::Sender<Option<why::Why>>) {
        let Some(service) = self.fleet.services().get(name) else { return drop(answer.send(None)) };
        let (records, read) = oneshot::channel();
        let stopped = self.askers.stopped(name).filter(|_| service.state() == State::Stopped);
        let why = why::Why {
            service: name.clone(),
            supervised: true,
            state: service.state(),
            health: service.health(),
            reason: self.fleet.reason(name),
            run: service.phase().live().map(|live| LiveRun {
                run: live.run,
                pid: live.identity.pid,
                uptime_s: round(clock::now().since(live.since).as_secs_f64()),
            }),
            notes: self.noted_of(name).map_or_else(Vec::new, notes::words),
            stopped: stopped.cloned().map(|Stopped { by, unix_ms }| why::Stopped { by, unix_ms }),
            last: None,
        };
        self.recorder.read(name.clone(), records);
        tokio::spawn(async move {
            // A disk that is stuck keeps its records, and nothing else.
            let last = tokio::time::timeout(READ_MAX, read)
                .await
                .ok()
                .and_then(Result::ok)
                .unwrap_or_default()
                .pop();
            let _ = answer.send(Some(why::Why { last, ..why }));
        });
    }
}

/// Whether what judges its life is that it feeds its watchdog.
fn is_watched(service: &Service) -> bool {
    let check = service.spec().health(Aspect::Alive).map(|health| &health.check);
    matches!(check, Some(Check::Notify { watchdog: Some(_) }))
}

fn merit(service: &Service, outcome: Outcome) -> Merit {
    if service.is_success(outcome) { Merit::Success } else { Merit::Failure }
}

/// The last lines that are kept, each shortened, and no more than fit.
fn last_of(lines: &[String]) -> Vec<String> {
    let mut room = STDERR_BYTES_MAX;
    let mut kept: Vec<String> = Vec::new();
    for line in lines.iter().rev().take(Record::LINES_MAX).map(|line| shortened(line)) {
        let Some(rest) = room.checked_sub(line.len()) else { break };
        room = rest;
        kept.push(line);
    }
    kept.reverse();
    kept
}

#[cfg(test)]
mod tests {
    use super::{STDERR_BYTES_MAX, last_of};
    use crate::daemon::last_words::LINE_BYTES_MAX;
    use crate::vocab::cause::Record;

    #[test]
    fn the_last_lines_are_kept_in_order_and_within_their_bounds() {
        let lines: Vec<String> = (0..50).map(|number| format!("line {number}")).collect();
        assert_eq!(last_of(&lines), lines[50 - Record::LINES_MAX..]);
        assert_eq!(last_of(&[]), [] as [&str; 0]);
        let long: Vec<String> = (0..50).map(|_| "ü".repeat(LINE_BYTES_MAX)).collect();
        let kept = last_of(&long);
        assert!(!kept.is_empty() && kept.iter().map(String::len).sum::<usize>() <= STDERR_BYTES_MAX);
        assert!(kept.iter().all(|line| line.ends_with('…')));
    }
}
