//! Faults that the machine and its people bring: what runs keeps running, and what is wrong is said and mended.

use std::collections::BTreeSet;
use std::fmt::Write;
use std::fs;
use std::os::unix::net::UnixListener;
use std::time::Instant;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use procman::rundir::journal::Journal;
use procman::rundir::lock::Supervisor;
use procman::vocab::state::State;

use crate::guardian::kill_supervisor;
use crate::harness::{DEADLINE, Fleet, Ran, is_alive, wait_until};

const STAY: &str = "command = \"{puppet} stay\"\nmin_uptime = \"1ms\"\n";

fn two() -> Fleet {
    let fleet = Fleet::new(&format!("[services.a]\n{STAY}[services.b]\n{STAY}"));
    fleet.run("up -q").expect(0);
    fleet
}

/// The numbers of the lines that `count` wrote into a log, of one run.
pub(crate) fn numbers(text: &str) -> Vec<u64> {
    text.lines().filter_map(|line| line.strip_prefix("line ")?.split(' ').next()?.parse().ok()).collect()
}

#[test]
fn a_socket_that_is_deleted_is_bound_again_for_the_next_who_asks() {
    let fleet = two();
    let before = (fleet.pid("a"), fleet.supervisor_pid());
    let socket = fleet.paths().socket;
    let remove = || fs::remove_file(&socket).unwrap();
    let damages: [&dyn Fn(); 3] = [&remove, &|| fs::write(&socket, "").unwrap(), &|| {
        remove();
        drop(UnixListener::bind(&socket).unwrap());
    }];
    for (number, damage) in damages.iter().enumerate() {
        if number == 1 {
            remove();
        }
        damage();
        let asked: Vec<_> = (0..4).map(|_| fleet.spawn("status")).collect();
        for mut asked in asked {
            assert!(asked.wait().unwrap().success(), "damage {number}");
        }
        fleet.run("restart b").expect(0);
    }
    assert_eq!((fleet.pid("a"), fleet.supervisor_pid()), before);
    assert_eq!(fleet.status().supervisor.restarts, 0);
    remove();
    fleet.run("down").expect(0);
    fleet.wait_until_nothing_lives();
}

#[test]
fn a_wiped_run_directory_is_put_back_for_whoever_comes_next() {
    for next in ["status", "up -q", "restart a -q", "restart --quick -q", "down"] {
        let fleet = two();
        let (supervisor, old) = (fleet.status().supervisor, fleet.pid("b"));
        fs::remove_dir_all(fleet.paths().state_dir).unwrap();
        fleet.run(next).expect(0);
        if matches!(next, "restart --quick -q" | "down") {
            assert!(!is_alive(old) && !is_alive(supervisor.pid.unwrap().as_raw()), "{next}");
            continue;
        }
        let now = fleet.status().supervisor;
        assert_eq!(
            (now.pid, now.guardian, fleet.pid("b")),
            (supervisor.pid, supervisor.guardian, old),
            "{next}"
        );
        let paths = fleet.paths();
        let files = [&paths.lock, &paths.guardian, &paths.socket, &paths.journal, &paths.applied];
        for file in files.into_iter().chain([&paths.supervisor_log]) {
            wait_until(&format!("{} is back", file.display()), || file.exists().then_some(()));
        }
        wait_until("both are locked", || {
            let locked = procman::rundir::lock::supervisor(&paths).unwrap() != Supervisor::Nobody;
            (locked && procman::rundir::lock::is_guarded(&paths)).then_some(())
        });
        kill_supervisor(&fleet);
        assert_eq!(fleet.pid("b"), old, "a successor finds all that it needs, after {next}");
        fleet.run("down").expect(0);
        fleet.wait_until_nothing_lives();
    }
}

