use std::fs::{self, DirBuilder};
use std::io::{self, ErrorKind, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::path::{Path, PathBuf};

use nix::unistd::{AccessFlags, access};

use super::{os, user};
use crate::vocab::identity::Pid;
use crate::vocab::name::ServiceName;
use crate::vocab::run::{Instance, RunId, Tag};

/// The directory of a fleet's cgroups (cgroups(7), version 2): in it each run has one of its own, and nothing else is in
/// it, so that controllers can be enabled for the runs without breaking the rule that a cgroup with controlled children
/// has no processes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Home {
    path: PathBuf,
}

/// The cgroup of one run. What is born in it stays in it, whatever becomes of its parents, session, group and
/// environment; only a process that may write in the cgroups of both places can move it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cgroup {
    path: PathBuf,
}

impl Home {
    /// Makes the directory in this process' own cgroup, or finds it there. Where a service manager put this process into a
    /// subgroup of what it gave away (systemd's `DelegateSubgroup=`), it is beside that: there the runs can be given
    /// controllers, for the cgroup above has no processes.
    ///
    /// # Errors
    /// There are no cgroups of version 2 (macOS), they are not writable for this user, or the kernel cannot end one as a
    /// whole (`cgroup.kill`, Linux 5.14).
    pub fn make(instance: &Instance) -> io::Result<Self> {
        let own = given(&os::cgroup::own()?).to_owned();
        // Whoever puts a process into a cgroup has to be allowed to write here as well (cgroups(7), delegation).
        access(&own.join("cgroup.procs"), AccessFlags::W_OK)?;
        let home = Self { path: own.join(name_of(instance)) };
        make_directory(&home.path)?;
        let can_kill = access(&home.path.join("cgroup.kill"), AccessFlags::W_OK);
        can_kill.map(|()| home.clone()).map_err(|errno| {
            let _ = fs::remove_dir(&home.path);
            errno.into()
        })
    }

    /// The directory at a place that somebody noted, if it is one of this fleet's, and our user's.
    pub fn at(path: &Path, instance: &Instance) -> Option<Self> {
        let is_named = path.file_name().is_some_and(|name| name == name_of(instance).as_str());
        let found = fs::symlink_metadata(path).ok().filter(|_| is_named)?;
        let is_ours = found.is_dir() && found.uid() == user::effective() && os::cgroup::is_one(path);
        is_ours.then(|| Self { path: path.to_owned() })
    }

