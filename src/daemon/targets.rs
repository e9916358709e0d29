use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use serde::Serialize;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;

use super::engine::Engine;
use super::errand::given;
use super::preflight::passed_on;
use crate::probe::exec::{self, Channels, Errand};
use crate::probe::failed::Failed;
use crate::probe::webhook;
use crate::protocol::event::ServiceChange;
use crate::protocol::status::TargetView;
use crate::spec::fleet::Fleet;
use crate::spec::service::Command;
use crate::spec::target::{News, Target, Way};
use crate::sys::tree::Reach;
use crate::vocab::identity::Pid;
use crate::vocab::name::ServiceName;
use crate::vocab::rlimits::Rlimits;
use crate::vocab::run::{Instance, RunId, Tag};
use crate::vocab::state::{Health, State};

/// Who is told of changes. Each has a queue and a task of its own: nobody waits for a target, least of all the engine.
#[derive(Debug, Default)]
pub(super) struct Tellers {
    tellers: BTreeMap<String, Teller>,
    /// How each service was the last time that anybody could be told of it.
    seen: BTreeMap<ServiceName, (State, Health)>,
}

#[derive(Debug)]
struct Teller {
    target: Target,
    services: BTreeSet<ServiceName>,
    queue: mpsc::Sender<Letter>,
    counts: Arc<Counts>,
    task: JoinHandle<()>,
}

impl Drop for Teller {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// What became of what was to be told.
#[derive(Debug, Default)]
struct Counts {
    sent: AtomicU64,
    failed: AtomicU64,
    dropped: AtomicU64,
}

/// A change on its way to a target.
#[derive(Debug)]
struct Letter {
    service: ServiceName,
    json: String,
}

/// What a target is told, as one JSON object.
#[derive(Debug, Serialize)]
struct Told<'a> {
    event: &'static str,
    target: &'a str,
    unix_ms: u64,
    config: PathBuf,
    #[serde(flatten)]
    change: &'a ServiceChange,
}

/// What the commands of targets are run with.
#[derive(Debug, Clone)]
struct Ground {
    environment: BTreeMap<String, String>,
    directory: PathBuf,
    instance: Instance,
    reach: Reach,
    waited_for: watch::Sender<BTreeSet<Pid>>,
}

/// A reason is told up to so many characters, so that a pipe takes what a command is told without anybody reading.
const REASON_CHARS_MAX: usize = 1000;

/// What is still to be told when the supervisor ends has so long.
const FINISH_MAX: Duration = Duration::from_secs(2);

impl Engine {
    /// Tells the targets of a fleet from here on, and no others.
    pub(super) fn keep_targets(&mut self, fleet: &Fleet) {
        let targets = &fleet.supervisor().notify;
        self.tellers.tellers.retain(|name, teller| targets.get(name) == Some(&teller.target));
        let mut ground = None;
        for (name, target) in targets {
            let services: BTreeSet<ServiceName> =
                fleet.pick(&target.services).unwrap_or_default().into_iter().collect();
            match self.tellers.tellers.get_mut(name) {
                Some(teller) => teller.services = services,
                None => {
                    let ground = ground.get_or_insert_with(|| self.ground_of_targets(fleet)).clone();
                    let teller = Teller::begin(name, target, services, ground);
                    self.tellers.tellers.insert(name.clone(), teller);
                }
            }
        }
        if !targets.is_empty() {
            for (name, service) in self.fleet.services() {
                let seen = (service.state(), service.health());
                self.tellers.seen.entry(name.clone()).or_insert(seen);
            }
        }
    }

    /// Tells whoever is to be told of a change.
    pub(super) fn tell_targets(&mut self, unix_ms: u64, change: &ServiceChange) {
        let Tellers { tellers, seen } = &mut self.tellers;
        if tellers.is_empty() {
            return;
        }
        let before = seen.insert(change.service.clone(), (change.state, change.health));
        let reason = change.reason.as_ref().map(|reason| reason.chars().take(REASON_CHARS_MAX).collect());
        let change = ServiceChange { reason, ..change.clone() };
        for event in news(before, &change) {
            let wants = |teller: &Teller| {
                teller.target.on.contains(&event) && teller.services.contains(&change.service)
            };
            for (name, teller) in tellers.iter().filter(|(_, teller)| wants(teller)) {
                let config = self.config.clone();
                let told = Told { event: event.word(), target: name, unix_ms, config, change: &change };
                teller.tell(name, Letter::of(&told));
            }
        }
    }

    /// How it went with each target.
    pub(super) fn target_views(&self) -> Vec<TargetView> {
        self.tellers.tellers.iter().map(|(name, teller)| teller.view(name)).collect()
    }

    fn ground_of_targets(&self, fleet: &Fleet) -> Ground {
        let config = &fleet.supervisor().config;
        Ground {
            environment: passed_on(&self.environment),
            directory: config.parent().unwrap_or(Path::new("/")).to_owned(),
            instance: self.paths.instance.clone(),
            reach: self.reach,
            waited_for: self.leaders.clone(),
        }
    }
}

impl Tellers {
    /// The supervisor ends: what waits is told, within bounds.
    pub(super) async fn finish(self) {
        let deadline = tokio::time::Instant::now() + FINISH_MAX;
        for (_, mut teller) in self.tellers {
            // A queue that nobody can fill any more ends its task once it is empty.
            teller.queue = mpsc::channel(1).0;
            let _ = tokio::time::timeout_at(deadline, &mut teller.task).await;
        }
    }
}

