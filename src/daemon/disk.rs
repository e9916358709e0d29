use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::engine::Engine;
use crate::config::change::{self, Difference};
use crate::config::load::{self, Machine};
use crate::protocol::status::ConfigChange;
use crate::rundir::enabled;
use crate::spec::fleet::Fleet;

/// What is known of the config on disk. It is looked at only when somebody asks for the status, and proven only when its
/// bytes or an env file are not as at the last look.
#[derive(Debug)]
pub(super) struct Disk {
    /// The env files as they were when the config was applied.
    applied: Stamps,
    /// Whether it has what only another supervisor takes over.
    awaits_restart: bool,
    /// What was found last.
    found: Option<Found>,
}

/// A config that was read, and what came of proving it. It is compared anew with each fleet that runs, for what runs changes
/// by commands as well.
#[derive(Debug)]
struct Found {
    text: String,
    env_files: Stamps,
    fleet: Result<Fleet, String>,
    compared: Option<Compared>,
}

/// How a config differs from what runs. Who enables or disables a service makes another fleet of what runs.
#[derive(Debug)]
struct Compared {
    running: Arc<Fleet>,
    fresh: Fleet,
    difference: Difference,
}

/// How files look from outside: number, size, and the times of their last changes.
type Stamps = BTreeMap<PathBuf, Option<(u64, u64, i64, i64, i64)>>;

impl Disk {
    /// A config that is applied to what runs.
    pub(super) fn new(fleet: &Fleet, running: &Fleet) -> Self {
        let awaits_restart = !change::supervisor_keys(running, fleet).is_empty();
        Self { applied: stamps(fleet), awaits_restart, found: None }
    }
}

fn stamps(fleet: &Fleet) -> Stamps {
    let stamp = |path: &Path| {
        let found = fs::metadata(path).ok()?;
        Some((found.ino(), found.len(), found.mtime(), found.mtime_nsec(), found.ctime()))
    };
    fleet.env_files().iter().map(|path| (path.clone(), stamp(path))).collect()
}

impl Engine {
    /// How the config on disk differs from what runs; none if it does not.
    pub(super) fn config_change(&mut self) -> Option<ConfigChange> {
        let text = match load::read_whole(&self.config, &self.environment) {
            Ok(text) => text,
            Err(problems) => return Some(ConfigChange::broken(problems.to_string())),
        };
        let env_files = stamps(self.fleet.spec());
        let is_applied = self.applied.is_whole() && !self.disk.awaits_restart;
        if is_applied && text == self.applied.text && env_files == self.disk.applied {
            return None;
        }
        let found = self.disk.found.take().filter(|found| found.text == text && found.env_files == env_files);
        let mut found = found.unwrap_or_else(|| {
            let fleet = load::prove(&text, &self.config, &self.environment, Machine::Proven);
            Found { text, env_files, fleet: fleet.map_err(|problems| problems.to_string()), compared: None }
        });
        let running = self.fleet.spec();
        let compared = found.compared.take().filter(|before| Arc::ptr_eq(&before.running, running));
        let change = match &found.fleet {
            Ok(fleet) => {
                let compared = compared.unwrap_or_else(|| self.compare(fleet));
                let change = self.change_to(&compared);
                found.compared = Some(compared);
                change
            }
            Err(problems) => Some(ConfigChange::broken(problems.clone())),
        };
        self.disk.found = Some(found);
        change
    }

    fn compare(&self, fleet: &Fleet) -> Compared {
        let running = Arc::clone(self.fleet.spec());
        let fresh = fleet.overruled(&enabled::read(&self.paths));
        Compared { difference: change::difference(&running, &fresh), running, fresh }
    }

    fn change_to(&self, Compared { fresh, difference, .. }: &Compared) -> Option<ConfigChange> {
        let differences = self.reload_lines(difference, fresh);
        let needs_restart = difference.lines_for_supervisor();
        (!difference.is_empty()).then(|| ConfigChange {
            differences: differences.into_iter().chain(needs_restart.iter().cloned()).collect(),
            needs_restart,
            problems: None,
        })
    }
}