    /// The directory where this process would make it, or, if it lives inside of a run's cgroup, beside that one.
    pub fn near(instance: &Instance) -> Option<Self> {
        let own = os::cgroup::own().ok()?;
        let outside = outside_of_runs(&own).unwrap_or(&own);
        let at = |place: &Path| Self::at(&given(place).join(name_of(instance)), instance);
        at(&own).or_else(|| at(outside))
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The cgroup of a run, which may not be there.
    pub fn of(&self, tag: &Tag) -> Cgroup {
        Cgroup { path: self.path.join(format!("{}-{}", tag.run, tag.service)) }
    }

    /// Every run that has one.
    pub fn runs(&self) -> Vec<(ServiceName, RunId, Cgroup)> {
        let run = |path: PathBuf| {
            let (run, service) = run_of(path.file_name()?.to_str()?)?;
            Some((service, run, Cgroup { path }))
        };
        subdirectories(&self.path).into_iter().filter_map(run).collect()
    }

    /// The service in the cgroup of one of whose runs this process lives.
    pub fn service_of_own(&self) -> Option<ServiceName> {
        let own = os::cgroup::own().ok()?;
        let below = own.strip_prefix(&self.path).ok()?;
        run_of(below.iter().next()?.to_str()?).map(|(_, service)| service)
    }

    /// Removes the cgroups of runs whose processes have all ended.
    pub fn sweep(&self) {
        for (_, _, cgroup) in self.runs() {
            // One in which somebody lives stays.
            let _ = cgroup.remove();
        }
    }

    /// Holds a run to so many thousandths of one processor, or to none (`cpu.max`).
    ///
    /// # Errors
    /// The cgroup above this directory has no such controller to give on, or has processes of its own and may not; or the
    /// run has no cgroup.
    pub fn limit_cpu(&self, run: &Cgroup, millis: Option<u32>) -> io::Result<()> {
        if millis.is_some() {
            self.give_on("cpu")?;
        }
        write(&run.path.join(CPU_MAX), &cpu_max(millis))
    }

    /// Lets the runs have a controller (cgroups(7), `cgroup.subtree_control`).
    fn give_on(&self, controller: &str) -> io::Result<()> {
        for place in self.path.parent().into_iter().chain([self.path.as_path()]) {
            let has = |file: &str| {
                let text = fs::read_to_string(place.join(file)).unwrap_or_default();
                text.split_ascii_whitespace().any(|word| word == controller)
            };
            if has("cgroup.subtree_control") {
                continue;
            }
            if !has("cgroup.controllers") {
                let place = place.display();
                return Err(io::Error::other(format!("the cgroup {place} has no {controller} controller")));
            }
            write(&place.join("cgroup.subtree_control"), &format!("+{controller}")).map_err(|error| {
                let place = place.display();
                io::Error::other(format!(
                    "the cgroup {place} cannot give its {controller} controller on: {error}"
                ))
            })?;
        }
        Ok(())
    }

    /// Removes it, with the cgroups of runs whose processes have all ended; one in which somebody lives stays.
    ///
    /// # Errors
    /// Somebody lives in it.
    pub fn remove(&self) -> io::Result<()> {
        remove_directories(&self.path)
    }
}

/// The run of a cgroup with this name.
fn run_of(name: &str) -> Option<(RunId, ServiceName)> {
    let (run, service) = name.split_once('-')?;
    Some((RunId(run.parse().ok()?), ServiceName::parse(service).ok()?))
}

impl Cgroup {
    /// Makes it, if it is not there.
    ///
    /// # Errors
    /// The cgroup above it is not there, or not ours.
    pub fn make(&self) -> io::Result<()> {
        make_directory(&self.path)
    }

