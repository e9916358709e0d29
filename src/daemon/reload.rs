use std::collections::BTreeSet;
use std::sync::Arc;

use tokio::sync::oneshot;

use super::boot::keep_applied;
use super::causes::askers::Asker;
use super::disk::Disk;
use super::engine::{Engine, ending_problem};
use super::http::xmlrpc::desk::Desk;
use super::http::xmlrpc::supervisor;
use super::preflight::Reading;
use super::roster::Roster;
use crate::config::change::{self, Changed, Difference, Effect};
use crate::config::load::{self, Machine};
use crate::config::supervisord::load as dialect;
use crate::machine::event::Event;
use crate::protocol::command::{Rehearsal, ReloadOrder};
use crate::protocol::reply::ReloadReport;
use crate::rundir::applied::Applied;
use crate::rundir::enabled;
use crate::spec::fleet::Fleet;
use crate::spec::listener::EventType;
use crate::vocab::name::ServiceName;
use crate::vocab::run::RunId;
use crate::vocab::state::Goal;

impl Engine {
    /// Makes what the services of the first fleet need beside their processes.
    pub(super) fn declare(&mut self, fleet: &Fleet) {
        self.declare_channels(fleet);
        self.watch_files(fleet);
        self.declare_listeners(&BTreeSet::new());
    }

    /// Begins what goes on beside the services, once those that live are taken over, and hears of those that are over.
    pub(super) async fn begin(&mut self, fleet: &Fleet, over: BTreeSet<RunId>) {
        self.renew_listeners();
        self.keep_targets(fleet);
        self.keep_schedules(fleet);
        self.switchboard.tell(EventType::SupervisorStateChangeRunning, String::new());
        self.hear_ends(over).await;
    }

    /// Reads the config again and, if all services would start by it, acts on it.
    pub(super) fn reload(&mut self, order: ReloadOrder, asker: Asker, reply: oneshot::Sender<ReloadReport>) {
        let (text, fleet) = match self.read_config() {
            Ok(read) => read,
            Err(problems) => {
                let problems = Some(problems);
                return drop(reply.send(ReloadReport { problems, ..ReloadReport::default() }));
            }
        };
        let difference = change::difference(self.fleet.spec(), &fleet);
        self.replace(Reading { order, asker, text, fleet, difference }, reply);
    }

    /// The config as it is on the disk, and the fleet that it makes; or what is wrong with it, in words. A supervisor that is
    /// about to end reads none.
    pub(super) fn read_config(&self) -> Result<(String, Fleet), String> {
        if self.is_ending() {
            return Err(ending_problem().what);
        }
        let text = load::read_whole(&self.config, &self.environment).map_err(|it| it.to_string())?;
        let fleet = load::prove(&text, &self.config, &self.environment, Machine::Proven);
        let fleet = fleet.map_err(|it| it.to_string())?.overruled(&enabled::read(&self.paths));
        Ok((text, fleet))
    }

    /// Acts on a config from here on.
    pub(super) fn apply(&mut self, reading: Reading) {
        let groups = self.active_groups();
        self.note_reloaded(&reading);
        let limited = reading.difference.changed.iter().filter(|changed| changed.keys.contains(&"limits"));
        let limited: BTreeSet<ServiceName> = limited.map(|changed| changed.service.clone()).collect();
        self.declare_channels(&reading.fleet);
        self.watch_files(&reading.fleet);
        self.roster = Arc::new(Roster::of(&reading.text, &self.config, &self.environment));
        self.pending = None;
        self.applied = Applied { text: reading.text, ..Applied::default() };
        keep_applied(&self.paths, &self.applied);
        self.disk = Disk::new(&reading.fleet, self.fleet.spec());
        let supervisor = reading.fleet.supervisor().as_run_by(self.fleet.spec().supervisor());
        let fleet = Arc::new(reading.fleet.with_supervisor(supervisor));
        self.keep_targets(&fleet);
        self.feed(Event::Reconfigured(Arc::clone(&fleet)));
        self.limit_cpu_anew(|service| limited.contains(service));
        self.declare_listeners(&groups);
        self.keep_schedules(&fleet);
    }

    /// What a reload does about a difference, a line each.
    pub(super) fn reload_lines(&self, difference: &Difference, fresh: &Fleet) -> Vec<String> {
        let is_down = |name: &ServiceName| {
            self.fleet.services().get(name).is_none_or(|service| service.goal() == Goal::Down)
        };
        let added = difference.added.iter().map(|name| match fresh.service(name) {
            Some(service) if !service.autostart => format!("+ {name} (is not started: autostart is false)"),
            Some(service) if service.is_job() => format!("+ {name} (starts at the times of its schedule)"),
            Some(_) | None => format!("+ {name} (is started)"),
        });
        let removed = difference.removed.iter().map(|name| {
            format!("- {name} ({})", if is_down(name) { "is stopped already" } else { "is stopped" })
        });
        let changed = difference.changed.iter().map(|Changed { service, keys, effect }| {
            let effect = match effect {
                Effect::NewRun if is_down(service) => "applies at its next start",
                Effect::NewRun => "is restarted",
                Effect::Live => "applies as it runs",
            };
            format!("~ {service}: {} changed ({effect})", keys.join(", "))
        });
        let settings = difference.settings.join(", ");
        let settings = (!settings.is_empty()).then(|| format!("~ {settings} changed (applies as it runs)"));
        added.chain(removed).chain(changed).chain(settings).collect()
    }

    /// Reloads because of SIGHUP: what comes of it is told in the supervisor's log. Whoever runs a file of supervisord's means
    /// that all processes are started again by it; a bad one is found first, and nothing is touched then.
    pub(super) fn reload_by_signal(&mut self) {
        if dialect::is_dialect(&self.config, &self.applied.text) {
            tracing::warn!("received SIGHUP indicating restart request");
            let desk = Desk::new(self.mailbox.clone());
            tokio::spawn(async move {
                if let Err(fault) = supervisor::restart(&desk).await {
                    tracing::warn!("cannot restart; everything stays as it is\n{}", fault.text);
                }
            });
            return;
        }
        let (reply, report) = oneshot::channel();
        self.reload(ReloadOrder { run: Rehearsal::Real }, Asker::NOBODY, reply);
        tokio::spawn(async { report.await.iter().for_each(tell_reloaded) });
    }
}

fn tell_reloaded(report: &ReloadReport) {
    match &report.problems {
        Some(problems) => tracing::warn!("cannot reload; everything stays as it is\n{problems}"),
        None if !report.preflight.is_empty() => {
            let problems = report.preflight.join("\n");
            tracing::warn!(
                "cannot reload, services would not start again; everything stays as it is\n{problems}"
            );
        }
        None => tracing::info!(differences = report.differences.len(), "config reloaded"),
    }
}