#[test]
fn lines_flow_on_after_the_run_directory_was_wiped_also_to_a_successor() {
    let fleet = Fleet::new("[services.a]\ncommand = \"{puppet} count 1 stay\"\nmin_uptime = \"1ms\"\n");
    fleet.run("up -q").expect(0);
    let log = || numbers(&fleet.read("logs/a.out.log"));
    let flows = |awaited: &str| {
        let begun = log().len();
        wait_until(awaited, || (log().len() > begun + 50).then_some(()));
    };
    flows("it is written");
    fs::remove_dir_all(fleet.paths().state_dir).unwrap();
    flows("it is written by the same supervisor");
    let main = fleet.pid("a");
    kill_supervisor(&fleet);
    flows("it is written by the next one");
    fs::remove_dir_all(fleet.paths().state_dir).unwrap();
    kill_supervisor(&fleet);
    flows("it is written by the one after that");
    assert_eq!(fleet.pid("a"), main);
    fleet.run("restart a").expect(0);
    wait_until("the next run is read", || (log().last() < Some(&50)).then_some(()));
    fleet.run("down").expect(0);
    let written = log();
    let next = written.windows(2).position(|pair| pair[1] == 0).unwrap() + 1;
    let gaps = written[..next].windows(2).filter(|pair| pair[0] + 1 != pair[1]).count();
    assert!(gaps <= 2, "a death may cost what was read and not written, and a wipe nothing: {gaps}");
}

#[test]
fn single_files_of_the_run_directory_that_are_removed_come_back_by_themselves() {
    let fleet = two();
    let paths = fleet.paths();
    let files = [&paths.lock, &paths.guardian, &paths.socket, &paths.applied, &paths.cgroup];
    for file in files.into_iter().cycle().take(10 * files.len()) {
        if fs::remove_file(file).is_ok() {
            // The next one goes as soon as this one is back, while others may still be put back.
            let deadline = Instant::now() + DEADLINE;
            while !file.exists() {
                assert!(Instant::now() < deadline, "{} is not back", file.display());
                std::thread::yield_now();
            }
        }
    }
    fleet.run("stop a").expect(0);
    let pipe = paths.stdout_channel(&procman::vocab::name::ServiceName::parse("a").unwrap());
    fs::remove_file(&pipe).unwrap();
    wait_until("the pipe of a service that rests is back", || pipe.exists().then_some(()));
    fleet.run("start a").expect(0);
}

#[test]
fn a_supervisor_that_hangs_when_its_run_directory_is_wiped_is_named_and_replaced_by_an_emergency() {
    let fleet = two();
    let (supervisor, old) = (fleet.supervisor_pid(), [fleet.pid("a"), fleet.pid("b")]);
    kill(Pid::from_raw(supervisor), Signal::SIGSTOP).unwrap();
    fs::remove_dir_all(fleet.paths().state_dir).unwrap();
    for words in ["status", "up"] {
        fleet.run(words).expect(4).says(&[&format!("pid {supervisor}"), "procman restart --emergency"]);
    }
    assert!(is_alive(supervisor) && old.iter().all(|pid| is_alive(*pid)));
    fleet.run("restart --emergency").expect(0);
    assert!(!is_alive(supervisor) && old.iter().all(|pid| !is_alive(*pid)));
    assert!(fleet.status().services.iter().all(|service| service.state == State::Running));
}

#[test]
fn a_journal_that_is_removed_or_damaged_is_written_again_at_the_next_event() {
    let fleet = two();
    let (before, journal) = (fleet.pid("a"), fleet.paths().journal);
    for damage in ["removed", "emptied", "overwritten"] {
        match damage {
            "removed" => fs::remove_file(&journal).unwrap(),
            "emptied" => fs::write(&journal, "").unwrap(),
            _ => fs::write(&journal, [0xfe; 300]).unwrap(),
        }
        fleet.run("status").expect(0);
        wait_until(damage, || Journal::read(&journal).ok().flatten());
        kill_supervisor(&fleet);
        assert_eq!(fleet.pid("a"), before, "{damage}");
    }
}

#[test]
fn a_supervisor_whose_journal_is_lost_goes_by_the_tags() {
    for damage in ["removed", "overwritten"] {
        let fleet = two();
        let (old, supervisor) = ([fleet.pid("a"), fleet.pid("b")], fleet.supervisor_pid());
        kill(Pid::from_raw(supervisor), Signal::SIGSTOP).unwrap();
        match damage {
            "removed" => fs::remove_file(fleet.paths().journal).unwrap(),
            _ => fs::write(fleet.paths().journal, [0xfe; 300]).unwrap(),
        }
        kill(Pid::from_raw(supervisor), Signal::SIGKILL).unwrap();
        wait_until("another one answers", || (fleet.supervisor_pid_if_any()? != supervisor).then_some(()));
        for name in ["a", "b"] {
            fleet.wait_for_state(name, State::Running);
        }
        assert_eq!([fleet.pid("a"), fleet.pid("b")], old, "they are taken over");
        let files = fs::read_dir(fleet.paths().own_dir).unwrap();
        let kept = files.filter(|it| it.as_ref().unwrap().file_name().to_string_lossy().contains("damaged-"));
        assert_eq!(kept.count(), usize::from(damage == "overwritten"));
    }
}

