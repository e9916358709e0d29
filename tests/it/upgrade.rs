//! The supervisor is replaced by the procman on disk, and no service notices.

use std::collections::BTreeMap;
use std::fs;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::os::unix::fs::PermissionsExt;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::path::PathBuf;
use std::process::{Command, Output};
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::{Duration, Instant};

use crate::guardian::kill_supervisor;
use crate::harness::{Fleet, free_port, procman, wait_until};

/// A fleet that runs under a procman of its own, so that this one can be replaced.
struct Own {
    fleet: Fleet,
    program: PathBuf,
}

impl Own {
    fn new() -> Self {
        let (port, web) = (free_port(), free_port());
        let fleet = Fleet::new(&format!(
            "[services.api]\ncommand = \"{{puppet}} listen {port} stay\"\nport = {port}\n\
             [services.web]\ncommand = \"{{puppet}} http {web} 200 stay\"\nport = {web}\n\
             [services.job]\ncommand = \"{{puppet}} stay\"\nmin_uptime = \"1ms\"\n"
        ));
        let program = fleet.path().join("procman");
        fs::hard_link(procman(), &program).unwrap();
        let own = Self { fleet, program };
        assert!(own.run("up -q").status.success());
        own
    }

    fn run(&self, words: &str) -> Output {
        Command::new(&self.program)
            .args(words.split_whitespace())
            .current_dir(self.fleet.path())
            .env("NO_COLOR", "1")
            .output()
            .unwrap()
    }

    fn pids(&self) -> BTreeMap<String, i32> {
        let services = self.fleet.status().services.into_iter();
        services.filter_map(|it| Some((it.name.to_string(), it.pid?.as_raw()))).collect()
    }

    /// Puts another file in the program's place, as an installation does.
    fn replace(&self, with: impl FnOnce(&PathBuf)) {
        let fresh = self.fleet.path().join("fresh");
        with(&fresh);
        fs::rename(fresh, &self.program).unwrap();
    }
}

#[test]
fn an_upgrade_puts_the_procman_on_disk_in_charge() {
    let own = Own::new();
    let (before, old) = (own.pids(), own.fleet.status().supervisor);
    own.replace(|fresh| fs::hard_link(procman(), fresh).unwrap());
    for round in 1..=3 {
        let upgraded = own.run("upgrade");
        assert!(upgraded.status.success(), "{}", String::from_utf8_lossy(&upgraded.stderr));
        let new = own.fleet.status().supervisor;
        assert_eq!(own.pids(), before);
        assert_ne!(new.pid, old.pid);
        assert_eq!((new.guardian, new.restarts), (old.guardian, round), "the guardian keeps its pid");
    }
    own.fleet.run("stop job").expect(0);
    own.fleet.run("down").expect(0);
    assert!(own.fleet.processes().is_empty());
}

/// Asks a service again and again, at most so many times a second, until it is told to end; counts in `asked`, and says how often it
/// was in vain.
fn load(port: u16, per_second: u32, asked: &AtomicU32, over: &AtomicBool) -> u32 {
    let (begun, mut failed) = (Instant::now(), 0);
    while !over.load(Ordering::Relaxed) {
        let due = begun + Duration::from_secs(1) * asked.load(Ordering::Relaxed) / per_second;
        std::thread::sleep(due.saturating_duration_since(Instant::now()));
        let answer = || -> std::io::Result<String> {
            let mut stream = TcpStream::connect(("127.0.0.1", port))?;
            stream.set_read_timeout(Some(Duration::from_secs(2)))?;
            stream.write_all(b"GET / HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n")?;
            let mut answer = [0; 15];
            stream.read_exact(&mut answer)?;
            Ok(String::from_utf8_lossy(&answer).into_owned())
        };
        failed += u32::from(!answer().is_ok_and(|answer| answer.contains(" 200")));
        asked.fetch_add(1, Ordering::Relaxed);
    }
    failed
}