impl Teller {
    fn begin(name: &str, target: &Target, services: BTreeSet<ServiceName>, ground: Ground) -> Self {
        let (queue, letters) = mpsc::channel(Target::QUEUE_MAX);
        let counts = Arc::new(Counts::default());
        let courier =
            Courier { name: name.to_owned(), target: target.clone(), ground, counts: Arc::clone(&counts) };
        let task = tokio::spawn(courier.deliver_all(letters));
        Self { target: target.clone(), services, queue, counts, task }
    }

    fn tell(&self, name: &str, letter: Letter) {
        if self.queue.try_send(letter).is_err() {
            let dropped = self.counts.dropped.fetch_add(1, Ordering::Relaxed) + 1;
            tracing::warn!(notify = name, dropped, "its queue is full, and a change is not told");
        }
    }

    fn view(&self, name: &str) -> TargetView {
        let count = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        let waiting = self.queue.max_capacity() - self.queue.capacity();
        TargetView {
            name: name.to_owned(),
            sent: count(&self.counts.sent),
            failed: count(&self.counts.failed),
            dropped: count(&self.counts.dropped),
            waiting: u64::try_from(waiting).unwrap_or(u64::MAX),
        }
    }
}

impl Letter {
    fn of(told: &Told<'_>) -> Self {
        Self { service: told.change.service.clone(), json: serde_json::to_string(told).unwrap_or_default() }
    }
}

/// Who takes letters to one target, one after the other.
struct Courier {
    name: String,
    target: Target,
    ground: Ground,
    counts: Arc<Counts>,
}

impl Courier {
    async fn deliver_all(self, mut letters: mpsc::Receiver<Letter>) {
        while let Some(letter) = letters.recv().await {
            match self.deliver(&letter).await {
                Ok(()) => drop(self.counts.sent.fetch_add(1, Ordering::Relaxed)),
                Err(why) => {
                    self.counts.failed.fetch_add(1, Ordering::Relaxed);
                    tracing::warn!(notify = self.name, service = %letter.service, why, "cannot tell of a change");
                }
            }
        }
    }

    async fn deliver(&self, letter: &Letter) -> Result<(), String> {
        let mut pauses = Target::PAUSES.iter();
        loop {
            match (self.attempt(letter).await, pauses.next()) {
                (Err(why), Some(pause)) => {
                    tracing::debug!(notify = self.name, why, ?pause, "a change is told again later");
                    tokio::time::sleep(*pause).await;
                }
                (result, _) => return result,
            }
        }
    }

    async fn attempt(&self, letter: &Letter) -> Result<(), String> {
        let limit = self.target.timeout;
        match &self.target.way {
            Way::Webhook(address) => webhook::post(address, letter.json.clone(), limit).await,
            Way::Command(command) => {
                let errand = self.ground.errand(command, letter)?;
                exec::attempt(errand, limit).await.map_err(|failed| match failed {
                    Failed::NotRun { why } => format!("cannot run `{}`: {why}", command.program()),
                    other => other.to_string(),
                })
            }
        }
    }
}

impl Ground {
    fn errand(&self, command: &Command, letter: &Letter) -> Result<Errand, String> {
        let tag = Tag { instance: self.instance.clone(), service: letter.service.clone(), run: RunId::NONE };
        let mut environment = self.environment.clone();
        environment.insert(Tag::VARIABLE.to_owned(), tag.to_string());
        let program = command.resolve(&self.directory, environment.get("PATH").map(String::as_str));
        let program = program.ok_or_else(|| format!("there is no program `{}`", command.program()))?;
        let stdin = given(&letter.json).map_err(|error| format!("cannot give it what happened: {error}"))?;
        Ok(Errand {
            command: command.clone(),
            program,
            environment,
            directory: self.directory.clone(),
            rlimits: Rlimits::default(),
            umask: None,
            nice: None,
            credentials: None,
            tag,
            channels: Channels::Fed { stdin },
            reach: self.reach,
            waited_for: self.waited_for.clone(),
        })
    }
}

/// The news that a change brings.
fn news(before: Option<(State, Health)>, change: &ServiceChange) -> Vec<News> {
    let mut news = Vec::new();
    if before.is_none_or(|(state, _)| state != change.state) {
        news.push(News::State(change.state));
        if change.state == State::Exited && change.reason.is_some() {
            news.push(News::Failed);
        }
    }
    if before.is_none_or(|(_, health)| health != change.health) {
        news.push(News::Health(change.health));
    }
    news
}

#[cfg(test)]
mod tests {
    use super::news;
    use crate::protocol::event::ServiceChange;
    use crate::spec::target::News;
    use crate::vocab::name::ServiceName;
    use crate::vocab::state::{Health, State};

    #[test]
    fn a_change_is_news_of_what_differs_from_the_last_one_and_an_end_with_a_reason_is_a_failure() {
        let change = |state, health, reason: Option<&str>| ServiceChange {
            service: ServiceName::parse("api").unwrap(),
            state,
            previous: State::Stopped,
            health,
            pid: None,
            second: None,
            exit: None,
            last_words: None,
            reason: reason.map(str::to_owned),
        };
        let running = Some((State::Running, Health::Healthy));
        let unwell = change(State::Running, Health::Unhealthy, Some("no answer"));
        assert_eq!(news(running, &unwell), [News::Health(Health::Unhealthy)]);
        assert_eq!(news(Some((State::Running, Health::Unhealthy)), &unwell), []);
        let failed = change(State::Exited, Health::None, Some("exited with code 1"));
        let expected = [News::State(State::Exited), News::Failed, News::Health(Health::None)];
        assert_eq!(news(running, &failed), expected);
        let done = change(State::Exited, Health::None, None);
        assert_eq!(news(Some((State::Running, Health::None)), &done), [News::State(State::Exited)]);
    }
}