#[test]
fn a_log_directory_that_vanishes_is_made_again() {
    let fleet = Fleet::new("[services.a]\ncommand = \"{puppet} count 1 stay\"\nmin_uptime = \"1ms\"\n");
    fleet.run("up -q").expect(0);
    let log = || numbers(&fleet.read("logs/a.out.log"));
    for _ in 0..3 {
        wait_until("it is written", || (log().len() > 10).then_some(()));
        fs::remove_dir_all(fleet.path().join("logs")).unwrap();
    }
    let lines = wait_until("it is written again", || Some(log()).filter(|lines| lines.len() > 100));
    assert!(lines.windows(2).all(|pair| pair[0] + 1 == pair[1]), "from there on no line is lost or doubled");
    assert!(fleet.status().services[0].restarts == 0);
}

#[test]
fn channels_that_are_removed_while_their_services_live_go_on_through_reloads() {
    let config = |more: &str| {
        format!("[services.a]\ncommand = \"{{puppet}} count 1 stay\"\nmin_uptime = \"1ms\"\n{more}")
    };
    let fleet = Fleet::new(&config(""));
    fleet.run("up -q").expect(0);
    let log = || numbers(&fleet.read("logs/a.out.log"));
    for file in fs::read_dir(fleet.paths().channels).unwrap() {
        fs::remove_file(file.unwrap().path()).unwrap();
    }
    fleet.configure(&config("stop_timeout = \"3s\"\n"));
    fleet.run("reload").expect(0);
    let before = log().len();
    wait_until("it is still read", || (log().len() > before + 100).then_some(()));
    fleet.run("restart a").expect(0);
    wait_until("the next run has a new one", || (log().last() < Some(&50)).then_some(()));
    let lines = log();
    let next = lines.windows(2).position(|pair| pair[1] == 0).unwrap() + 1;
    assert_eq!(lines[..next], (0..next as u64).collect::<Vec<_>>());
}

#[test]
fn a_supervisor_that_was_stopped_for_a_while_catches_up() {
    let fleet = Fleet::new(&format!(
        "[services.a]\n{STAY}[services.b]\ncommand = \"{{puppet}} count 1 stay\"\nmin_uptime = \"1ms\"\n"
    ));
    fleet.run("up -q").expect(0);
    let (a, supervisor) = (fleet.pid("a"), Pid::from_raw(fleet.supervisor_pid()));
    kill(supervisor, Signal::SIGSTOP).unwrap();
    wait_until("each of its threads has stopped", || {
        let threads = std::fs::read_dir(format!("/proc/{supervisor}/task")).unwrap();
        let stat = |thread: std::io::Result<std::fs::DirEntry>| {
            fs::read_to_string(thread.unwrap().path().join("stat"))
        };
        threads.map(|thread| stat(thread).unwrap()).all(|stat| stat.contains(") T ")).then_some(())
    });
    kill(Pid::from_raw(a), Signal::SIGKILL).unwrap();
    let written = || numbers(&fleet.read("logs/b.out.log")).len();
    let counted = || fleet.counted().into_values().sum::<u64>();
    let (begun, before) = (counted(), written());
    wait_until("much is written meanwhile", || (counted() > begun + 100).then_some(()));
    assert_eq!(written(), before, "nobody reads it");
    kill(supervisor, Signal::SIGCONT).unwrap();
    wait_until("a runs again", || Some(fleet.service("a")).filter(|it| it.state == State::Running));
    assert_ne!(fleet.pid("a"), a);
    fleet.run("down").expect(0);
    assert_eq!(numbers(&fleet.read("logs/b.out.log")), (0..counted()).collect::<Vec<_>>());
}

