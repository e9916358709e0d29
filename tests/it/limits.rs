//! Limits of the machine: the disk is full, descriptors run out, no process can be made. Each is said, costs no service
//! that runs, and is forgotten when there is room again.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use procman::protocol::status::Status;
use procman::vocab::state::State;

use crate::faults::numbers;
use crate::harness::{Fleet, Ran, procman, wait_until};

/// A fleet one of whose directories is a small file system of its own, in a mount namespace that its supervisor and the
/// commands run in.
struct Small {
    fleet: Fleet,
    directory: PathBuf,
}

/// Whether this user may do what a test needs; says so where not.
fn may(program: &str, arguments: &[&str]) -> bool {
    let may = Command::new(program).args(arguments).output().is_ok_and(|output| output.status.success());
    if !may {
        println!("SKIPPED: `{program} {}` is refused here; it takes root", arguments.join(" "));
    }
    may
}

impl Small {
    /// None where no file system can be mounted.
    fn up(config: &str, directory: impl Fn(&Fleet) -> PathBuf, kib: u32) -> Option<Self> {
        if !may("unshare", &["-m", "mount", "-t", "tmpfs", "none", "/mnt"]) {
            return None;
        }
        let fleet = Fleet::new(config);
        let directory = directory(&fleet);
        fs::create_dir_all(&directory).unwrap();
        for path in [&fleet.paths().state_dir, &fleet.paths().own_dir].into_iter().filter(|it| it.exists()) {
            fs::set_permissions(path, std::os::unix::fs::PermissionsExt::from_mode(0o700)).unwrap();
        }
        let script = format!(
            "mount -t tmpfs -o size={kib}k,mode=700 none '{}' && exec '{}' up -q",
            directory.display(),
            procman().display()
        );
        let mut command = Command::new("unshare");
        command.args(["-m", "sh", "-c", &script]).current_dir(fleet.path()).env("NO_COLOR", "1");
        Ran::of(&command.output().unwrap()).expect(0);
        Some(Self { fleet, directory })
    }

    /// The supervisor, which knows its way to its own directory, is asked from where it is.
    fn run(&self, words: &str) -> Ran {
        let supervisor = procman::rundir::leftovers::marked(&self.fleet.paths().instance);
        let target = supervisor.first().unwrap().pid.to_string();
        let mut command = Command::new("nsenter");
        command.args(["-t", &target, "-m"]).arg(procman()).arg("-c").arg(self.fleet.config());
        command.args(words.split_whitespace()).env("NO_COLOR", "1");
        Ran::of(&command.output().unwrap())
    }

    /// A path of the small file system, as seen from outside.
    fn inside(&self, path: &Path) -> PathBuf {
        let supervisor = procman::rundir::leftovers::marked(&self.fleet.paths().instance);
        let root = PathBuf::from(format!("/proc/{}/root", supervisor.first().unwrap().pid));
        root.join(path.strip_prefix("/").unwrap())
    }

    fn fill(&self) {
        let ballast = self.inside(&self.directory.join("ballast"));
        let full = wait_until("it is full", || fs::write(&ballast, vec![0; 8 << 20]).err());
        assert_eq!(full.kind(), std::io::ErrorKind::StorageFull);
    }

    fn make_room(&self) {
        fs::remove_file(self.inside(&self.directory.join("ballast"))).unwrap();
    }

    fn supervisor_log(&self) -> String {
        fs::read_to_string(self.inside(&self.fleet.paths().supervisor_log)).unwrap_or_default()
    }
}

#[test]
fn a_full_disk_holds_log_lines_up_and_loses_none() {
    let config = "[services.a]\ncommand = \"{puppet} count 1 stay\"\nmin_uptime = \"1ms\"\n\
                  [services.b]\ncommand = \"{puppet} stay\"\nmin_uptime = \"1ms\"\n";
    let Some(small) = Small::up(config, |fleet| fleet.path().join("logs"), 256) else { return };
    let counted = || small.fleet.counted().into_values().sum::<u64>();
    small.fill();
    wait_until("it is said", || small.supervisor_log().contains("cannot write its log file").then_some(()));
    let begun = counted();
    wait_until("the service goes on", || (counted() > begun + 300).then_some(()));
    small.run("restart b").expect(0);
    small.make_room();
    wait_until("it is said", || small.supervisor_log().contains("nothing was lost").then_some(()));
    small.run("stop a").expect(0);
    let log = fs::read_to_string(small.inside(&small.directory.join("a.out.log"))).unwrap();
    assert_eq!(numbers(&log), (0..counted()).collect::<Vec<_>>());
    small.run("down").expect(0);
    small.fleet.wait_until_nothing_lives();
}

