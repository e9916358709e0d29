use std::collections::BTreeMap;
use std::sync::Arc;

use serde::Serialize;
use tokio::task::AbortHandle;

use super::engine::Engine;
use super::errand::given;
use super::last_words::{self, Beginning, LAST_LINES};
use super::mailbox::Message;
use crate::machine::event::{Event, Obstacle};
use crate::probe::exec::{self, Channels, Errand};
use crate::probe::failed::Failed;
use crate::spec::hooks::Occasion;
use crate::spec::service::{Command, Service};
use crate::sys::clock;
use crate::vocab::identity::Pid;
use crate::vocab::name::ServiceName;
use crate::vocab::outcome::Outcome;
use crate::vocab::run::RunId;
use crate::vocab::state::State;

/// The hooks that are under way. A run has one at a time but for `on_failure`: a later one ends an earlier
/// one, whose occasion is over.
#[derive(Debug, Default)]
pub(super) struct Hooks(BTreeMap<(RunId, Line), UnderWay>);

/// What goes on at the same time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Line {
    Life,
    Failure,
}

impl Line {
    fn of(occasion: Occasion) -> Self {
        match occasion {
            Occasion::PreStart | Occasion::PostStart | Occasion::PreStop | Occasion::PostStop => Self::Life,
            Occasion::OnFailure => Self::Failure,
        }
    }
}

#[derive(Debug)]
struct UnderWay {
    occasion: Occasion,
    task: AbortHandle,
}

/// A hook to be run.
#[derive(Debug)]
pub(super) struct Call {
    /// For which run.
    pub(super) run: RunId,
    /// Whose.
    pub(super) service: Arc<Service>,
    /// Which.
    pub(super) occasion: Occasion,
    /// What failed, in words, if something did.
    pub(super) cause: Option<String>,
}

/// A hook that is over.
#[derive(Debug)]
pub struct Ended {
    service: Arc<Service>,
    run: RunId,
    occasion: Occasion,
    result: Result<(), String>,
}

/// What a hook is given on its standard input, as one line of JSON.
#[derive(Debug, Serialize)]
struct Told<'a> {
    event: &'static str,
    service: &'a ServiceName,
    run: RunId,
    /// Of the run, while it lives.
    pid: Option<Pid>,
    state: State,
    /// How the last run ended.
    exit: Option<Outcome>,
    reason: Option<String>,
    restarts: u64,
    unix_ms: u64,
}

/// A pipe takes so much of an event without anybody reading; so no hook can hold up the supervisor.
const EVENT_BYTES_MAX: usize = 4000;

impl Engine {
    /// Runs the hook of an occasion.
    pub(super) fn hook(&mut self, call: Call) {
        let Some(hook) = call.service.hooks.get(&call.occasion) else { return };
        let (command, limit) = (&hook.command, hook.timeout);
        let errand = self.errand_of_hook(&call, command);
        let Call { run, service, occasion, .. } = call;
        let (mailbox, pump) = (self.mailbox.clone(), self.pump.clone());
        let key = (run, Line::of(occasion));
        tracing::debug!(service = %service.name, %run, hook = occasion.key(), "begins");
        let task = tokio::spawn(async move {
            let beginning = Beginning::at_end_of(&service.logs.stderr);
            let result = match errand {
                Ok(errand) => exec::attempt(errand, limit).await,
                Err(why) => Err(Failed::NotRun { why }),
            };
            let mut result = result.map_err(|failed| failed.to_string());
            if let (Err(why), Occasion::PreStart) = (&mut result, occasion) {
                // Nothing else of the service runs, so the last words are its own.
                let drained = last_words::drained(pump.drain(service.name.clone())).await;
                let lines = beginning.lines_of_run(drained.as_ref(), LAST_LINES);
                why.extend(last_words::last_of(&lines).map(|words| format!(": {words}")));
            }
            mailbox.send(Message::Hook(Ended { service, run, occasion, result })).await;
        });
        let under_way = UnderWay { occasion, task: task.abort_handle() };
        if let Some(earlier) = self.hooks.0.insert(key, under_way) {
            earlier.task.abort();
        }
    }