    /// Whether it is there.
    pub fn exists(&self) -> bool {
        self.path.is_dir()
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Who lives in it, or in a cgroup that was made inside of it; zombies do not.
    pub fn members(&self) -> Vec<Pid> {
        let mut found = Vec::new();
        let mut open = vec![self.path.clone()];
        while let Some(path) = open.pop() {
            // Processes of another pid namespace are listed as 0.
            let list = fs::read_to_string(path.join("cgroup.procs")).unwrap_or_default();
            found.extend(list.split_ascii_whitespace().filter_map(|word| Pid::new(word.parse().ok()?)));
            if has_subdirectories(&path) {
                open.extend(subdirectories(&path));
            }
        }
        found
    }

    /// Whether anybody lives in it, also somebody who cannot be seen from here (`cgroup.events`).
    pub fn is_populated(&self) -> bool {
        let events = fs::read_to_string(self.path.join("cgroup.events")).unwrap_or_default();
        events.lines().any(|line| line == "populated 1")
    }

    /// Whether the kernel has killed somebody in it because memory ran out (`oom_kill` of `memory.events`); none where its
    /// parent does not give it the memory controller.
    pub fn has_killed_for_memory(&self) -> Option<bool> {
        let events = fs::read_to_string(self.path.join("memory.events")).ok()?;
        let count = events.lines().find_map(|line| line.strip_prefix("oom_kill "))?;
        Some(count.trim() != "0")
    }

    /// Whether it is held to so many thousandths of one processor, or to none. Where it has no cpu controller, nothing holds it.
    pub fn is_held_to(&self, millis: Option<u32>) -> bool {
        match fs::read_to_string(self.path.join(CPU_MAX)) {
            Ok(held) => held.trim() == cpu_max(millis),
            Err(_) => millis.is_none(),
        }
    }

    /// Sends SIGKILL to all who live in it, and to all whom they fork meanwhile (`cgroup.kill`).
    ///
    /// # Errors
    /// It is not there, or not ours.
    pub fn kill(&self) -> io::Result<()> {
        write(&self.path.join("cgroup.kill"), "1")
    }

    /// Removes it, with what was made inside of it.
    ///
    /// # Errors
    /// Somebody lives in it.
    pub fn remove(&self) -> io::Result<()> {
        remove_directories(&self.path)
    }
}

/// Takes this process out of the cgroup of a service that it was started from, whichever fleet's that is: it is to live on
/// when that ends. Moving takes the kernel some ten milliseconds, for it waits for all processors (cgroup_threadgroup_rwsem).
pub fn leave_runs() -> io::Result<()> {
    let Ok(own) = os::cgroup::own() else { return Ok(()) };
    match outside_of_runs(&own) {
        Some(outside) => write(&outside.join("cgroup.procs"), "0"),
        None => Ok(()),
    }
}

const PREFIX: &str = "procman-";

/// The file that says how much of how long a cgroup may run, in microseconds.
const CPU_MAX: &str = "cpu.max";

fn cpu_max(millis: Option<u32>) -> String {
    const PERIOD_US: u64 = 100_000;
    let quota = millis.map_or_else(|| "max".to_owned(), |it| (u64::from(it) * PERIOD_US / 1000).to_string());
    format!("{quota} {PERIOD_US}")
}

/// What this user was given of the tree, as far as `own` tells.
fn given(own: &Path) -> &Path {
    let is_subgroup = |above: &&Path| os::cgroup::is_delegated(above) && !os::cgroup::is_delegated(own);
    own.parent().filter(is_subgroup).unwrap_or(own)
}

/// Writes into a file that the kernel has made.
fn write(path: &Path, text: &str) -> io::Result<()> {
    fs::OpenOptions::new().write(true).open(path)?.write_all(text.as_bytes())
}

fn name_of(instance: &Instance) -> String {
    format!("{PREFIX}{instance}")
}

/// The cgroup in which the fleet lies whose run's cgroup this is, or is inside of; none if it is outside of all.
fn outside_of_runs(path: &Path) -> Option<&Path> {
    let is_home =
        |path: &&Path| path.file_name().is_some_and(|name| name.to_string_lossy().starts_with(PREFIX));
    path.ancestors().filter(is_home).last()?.parent()
}

/// Makes the directory, if it is not there.
fn make_directory(path: &Path) -> io::Result<()> {
    match DirBuilder::new().mode(0o755).create(path) {
        Err(error) if error.kind() != ErrorKind::AlreadyExists => Err(error),
        Ok(()) | Err(_) => Ok(()),
    }
}

/// The number of links of a directory tells how many it has in it, and spares reading some thirty names.
fn has_subdirectories(path: &Path) -> bool {
    fs::metadata(path).is_ok_and(|found| found.nlink() != 2)
}

fn subdirectories(path: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(path).into_iter().flatten().flatten();
    entries.filter(|it| it.file_type().is_ok_and(|kind| kind.is_dir())).map(|it| it.path()).collect()
}

/// The files of a cgroup go with it; directories have to be removed first.
fn remove_directories(path: &Path) -> io::Result<()> {
    if has_subdirectories(path) {
        for below in subdirectories(path) {
            // One that stays keeps this one, which says so.
            let _ = remove_directories(&below);
        }
    }
    match fs::remove_dir(path) {
        Err(error) if error.kind() != ErrorKind::NotFound => Err(error),
        Ok(()) | Err(_) => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::{Home, outside_of_runs};
    use crate::vocab::run::{Instance, Tag};
    use std::path::Path;

    #[test]
    fn a_run_is_read_back_from_the_name_of_its_cgroup_and_other_directories_are_nobodys() {
        let dir = tempfile::tempdir().unwrap();
        let home = Home { path: dir.path().to_owned() };
        let tag = Tag::parse("0123456789abcdef/main-app.2/42").unwrap();
        for name in ["notes", "x-1", "7-all"] {
            std::fs::create_dir(dir.path().join(name)).unwrap();
        }
        std::fs::create_dir(home.of(&tag).path()).unwrap();
        assert_eq!(home.runs(), [(tag.service.clone(), tag.run, home.of(&tag))]);
    }

    #[test]
    fn a_directory_that_is_not_a_cgroup_of_this_fleet_is_not_taken_for_one() {
        let dir = tempfile::tempdir().unwrap();
        let instance = Instance("0123456789abcdef".to_owned());
        let path = dir.path().join("procman-0123456789abcdef");
        std::fs::create_dir(&path).unwrap();
        assert_eq!(Home::at(&path, &instance), None, "it lies on another file system");
        assert_eq!(Home::at(Path::new("/"), &instance), None);
        if let Ok(home) = Home::make(&instance) {
            assert_eq!(Home::at(home.path(), &instance), Some(home.clone()));
            assert_eq!(Home::at(home.path(), &Instance("f".repeat(16))), None);
            home.remove().unwrap();
            assert_eq!(Home::at(home.path(), &instance), None);
        }
    }

    /// The files of a kernel with a cpu controller, without the kernel.
    #[test]
    fn a_run_is_held_to_its_share_where_each_cgroup_above_it_can_give_the_controller_on() {
        let dir = tempfile::tempdir().unwrap();
        let home = Home { path: dir.path().join("procman-1") };
        let run = home.of(&Tag::parse("0123456789abcdef/api/7").unwrap());
        std::fs::create_dir_all(run.path()).unwrap();
        let files = [
            (dir.path(), "cgroup.controllers", "cpuset cpu memory\n"),
            (dir.path(), "cgroup.subtree_control", "memory\n"),
            (home.path(), "cgroup.controllers", "cpu memory\n"),
            (home.path(), "cgroup.subtree_control", "cpu\n"),
            (run.path(), "cpu.max", "max 100000\n"),
        ];
        for (place, file, text) in files {
            std::fs::write(place.join(file), text).unwrap();
        }
        let read = |place: &Path, file: &str| std::fs::read_to_string(place.join(file)).unwrap();
        assert!(!run.is_held_to(Some(1500)) && run.is_held_to(None));
        home.limit_cpu(&run, Some(1500)).unwrap();
        assert_eq!(read(run.path(), "cpu.max"), "150000 100000");
        assert!(run.is_held_to(Some(1500)) && !run.is_held_to(Some(500)) && !run.is_held_to(None));
        // A kernel adds to what is there; a file has its first bytes replaced.
        assert!(read(dir.path(), "cgroup.subtree_control").starts_with("+cpu"));
        assert_eq!(read(home.path(), "cgroup.subtree_control"), "cpu\n", "it was given on already");
        home.limit_cpu(&run, None).unwrap();
        assert!(read(run.path(), "cpu.max").starts_with("max 100000"));
        std::fs::write(dir.path().join("cgroup.controllers"), "memory\n").unwrap();
        std::fs::write(dir.path().join("cgroup.subtree_control"), "memory\n").unwrap();
        let error = home.limit_cpu(&run, Some(1500)).unwrap_err().to_string();
        assert!(error.ends_with("has no cpu controller"), "{error}");
    }

    #[test]
    fn a_run_that_has_ended_gets_no_cgroup_again_by_another_limit() {
        let dir = tempfile::tempdir().unwrap();
        let home = Home { path: dir.path().join("procman-1") };
        std::fs::create_dir(home.path()).unwrap();
        for place in [dir.path(), home.path()] {
            std::fs::write(place.join("cgroup.subtree_control"), "cpu\n").unwrap();
        }
        let run = home.of(&Tag::parse("0123456789abcdef/api/7").unwrap());
        for millis in [Some(1500), None] {
            let error = home.limit_cpu(&run, millis).unwrap_err();
            assert_eq!(error.kind(), std::io::ErrorKind::NotFound);
            assert!(!run.exists());
        }
    }

    #[test]
    fn whoever_leaves_goes_outside_of_every_fleet() {
        let check = |path: &str, expected: Option<&str>| {
            assert_eq!(outside_of_runs(Path::new(path)), expected.map(Path::new), "{path}");
        };
        check("/c/user.slice", None);
        check("/c/user.slice/procman-1/3-a", Some("/c/user.slice"));
        check("/c/procman-1/3-a/procman-2/7-b/inner", Some("/c"));
    }
}