#[test]
fn a_disk_that_is_full_for_the_journal_costs_no_service() {
    let config = "[services.a]\ncommand = \"{puppet} stay\"\nmin_uptime = \"1ms\"\n\
                  [services.b]\ncommand = \"{puppet} stay\"\nmin_uptime = \"1ms\"\n";
    let Some(small) = Small::up(config, |fleet| fleet.paths().own_dir, 128) else { return };
    let status = || serde_json::from_str::<Status>(&small.run("status --json").stdout).unwrap();
    let a = || status().services[0].pid;
    let (before, supervisor) = (a(), status().supervisor.pid);
    small.fill();
    small.run("restart b").expect(0);
    assert_eq!(a(), before);
    let notes = status().supervisor.notes;
    assert!(notes.len() == 1 && notes[0].contains("journal: No space left on device"), "{notes:?}");
    // A successor trusts the last journal that was whole: of `b` it knows an older run, so the one that lives is a stray.
    nix::sys::signal::kill(
        nix::unistd::Pid::from_raw(supervisor.unwrap().as_raw()),
        nix::sys::signal::Signal::SIGKILL,
    )
    .unwrap();
    wait_until("another one answers", || {
        let status = serde_json::from_str::<Status>(&small.run("status --json").stdout).ok()?;
        (status.supervisor.running && status.supervisor.pid != supervisor).then_some(())
    });
    wait_until("b runs", || (status().services[1].state == State::Running).then_some(()));
    assert_eq!(a(), before);
    small.make_room();
    small.run("restart b").expect(0);
    let journal = small.inside(&small.fleet.paths().journal);
    let journal = procman::rundir::journal::Journal::read(&journal).unwrap().unwrap();
    let live = journal.services.iter().find(|it| it.service.as_str() == "b").unwrap().live.unwrap();
    assert_eq!(Some(live.identity.pid), status().services[1].pid);
    assert!(status().supervisor.notes.is_empty());
    small.run("down").expect(0);
    small.fleet.wait_until_nothing_lives();
}

#[test]
fn a_disk_that_is_full_for_the_records_of_ends_costs_records_alone() {
    let config = "[services.a]\ncommand = \"{puppet} stay\"\nmin_uptime = \"1ms\"\n";
    let Some(small) = Small::up(config, |fleet| fleet.paths().history, 128) else { return };
    let runs = || small.run("history a --json").expect(0).stdout.lines().count();
    small.run("restart a").expect(0);
    assert_eq!(runs(), 1);
    small.fill();
    let said = || small.supervisor_log().contains("cannot write the record of a run").then_some(());
    wait_until("it is said", || {
        small.run("restart a").expect(0);
        said()
    });
    small.make_room();
    let kept = runs();
    small.run("restart a").expect(0);
    assert_eq!(runs(), kept + 1, "with room again, records are kept again");
    small.run("down").expect(0);
    small.fleet.wait_until_nothing_lives();
}

