use std::collections::BTreeSet;
use std::fs;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::PathBuf;

use super::leftovers::{Known, Leftover};
use super::paths::Paths;
use super::replace::replace;
use crate::sys::cgroup::Home;
use crate::sys::process;
use crate::vocab::identity::{Identity, Pid};
use crate::vocab::name::ServiceName;

/// The directory of the fleet's cgroups, if there is one: where a supervisor noted it, else where one that is started from
/// here would make it. The cgroup of a login session is not that of the next one, which is why there is a note.
pub fn find(paths: &Paths) -> Option<Home> {
    let noted = fs::read(&paths.cgroup).ok().map(std::ffi::OsString::from_vec).map(PathBuf::from);
    noted.and_then(|path| Home::at(&path, &paths.instance)).or_else(|| Home::near(&paths.instance))
}

/// Notes where it is. A note that cannot be written is done without.
pub fn note(paths: &Paths, home: &Home) {
    if let Err(error) = replace(&paths.cgroup, home.path().as_os_str().as_bytes()) {
        tracing::debug!(%error, "cannot note where the cgroups are");
    }
}

/// Every process that lives in the cgroup of one of the fleet's runs.
pub fn confined(paths: &Paths) -> Vec<Leftover> {
    let runs = find(paths).map(|home| home.runs()).unwrap_or_default().into_iter();
    runs.flat_map(|(service, run, cgroup)| {
        let members = cgroup.members().into_iter().filter_map(process::identify);
        members.map(move |identity| Leftover {
            identity,
            service: service.clone(),
            run,
            known: Known::Confined,
        })
    })
    .collect()
}

/// The service in whose cgroup this process lives.
pub fn inside_of(paths: &Paths) -> Option<ServiceName> {
    find(paths)?.service_of_own()
}

/// Kills all who live in the cgroups of the fleet's runs, and whom they fork meanwhile; a cgroup in which one of those lives
/// that are to be spared is left alone.
pub fn kill(paths: &Paths, spared: &BTreeSet<Identity>) {
    let spared: BTreeSet<Pid> = spared.iter().map(|identity| identity.pid).collect();
    let runs = find(paths).map(|home| home.runs()).unwrap_or_default();
    for (service, _, cgroup) in runs {
        if cgroup.members().iter().any(|pid| spared.contains(pid)) {
            continue;
        }
        if let Err(error) = cgroup.kill() {
            tracing::debug!(%service, %error, "cannot kill its cgroup as a whole");
        }
    }
}

/// Removes the directory, if nobody lives in it any more.
pub fn remove(paths: &Paths) {
    if let Some(Err(error)) = find(paths).map(|home| home.remove()) {
        tracing::debug!(%error, "cannot remove the cgroups of the fleet");
    }
}