#[test]
fn three_hundred_crash_loops_at_once_end_fatal_and_status_answers_all_the_while() {
    let mut config =
        "[defaults]\nbackoff = { initial = \"300ms\", max = \"300ms\", max_retries = 3 }\n".to_owned();
    for number in 0..300 {
        writeln!(config, "[services.s{number}]\ncommand = \"{{puppet}} exit 1\"").unwrap();
    }
    let fleet = Fleet::new(&config);
    fleet.run("up -q --no-wait").expect(0);
    wait_until("all are given up", || {
        let status = fleet.status();
        assert!(status.supervisor.running && status.services.len() == 300);
        status.services.iter().all(|service| service.state == State::Fatal).then_some(())
    });
    for service in fleet.status().services {
        assert!(service.restarts >= 3 && service.reason.is_some(), "{service:?}");
    }
    fleet.run("down").expect(0);
    fleet.wait_until_nothing_lives();
}

/// Starts take turns of 100 ms, so that whoever asks waits for a part of them at most. The 500 take longer than a turn on
/// any machine.
#[test]
fn who_asks_in_the_midst_of_a_big_start_is_answered_before_its_end() {
    const SERVICES: usize = 500;
    let service = |number| format!("[services.s{number}]\ncommand = \"sleep 1000\"\nmin_uptime = \"1ms\"\n");
    let fleet = Fleet::new(&(0..SERVICES).map(service).collect::<String>());
    let up = fleet.spawn("up -q");
    wait_until("a supervisor answers", || fleet.supervisor_pid_if_any());
    wait_until("an answer tells of services that have a process and of others that wait for one", || {
        let services = fleet.status().services;
        let started = services.iter().filter(|it| it.pid.is_some()).count();
        let waiting = services.iter().filter(|it| it.state == State::Starting && it.pid.is_none()).count();
        assert!(started < SERVICES, "nobody was answered before all had a process");
        (started > 0 && waiting > 0).then_some(())
    });
    // Its table is more than a pipe holds, so it is read.
    Ran::of(&up.wait_with_output().unwrap()).expect(0);
    fleet.run("down").expect(0);
    fleet.wait_until_nothing_lives();
}

#[test]
fn the_orphans_of_a_zombie_factory_are_reaped_and_its_zombies_go_with_it() {
    let fleet = Fleet::new(
        "[services.a]\ncommand = \"{puppet} child flies 2\"\nmin_uptime = \"1ms\"\nstop_timeout = \"2s\"\n",
    );
    fleet.run("up -q").expect(0);
    let (main, supervisor) = (fleet.pid("a"), fleet.supervisor_pid());
    let zombies = |parent: i32| {
        let all = procman::sys::process::all().into_iter();
        all.filter(|it| it.parent == parent && !it.is_alive()).count()
    };
    wait_until("it has many zombies", || (zombies(main) > 200).then_some(()));
    wait_until("those that come to the supervisor are reaped", || (zombies(supervisor) == 0).then_some(()));
    assert!(fleet.service("a").processes < 20, "zombies are not counted");
    fleet.run("stop a").expect(0);
    wait_until("all are gone", || (zombies(main) + zombies(supervisor) == 0).then_some(()));
}

#[test]
fn fifty_descendants_in_sessions_of_their_own_and_double_forks_end_with_their_service() {
    let fleet = Fleet::new(
        "[services.a]\ncommand = \"{puppet} ignore-term child family 50 stay\"\nmin_uptime = \"1ms\"\n\
         stop_timeout = \"500ms\"\n[services.b]\ncommand = \"{puppet} child family 50 stay\"\nmin_uptime = \"1ms\"\n",
    );
    fleet.run("up -q").expect(0);
    wait_until("all are there", || {
        let services = fleet.status().services;
        services.iter().all(|service| service.processes == 51).then_some(())
    });
    // Two supervisors' families: one that was taken over, one that was started by the one who stops it.
    kill_supervisor(&fleet);
    for name in ["a", "b", "a"] {
        let family = fleet.family(name);
        assert_eq!(family.len(), 51, "{name}");
        let begun = std::time::Instant::now();
        fleet.run(&format!("restart {name}")).expect(0);
        assert!(family.iter().all(|pid| !is_alive(*pid)), "{name}: the new run has a clean slate");
        println!("{name} was restarted with its 50 descendants in {:?}", begun.elapsed());
        wait_until("all are there again", || (fleet.family(name).len() == 51).then_some(()));
    }
    fleet.run("stop a b").expect(0);
    assert_eq!(
        fleet.family("a").union(&fleet.family("b")).copied().collect::<BTreeSet<i32>>(),
        BTreeSet::new()
    );
}
