use std::fmt;

use crate::spec::fleet::Fleet;
use crate::spec::service::Service;
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
            && self.supervisor.is_empty()
    }

    /// What a reload does, a line each.
    pub fn lines(&self) -> Vec<String> {
        let added = self.added.iter().map(|name| format!("+ {name}"));
        let removed = self.removed.iter().map(|name| format!("- {name} (is stopped)"));
        let changed = self.changed.iter().map(Changed::to_string);
        added.chain(removed).chain(changed).collect()
    }

    /// What a reload cannot do, a line each.
    pub fn lines_for_supervisor(&self) -> Vec<String> {
        self.supervisor
            .iter()
            .map(|key| format!("[supervisor] {key} changed: `procman restart` takes it over"))
            .collect()
    }
}

impl fmt::Display for Changed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let effect = match self.effect {
            Effect::Live => "applies as it runs",
            Effect::NewRun => "is restarted",
        };
        write!(f, "~ {}: {} changed ({effect})", self.service, self.keys.join(", "))
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
        ("stop_signal", old.stop.signal != new.stop.signal),
        ("stop_timeout", old.stop.timeout != new.stop.timeout),
        ("stop_asks", old.stop.asks != new.stop.asks),
        ("watch", old.watch != new.watch),
        ("limits", old.limits != new.limits),
        ("hooks", old.hooks != new.hooks),
        ("success_exit_codes", old.success_exit_codes != new.success_exit_codes),
        ("min_uptime", old.min_uptime != new.min_uptime),
        ("autostart", old.autostart != new.autostart),
        ("priority", old.priority != new.priority),
        ("reload_signal", old.reload_signal != new.reload_signal),
        ("log", old.logs != new.logs),
    ];
    differs.into_iter().filter(|(_, differs)| *differs).map(|(key, _)| key).collect()
}

fn supervisor_keys(old: &Fleet, new: &Fleet) -> Vec<&'static str> {
    let (old, new) = (old.supervisor(), new.supervisor());
    let differs = [("state_dir", old.state_dir != new.state_dir), ("log_dir", old.log_dir != new.log_dir)];
    differs.into_iter().filter(|(_, differs)| *differs).map(|(key, _)| key).collect()
}