#[test]
fn a_disk_that_is_full_for_the_config_copy_and_the_supervisors_log_costs_their_news_alone() {
    let config = |last: &str| {
        format!(
            "[services.a]\ncommand = \"{{puppet}} stay\"\nmin_uptime = \"1ms\"\n\
                 [services.{last}]\ncommand = \"{{puppet}} stay\"\nmin_uptime = \"1ms\"\n"
        )
    };
    let Some(small) = Small::up(&config("b"), |fleet| fleet.paths().own_dir, 128) else { return };
    let status = || serde_json::from_str::<Status>(&small.run("status --json").stdout).ok();
    let last = |status: &Status| status.services[1].name.to_string();
    let before = status().unwrap();
    let (applied, log) = (small.fleet.paths().applied, small.supervisor_log());
    let applied = || fs::read_to_string(small.inside(&applied)).unwrap();
    let copy = applied();
    small.fill();
    small.fleet.configure(&config("c"));
    small.run("reload").expect(0);
    wait_until("the reload is done all the same", || (last(&status()?) == "c").then_some(()));
    wait_until("c runs", || (status()?.services[1].state == State::Running).then_some(()));
    assert_eq!(applied(), copy, "the copy that was there is whole");
    assert!(small.supervisor_log().len() < log.len() + 4096, "there is no room for more of it");
    let supervisor = nix::unistd::Pid::from_raw(before.supervisor.pid.unwrap().as_raw());
    nix::sys::signal::kill(supervisor, nix::sys::signal::Signal::SIGKILL).unwrap();
    wait_until("a successor acts on the copy", || (last(&status()?) == "b").then_some(()));
    assert_eq!(status().unwrap().services[0].pid, before.services[0].pid);
    small.make_room();
    small.run("reload").expect(0);
    assert!(applied().contains("services.c"), "with room again, the copy follows");
    small.run("down").expect(0);
    small.fleet.wait_until_nothing_lives();
}

#[test]
fn a_guardian_that_can_make_no_process_says_so_at_first_and_tries_again_later() {
    let Some(plain) = plain_user(100_000) else { return };
    let fleet = Fleet::new(&many(2));
    for path in [fleet.path(), fleet.config(), fleet.puppet()] {
        std::os::unix::fs::chown(path, Some(plain), Some(plain)).unwrap();
    }
    let up = |processes: u32| {
        let mut up = Command::new("prlimit");
        up.arg(format!("--nproc={processes}:"));
        up.arg("setpriv").args(become_user(plain)).arg(procman());
        up.args(["up", "-q"]).current_dir(fleet.path()).env("NO_COLOR", "1");
        Ran::of(&up.output().unwrap())
    };
    // The command itself is one, and the guardian the other.
    up(2).expect(1).says(&["cannot start the guardian", "temporarily unavailable"]);
    fleet.wait_until_nothing_lives();
    up(50).expect(0);
    let (services, supervisor) = ((fleet.pid("s00"), fleet.pid("s01")), fleet.supervisor_pid());
    let guardian = fleet.status().supervisor.guardian.unwrap().to_string();
    let limit = |processes: &str| {
        let mut prlimit = Command::new("prlimit");
        let done = prlimit.uid(plain).gid(plain).args(["--pid", &guardian, processes]).status().unwrap();
        assert!(done.success());
    };
    limit("--nproc=1:");
    nix::sys::signal::kill(nix::unistd::Pid::from_raw(supervisor), nix::sys::signal::Signal::SIGKILL)
        .unwrap();
    wait_until("none is there", || fleet.run("status").stderr.contains("about to be replaced").then_some(()));
    limit("--nproc=50:");
    wait_until("another one answers", || fleet.supervisor_pid_if_any().filter(|pid| *pid != supervisor));
    assert_eq!((fleet.pid("s00"), fleet.pid("s01")), services);
}

/// A user id that nobody else has: limits count the processes of a user, and zombies that init has not reaped among them.
/// None, with a word, where this process may not become another user.
fn plain_user(first: u32) -> Option<u32> {
    let user = first + std::process::id() % 100_000;
    let mut as_user: Vec<String> = become_user(user).into();
    as_user.push("true".to_owned());
    may("setpriv", &as_user.iter().map(String::as_str).collect::<Vec<_>>()).then_some(user)
}

fn become_user(user: u32) -> [String; 3] {
    [format!("--reuid={user}"), format!("--regid={user}"), "--clear-groups".to_owned()]
}

fn many(count: usize) -> String {
    let mut config = "[defaults]\nmin_uptime = \"1ms\"\n\
                      backoff = { initial = \"100ms\", max = \"100ms\", max_retries = 1000000 }\n"
        .to_owned();
    for number in 0..count {
        config += &format!("[services.s{number:02}]\ncommand = \"{{puppet}} stay\"\n");
    }
    config
}