    /// Tells the machine, if it waits for this one.
    pub(super) fn hook_ended(&mut self, ended: Ended) {
        let Ended { service, run, occasion, result } = ended;
        let key = (run, Line::of(occasion));
        let is_under_way = self.hooks.0.get(&key).is_some_and(|it| it.occasion == occasion);
        if !is_under_way {
            return;
        }
        self.hooks.0.remove(&key);
        if let Err(why) = &result {
            tracing::warn!(service = %service.name, %run, hook = occasion.key(), why, "a hook failed");
        }
        match (occasion, result) {
            (Occasion::PreStart, Ok(())) => {
                let event = self.spawned(run, &service);
                self.feed(event);
            }
            (Occasion::PreStart, Err(why)) => {
                let why = format!("cannot start: its pre_start failed: {why}");
                self.feed(Event::NotSpawned { run, obstacle: Obstacle::Refused { why } });
            }
            (Occasion::PreStop | Occasion::PostStop, _) => {
                self.feed(Event::Hooked { service: service.name.clone(), run, occasion });
            }
            (Occasion::PostStart | Occasion::OnFailure, _) => (),
        }
    }

    /// A run is over, and with it the occasion of what is run while it lives.
    pub(super) fn end_hooks_of_life(&mut self, run: RunId) {
        self.abort_hook_of_life(run, |occasion| match occasion {
            Occasion::PostStart | Occasion::PreStop => true,
            Occasion::PreStart | Occasion::PostStop | Occasion::OnFailure => false,
        });
    }

    /// Gives a run up that has not begun, or whose `pre_start` is under way.
    pub(super) fn call_off(&mut self, run: RunId) -> Option<Event> {
        if let Some(index) = self.starts.iter().position(|(due, _)| *due == run) {
            self.starts.remove(index);
            return Some(Event::CalledOff { run });
        }
        self.abort_hook_of_life(run, |occasion| occasion == Occasion::PreStart)?;
        Some(Event::CalledOff { run })
    }

    /// Ends what is under way in the life of a run, if it is what is meant.
    fn abort_hook_of_life(&mut self, run: RunId, is_meant: impl Fn(Occasion) -> bool) -> Option<()> {
        let key = (run, Line::Life);
        self.hooks.0.get(&key).filter(|it| is_meant(it.occasion))?;
        self.hooks.0.remove(&key).map(|it| it.task.abort())
    }

    fn errand_of_hook(&self, call: &Call, command: &Command) -> Result<Errand, String> {
        let stdin = given(&line(&self.told(call)))
            .map_err(|error| format!("it cannot be told of its event: {error}"))?;
        let [stdout, stderr] =
            self.outputs(&call.service).map_err(|error| format!("cannot open its log channels: {error}"))?;
        self.errand_of(&call.service, command, Channels::Given { stdin, stdout, stderr })
    }

    fn told<'a>(&self, call: &'a Call) -> Told<'a> {
        let Call { run, service, occasion, cause } = call;
        let (run, cause) = (*run, cause.clone());
        let found = self.fleet.services().get(&service.name);
        Told {
            event: occasion.key(),
            service: &service.name,
            run,
            pid: found.and_then(|it| it.phase().live()).filter(|it| it.run == run).map(|it| it.identity.pid),
            state: found.map_or(State::Stopped, |it| it.state()),
            exit: found.and_then(|it| it.last()).map(|last| last.end.outcome),
            reason: cause.or_else(|| self.fleet.reason(&service.name)),
            restarts: found.map_or(0, |it| it.restarts()),
            unix_ms: clock::unix_ms(),
        }
    }
}

/// An event as a line of JSON, which its texts and numbers always are; the reason is left out of one that is too long.
fn line(told: &Told<'_>) -> String {
    let line = serde_json::to_string(told).unwrap_or_default();
    if line.len() <= EVENT_BYTES_MAX {
        return line;
    }
    let (run, service) = (told.run, told.service);
    serde_json::to_string(&Told { reason: None, run, service, ..*told }).unwrap_or_default()
}
