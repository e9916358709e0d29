use std::collections::BTreeSet;

use crate::spec::fleet::Fleet;
use crate::spec::hooks::Occasion;
use crate::spec::service::Service;
use crate::spec::supervisor::Supervisor;
use crate::vocab::name::ServiceName;

/// What differs between the fleet that runs and the one in the file.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Difference {
    /// Services that only the file has.
    pub added: Vec<ServiceName>,
    /// Services that the file has no more.
    pub removed: Vec<ServiceName>,
    /// Services that differ.
    pub changed: Vec<Changed>,
    /// Targets of `[notify]` that differ, and keys of `[supervisor]` and `[emergency]` that apply as it runs.
    pub settings: Vec<String>,
    /// Keys of `[supervisor]` that differ and that only a new supervisor takes over.
    pub supervisor: Vec<&'static str>,
}

/// How a service differs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Changed {
    /// Which.
    pub service: ServiceName,
    /// The keys that differ.
    pub keys: Vec<&'static str>,
    /// What it takes.
    pub effect: Effect,
}

/// What a change takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Effect {
    /// It applies to the process that lives.
    Live,
    /// It needs a new process.
    NewRun,
}

impl Difference {
    /// Whether nothing differs.
    pub fn is_empty(&self) -> bool {
        self.added.is_empty()
            && self.removed.is_empty()
            && self.changed.is_empty()
            && self.settings.is_empty()
            && self.supervisor.is_empty()
    }

    /// What a reload cannot do, a line each.
    pub fn lines_for_supervisor(&self) -> Vec<String> {
        self.supervisor
            .iter()
            .map(|key| format!("[supervisor] {key} changed: `procman restart` takes it over"))
            .collect()
    }
}

/// Compares what runs with what the file says.
pub fn difference(old: &Fleet, new: &Fleet) -> Difference {
    let only_in = |one: &Fleet, other: &Fleet| {
        one.services().keys().filter(|name| other.service(name).is_none()).cloned().collect()
    };
    let pairs = old.services().iter().filter_map(|(name, old)| Some((old, new.service(name)?)));
    Difference {
        added: only_in(new, old),
        removed: only_in(old, new),
        changed: pairs.filter_map(|(old, new)| changed(old, new)).collect(),
        settings: settings(old.supervisor(), new.supervisor()),
        supervisor: supervisor_keys(old, new),
    }
}

fn changed(old: &Service, new: &Service) -> Option<Changed> {
    let keys = changed_keys(old, new);
    let effect = if new.runs_like(old) { Effect::Live } else { Effect::NewRun };
    (!keys.is_empty()).then(|| Changed { service: new.name.clone(), keys, effect })
}

fn changed_keys(old: &Service, new: &Service) -> Vec<&'static str> {
    let differs = [
        ("command", old.command != new.command),
        ("directory", old.directory != new.directory),
        ("env", old.env != new.env),
        ("ports", old.ports != new.ports),
        ("preflight", old.preflight != new.preflight),
        ("on_port_conflict", old.on_port_conflict != new.on_port_conflict),
        ("max_unavailable", old.max_unavailable != new.max_unavailable),
        ("replicas", old.replica != new.replica),
        ("hold", old.hold != new.hold),
        ("capture_hangs", old.capture_hangs != new.capture_hangs),
        ("drain", old.drain != new.drain),
        ("user", old.user != new.user),
        ("umask", old.umask != new.umask),
        ("nice", old.nice != new.nice),
        ("stdin", old.stdin != new.stdin),
        ("listener", old.listener != new.listener),
        ("group", old.group != new.group),
        ("depends_on", old.depends_on != new.depends_on),
        ("health", old.ready != new.ready || old.live != new.live),
        ("restart", old.restart != new.restart),
        ("smooth_recovery", old.recovery != new.recovery),
        ("restart_by_cause", old.restart_by_cause != new.restart_by_cause),
        ("backoff", old.backoff != new.backoff),
        ("start_limit", old.start_limit != new.start_limit),
        ("max_age", old.max_age != new.max_age),
        ("schedule", old.schedule != new.schedule),
        ("stop_signal", old.stop.signal != new.stop.signal),
        ("stop_timeout", old.stop.timeout != new.stop.timeout),
        ("stop_asks", old.stop.asks != new.stop.asks),
        ("watch", old.watch != new.watch),
        ("limits", old.limits != new.limits),
        ("success_exit_codes", old.success_exit_codes != new.success_exit_codes),
        ("min_uptime", old.min_uptime != new.min_uptime),
        ("autostart", old.autostart != new.autostart),
        ("priority", old.priority != new.priority),
        ("reload_signal", old.reload_signal != new.reload_signal),
        ("log", old.logs != new.logs),
    ];
    let hooks = Occasion::ALL.map(|hook| (hook.key(), old.hooks.get(&hook) != new.hooks.get(&hook)));
    differs.into_iter().chain(hooks).filter(|(_, differs)| *differs).map(|(key, _)| key).collect()
}

fn settings(old: &Supervisor, new: &Supervisor) -> Vec<String> {
    let keys = [
        ("protected_ports", old.protected_ports != new.protected_ports),
        ("allowed_ports", old.allowed_ports != new.allowed_ports),
        ("exit_on", old.exit_on != new.exit_on),
        ("also_kill", old.also_kill != new.also_kill),
    ];
    let keys = keys.into_iter().filter(|(_, differs)| *differs).map(|(key, _)| key.to_owned());
    let names: BTreeSet<&String> = old.notify.keys().chain(new.notify.keys()).collect();
    let differs = |name: &&String| old.notify.get(*name) != new.notify.get(*name);
    let targets = names.into_iter().filter(differs).map(|name| format!("notify.{name}"));
    keys.chain(targets).collect()
}

/// The settings of the supervisor that differ and that only another one takes over: what [`Supervisor::as_run_by`] leaves as it is. A log directory is that of its services' files, which differ with it.
pub fn supervisor_keys(old: &Fleet, new: &Fleet) -> Vec<&'static str> {
    let (old, new) = (old.supervisor(), new.supervisor());
    let differs = [
        ("state_dir", old.state_dir != new.state_dir),
        ("log_level", old.log.level != new.log.level),
        ("log_format", old.log.format != new.log.format),
        ("pidfile", old.pid_file != new.pid_file),
        ("logfile", old.log.file != new.log.file),
        (
            "logfile_maxbytes and logfile_backups",
            (old.log.size_max, old.log.keep) != (new.log.size_max, new.log.keep),
        ),
        ("minfds and minprocs", old.least != new.least),
        ("syslog_socket and journald_socket", old.log_sockets != new.log_sockets),
    ];
    differs.into_iter().filter(|(_, differs)| *differs).map(|(key, _)| key).collect()
}