fn running(status: &Status) -> usize {
    status.services.iter().filter(|service| service.state == State::Running).count()
}

/// Gives the supervisor other limits while it runs.
fn limit(mut prlimit: Command, fleet: &Fleet, limit: &str) {
    let supervisor = fleet.supervisor_pid().to_string();
    let done = prlimit.args(["--pid", &supervisor, limit]).status().unwrap();
    assert!(done.success());
}

#[test]
fn a_supervisor_without_descriptors_says_so_and_recovers() {
    if !may("prlimit", &["--nofile=64:", "true"]) {
        return;
    }
    let prlimit = || Command::new("prlimit");
    let fleet = Fleet::new(&many(30));
    fleet.run("up -q s00 s01").expect(0);
    let before = (fleet.pid("s00"), fleet.supervisor_pid());
    // The limit is one of numbers. Those that stand far above it stay open and leave no gap below.
    let numbers = fs::read_dir(format!("/proc/{}/fd", before.1)).unwrap();
    let small = numbers.filter(|it| it.as_ref().unwrap().file_name().len() < 3).count();
    limit(prlimit(), &fleet, &format!("--nofile={}:", small + 6));
    fleet.run("up -q --no-wait").expect(0);
    wait_until("those that live stay, and no other takes the last ones", || {
        let status = fleet.status();
        let is_short = |reason: &String| reason.contains("Too many open files");
        let short = status.services.iter().filter(|it| it.reason.as_ref().is_some_and(is_short)).count();
        (running(&status) == 2 && short == 28).then_some(())
    });
    // With some more of them they run out while services are made.
    limit(prlimit(), &fleet, &format!("--nofile={}:", small + 12));
    wait_until("some more run", || (running(&fleet.status()) > 2).then_some(()));
    assert_eq!((fleet.pid("s00"), fleet.supervisor_pid()), before);
    limit(prlimit(), &fleet, "--nofile=4096:");
    wait_until("all run", || (running(&fleet.status()) == 30).then_some(()));
    assert_eq!((fleet.pid("s00"), fleet.supervisor_pid()), before);
    for service in fleet.status().services {
        let known = BTreeSet::from_iter(service.pid.map(|pid| pid.as_raw()));
        assert_eq!(
            fleet.family(service.name.as_str()),
            known,
            "{}: none was made and forgotten",
            service.name
        );
    }
    fleet.run("down").expect(0);
    fleet.wait_until_nothing_lives();
}

#[test]
fn a_supervisor_that_can_make_no_process_says_so_and_recovers() {
    let Some(plain) = plain_user(200_000) else { return };
    let fleet = Fleet::new(&many(8));
    for path in [fleet.path(), fleet.config(), fleet.puppet()] {
        std::os::unix::fs::chown(path, Some(plain), Some(plain)).unwrap();
    }
    let as_user = |program: &Path| {
        let mut command = Command::new(program);
        command.uid(plain).gid(plain).current_dir(fleet.path()).env("NO_COLOR", "1");
        command
    };
    let mut up = Command::new("prlimit");
    up.args(["--nproc=7:", "setpriv"]).args(become_user(plain));
    up.arg(procman()).args(["up", "-q", "--no-wait"]).current_dir(fleet.path()).env("NO_COLOR", "1");
    Ran::of(&up.output().unwrap()).expect(0);
    let status = || fleet.status();
    let why = wait_until("some run and some cannot", || {
        let status = status();
        let mut reasons = status.services.iter().filter_map(|service| service.reason.clone());
        reasons.find(|reason| reason.contains("cannot make a process")).filter(|_| running(&status) > 0)
    });
    println!("{} run; the others: {why}", running(&status()));
    limit(as_user(Path::new("prlimit")), &fleet, "--nproc=100:");
    wait_until("all run", || (running(&status()) == 8).then_some(()));
    Ran::of(&as_user(procman()).arg("down").output().unwrap()).expect(0);
    fleet.wait_until_nothing_lives();
}
