use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::path::PathBuf;

use super::observe::{Suspects, Victim, files, observe};
use super::plan::{Plan, Target, plan};
use crate::ports::flush::{Force, end};
use crate::rundir::cgroups;
use crate::rundir::paths::Paths;
use crate::rundir::unended;
use crate::sys::{signal, user};
use crate::vocab::cause::{By, Means};
use crate::vocab::identity::Identity;
use crate::vocab::signal::Signal;

/// Why an emergency restart cannot go on.
#[derive(Debug, thiserror::Error)]
pub enum Stuck {
    /// Somebody holds the lock and cannot be named, so nobody may be killed for it.
    #[error(
        "cannot tell which process is the supervisor: {lock} is locked, and the system does not say by whom"
    )]
    UnknownSupervisor {
        /// The lock file.
        lock: PathBuf,
    },
    /// These processes are alive after SIGKILL.
    #[error("cannot end {}", words(.alive))]
    Alive {
        /// The processes.
        alive: Vec<Identity>,
    },
    /// A file cannot be removed.
    #[error("cannot remove {path}: {source}")]
    File {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
}

fn words(alive: &[Identity]) -> String {
    alive.iter().map(Identity::to_string).collect::<Vec<_>>().join(", ")
}

/// New processes that appear while others are killed are looked for so many times at most.
const ROUNDS_MAX: usize = 10;

/// Stops the supervisor from acting, then kills every process of every service until none is left; returns them all.
///
/// # Errors
/// [`Stuck`]; the supervisor stays stopped then, so that nothing is started behind the caller's back.
pub fn kill_services(paths: &Paths, suspects: &Suspects, first: &Plan) -> Result<Vec<Victim>, Stuck> {
    if first.supervisor == Target::Unproven {
        return Err(Stuck::UnknownSupervisor { lock: paths.lock.clone() });
    }
    for identity in supervisors(first) {
        // One that is gone by now is as good.
        let _ = signal::send(identity, Signal::STOP);
    }
    let mut killed: Vec<Victim> = Vec::new();
    let mut victims = first.victims.clone();
    for _ in 0..ROUNDS_MAX {
        if victims.is_empty() {
            return Ok(killed);
        }
        let identities: Vec<Identity> = victims.iter().map(|victim| victim.identity).collect();
        cgroups::kill(paths, &spared(first));
        end(&identities, Force::Kill);
        let known: BTreeSet<Identity> = killed.iter().map(|victim| victim.identity).collect();
        killed.extend(victims.into_iter().filter(|victim| !known.contains(&victim.identity)));
        victims = plan(&observe(paths, suspects)).victims;
    }
    let alive = victims.into_iter().map(|victim| victim.identity).collect::<Vec<_>>();
    if alive.is_empty() { Ok(killed) } else { Err(Stuck::Alive { alive }) }
}

/// The command that asks, and those whose turn comes later.
fn spared(plan: &Plan) -> BTreeSet<Identity> {
    plan.caller.iter().copied().chain(supervisors(plan)).collect()
}

/// Kills the supervisor and waits until it is gone.
pub fn kill_supervisor(plan: &Plan) -> Result<(), Stuck> {
    let alive = end(&supervisors(plan), Force::Kill);
    if alive.is_empty() { Ok(()) } else { Err(Stuck::Alive { alive: alive.into_iter().collect() }) }
}

/// Records which runs were ended, and by whom; the supervisor that would have done so must be gone.
///
/// # Errors
/// The disk does not take it. Nothing else depends on it.
pub fn record_ends(paths: &Paths, killed: &[Victim]) -> io::Result<()> {
    let uid = user::effective();
    let by = By { means: Means::Emergency, user: Some(user::name(uid)), uid: Some(uid), what: None };
    let of_services =
        killed.iter().filter_map(|it| Some((it.service.clone()?, it.first.unwrap_or(it.identity))));
    unended::record_killed(paths, &of_services.collect::<Vec<_>>(), &by)
}

/// Guardians first: one that outlives its supervisor for a moment would start another.
fn supervisors(plan: &Plan) -> Vec<Identity> {
    let supervisor = match plan.supervisor {
        Target::Proven(supervisor) => Some(supervisor),
        Target::Absent | Target::Unproven => None,
    };
    plan.helpers.iter().copied().chain(supervisor).collect()
}

/// Removes socket, lock and journal of the dead supervisor; returns what was removed. Until it was stopped it may have put
/// back what the plan did not find.
pub fn remove_leftovers(paths: &Paths) -> Result<Vec<PathBuf>, Stuck> {
    let mut removed = Vec::new();
    for path in files(paths) {
        match remove(path) {
            Ok(()) => removed.push(path.clone()),
            Err(error) if error.kind() == io::ErrorKind::NotFound => (),
            Err(source) => return Err(Stuck::File { path: path.clone(), source }),
        }
    }
    Ok(removed)
}

/// Somebody may have put a directory where a file should be.
fn remove(path: &PathBuf) -> io::Result<()> {
    let is_directory = fs::symlink_metadata(path)?.is_dir();
    if is_directory { fs::remove_dir_all(path) } else { fs::remove_file(path) }
}