#[test]
fn an_upgrade_under_load_fails_no_request() {
    let own = Own::new();
    let before = own.pids();
    let port = own.fleet.service("web").ports[0].port.number();
    let (asked, over) = (AtomicU32::new(0), AtomicBool::new(false));
    let failed = std::thread::scope(|scope| {
        let load = scope.spawn(|| load(port, 200, &asked, &over));
        // However slow the machine is, some requests are answered before, between and after the upgrades.
        let goes_on = || {
            let before = asked.load(Ordering::Relaxed);
            wait_until("the load to go on", || (asked.load(Ordering::Relaxed) >= before + 10).then_some(()));
        };
        let upgraded = catch_unwind(AssertUnwindSafe(|| {
            goes_on();
            for _ in 0..3 {
                assert!(own.run("upgrade").status.success());
                goes_on();
            }
        }));
        over.store(true, Ordering::Relaxed);
        let failed = load.join().unwrap();
        upgraded.map(|()| failed).unwrap_or_else(|panic| resume_unwind(panic))
    });
    println!(
        "{} requests, at most 200 a second, through 3 upgrades, {failed} failed",
        asked.load(Ordering::Relaxed)
    );
    assert_eq!((failed, own.pids()), (0, before));
}

#[test]
fn a_procman_that_does_not_start_is_rolled_back() {
    let own = Own::new();
    let before = own.pids();
    for script in ["#!/bin/sh\nexit 0\n", "#!/bin/sh\necho no good >&3\nexit 1\n", "nonsense"] {
        own.replace(|fresh| {
            fs::write(fresh, script).unwrap();
            fs::set_permissions(fresh, fs::Permissions::from_mode(0o755)).unwrap();
        });
        let failed = own.fleet.run("upgrade").expect(1).says(&["the old one is in charge again"]);
        assert_eq!(failed.stderr.contains("no good"), script.contains("no good"), "{}", failed.stderr);
        assert_eq!(own.pids(), before);
    }
}

#[test]
fn an_upgrade_works_with_a_guardian_that_was_replaced() {
    let own = Own::new();
    let (before, old) = (own.pids(), own.fleet.status().supervisor);
    let guardian = crate::guardian::kill_guardian(&own.fleet);
    let upgraded = own.run("upgrade");
    assert!(upgraded.status.success(), "{}", String::from_utf8_lossy(&upgraded.stderr));
    let new = own.fleet.status().supervisor;
    assert_eq!((own.pids(), new.guardian.map(|pid| pid.as_raw())), (before, Some(guardian)));
    assert_ne!(new.pid, old.pid);
    own.fleet.run("down").expect(0);
    own.fleet.wait_until_nothing_lives();
}

#[test]
fn why_a_service_is_down_is_known_to_every_supervisor_that_follows() {
    let fleet = Fleet::new(
        "[services.once]\ncommand = \"{puppet} err 'disk on fire' exit 3\"\nrestart = \"never\"\n\
         [services.loops]\ncommand = \"{puppet} err 'no licence' exit 4\"\n\
         backoff = { initial = \"1ms\", max_retries = 1 }\n\
         [services.stopped]\ncommand = \"{puppet} stay\"\nmin_uptime = \"1ms\"\n",
    );
    fleet.run("up -q").expect(1);
    fleet.run("stop stopped").expect(0);
    let words = || {
        let services = fleet.status().services.into_iter();
        let told = services.map(|it| (it.name.to_string(), it.state, it.exit, it.reason));
        told.collect::<Vec<_>>()
    };
    let before = words();
    let reason = |at: usize| before[at].3.clone().unwrap_or_default();
    let (loops, once) = (reason(0), reason(1));
    assert!(loops.contains(": no licence (given up after 2 quick failures)"), "{before:?}");
    assert!(once.starts_with("exited with code 3 after ") && once.ends_with(": disk on fire"), "{before:?}");
    assert!(before.iter().all(|(_, _, exit, _)| exit.is_some()), "{before:?}");
    fleet.run("upgrade").expect(0);
    assert_eq!(words(), before);
    kill_supervisor(&fleet);
    assert_eq!(words(), before);
    fleet.behead();
    fleet.run("start stopped").expect(4);
    // One that is started anew says as much of those that nobody asks for.
    fleet.run("up stopped -q").expect(0);
    assert_eq!(words()[..2], before[..2]);
}
