//! The faults, and the fleet that they fall upon.

use std::fs;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::harness::{Fleet, free_port, is_alive, wait_until};

/// The services, and what each is good for.
pub(super) const SERVICES: [&str; 8] =
    ["quick", "slow", "db", "api", "crash", "stubborn", "parent", "worker"];

/// What can befall the fleet.
#[derive(Debug, Clone, Copy)]
enum Fault {
    SupervisorKilled,
    SupervisorKilledWithItsJournalLost,
    SupervisorPaused,
    GuardianKilled,
    ServiceKilled,
    ServiceRestarted,
    ServiceStoppedAndStarted,
    ConfigReloaded,
    SocketRemoved,
    LogDirectoryRemoved,
    JournalRemoved,
    JournalDamaged,
}

/// Supervisors and services die more often than files.
const FAULTS: [Fault; 18] = [
    Fault::SupervisorKilled,
    Fault::SupervisorKilled,
    Fault::SupervisorKilled,
    Fault::SupervisorKilled,
    Fault::SupervisorKilledWithItsJournalLost,
    Fault::SupervisorPaused,
    Fault::GuardianKilled,
    Fault::ServiceKilled,
    Fault::ServiceKilled,
    Fault::ServiceKilled,
    Fault::ServiceRestarted,
    Fault::ServiceRestarted,
    Fault::ServiceStoppedAndStarted,
    Fault::ConfigReloaded,
    Fault::SocketRemoved,
    Fault::LogDirectoryRemoved,
    Fault::JournalRemoved,
    Fault::JournalDamaged,
];

pub(super) struct Storm {
    pub(super) fleet: Fleet,
    /// So often a supervisor was killed.
    pub(super) deaths: usize,
    /// So often it had no guardian then.
    pub(super) deaths_of_both: usize,
    /// Log directories that were taken away, oldest first.
    pub(super) taken_away: usize,
    dice: fastrand::Rng,
    seed: u64,
    ports: (u16, u16),
    begun: Instant,
    story: Vec<String>,
    longest_absence: Duration,
    is_over: bool,
}

impl Storm {
    pub(super) fn new(seed: u64) -> Self {
        let ports = (free_port(), free_port());
        Self {
            fleet: Fleet::new(&config(ports, "")),
            deaths: 0,
            deaths_of_both: 0,
            taken_away: 0,
            dice: fastrand::Rng::with_seed(seed),
            seed,
            ports,
            begun: Instant::now(),
            story: Vec::new(),
            longest_absence: Duration::ZERO,
            is_over: false,
        }
    }

    /// How long it is calm before the next fault.
    pub(super) fn calm(&mut self) -> Duration {
        Duration::from_millis(self.dice.u64(0..250))
    }

    /// One fault, and whatever it takes that somebody is in charge again.
    pub(super) fn strike(&mut self) {
        let fault = *self.dice.choice(&FAULTS).unwrap();
        let service = *self.dice.choice(&SERVICES).unwrap();
        self.story.push(format!("{:>9.3?} {fault:?} ({service})", self.begun.elapsed()));
        match fault {
            Fault::SupervisorKilled => self.kill_supervisor(|_| ()),
            Fault::SupervisorKilledWithItsJournalLost => self.kill_supervisor(|fleet| {
                let _ = fs::remove_file(fleet.paths().journal);
            }),
            Fault::SupervisorPaused => self.pause_supervisor(),
            Fault::GuardianKilled => self.kill_guardian(),
            Fault::ServiceKilled => {
                let pid = self.fleet.service(service).pid;
                let _ = pid.map(|pid| kill(Pid::from_raw(pid.as_raw()), Signal::SIGKILL));
            }
            Fault::ServiceRestarted => self.order(&format!("restart {service}")),
            Fault::ServiceStoppedAndStarted => {
                self.order(&format!("stop {service} --with-dependents"));
                assert!(self.fleet.family(service).is_empty(), "{service} is stopped, and all that it left");
                // Those that need it were stopped with it.
                self.order("start all");
            }
            Fault::ConfigReloaded => {
                let changed = format!("[services.{service}.env]\nCHANGED = \"{}\"\n", self.dice.u32(..));
                self.fleet.configure(&config(self.ports, &changed));
                self.order("reload");
            }
            Fault::SocketRemoved => drop(fs::remove_file(self.fleet.paths().socket)),
            Fault::LogDirectoryRemoved => self.take_logs_away(),
            Fault::JournalRemoved => drop(fs::remove_file(self.fleet.paths().journal)),
            Fault::JournalDamaged => self.damage_journal(),
        }
    }

    #[track_caller]
    fn order(&self, words: &str) {
        self.fleet.run(&format!("{words} -q")).expect(0);
    }

    /// The supervisor is held still meanwhile: what is done to its files is done before it can mend them.
    fn kill_supervisor(&mut self, before: impl FnOnce(&Fleet)) {
        let old = self.fleet.supervisor_pid();
        if self.dice.bool() {
            kill(Pid::from_raw(old), Signal::SIGSTOP).unwrap();
        }
        before(&self.fleet);
        kill(Pid::from_raw(old), Signal::SIGKILL).unwrap();
        let died = Instant::now();
        self.deaths += 1;
        wait_until("the supervisor is dead", || (!is_alive(old)).then_some(()));
        let mut was_unguarded = false;
        wait_until("another one is in charge", || {
            let ran = self.fleet.run("status --json");
            if ran.stderr.contains("no supervisor is running for this config") {
                // Its guardian had been killed before. Whether all is well at that very moment is not asked.
                self.fleet.run("up -q");
                was_unguarded = true;
            }
            self.fleet.supervisor_pid_if_any().filter(|pid| *pid != old)
        });
        self.deaths_of_both += usize::from(was_unguarded);
        self.longest_absence = self.longest_absence.max(died.elapsed());
    }

    /// The pause is a part of the fault; nothing is awaited in it.
    fn pause_supervisor(&mut self) {
        let supervisor = Pid::from_raw(self.fleet.supervisor_pid());
        kill(supervisor, Signal::SIGSTOP).unwrap();
        std::thread::sleep(Duration::from_millis(self.dice.u64(0..800)));
        kill(supervisor, Signal::SIGCONT).unwrap();
    }

    fn kill_guardian(&mut self) {
        if let Some(guardian) = self.fleet.status().supervisor.guardian {
            kill(Pid::from_raw(guardian.as_raw()), Signal::SIGKILL).unwrap();
        }
        // Of one service: `up` of all would be right to complain of the one that crashes at that moment.
        self.order("up quick");
    }

    /// Moved and not removed, so that the ledger can still be closed. To a supervisor it is the same.
    fn take_logs_away(&mut self) {
        let logs = self.fleet.path().join("logs");
        if fs::rename(logs, self.fleet.path().join(format!("logs-{}", self.taken_away))).is_ok() {
            self.taken_away += 1;
        }
    }

    fn damage_journal(&mut self) {
        let path = self.fleet.paths().journal;
        let mut bytes = fs::read(&path).unwrap_or_default();
        if self.dice.bool() {
            bytes.truncate(self.dice.usize(0..=bytes.len()));
        } else if let Some(byte) = self.dice.choice(bytes.iter_mut()) {
            *byte ^= 0x55;
        }
        let _ = fs::write(path, bytes);
    }

    pub(super) fn summary(&self) -> String {
        let (faults, deaths, absence) = (self.story.len(), self.deaths, self.longest_absence);
        format!(
            "seed {}: {faults} faults; {deaths} supervisors killed, the longest absence {absence:?}",
            self.seed
        )
    }

    /// Nothing more has to be told.
    pub(super) fn end(mut self) {
        self.is_over = true;
    }
}

impl Drop for Storm {
    fn drop(&mut self) {
        if !self.is_over {
            let log = fs::read_to_string(self.fleet.paths().supervisor_log).unwrap_or_default();
            let log: Vec<&str> = log.lines().rev().take(60).collect();
            let log: Vec<&str> = log.into_iter().rev().collect();
            println!("PROCMAN_CHAOS_SEED={}\n{}\n{}", self.seed, self.story.join("\n"), log.join("\n"));
        }
    }
}

fn config(ports: (u16, u16), changed: &str) -> String {
    let (db, api) = ports;
    format!(
        r#"
        [defaults]
        min_uptime = "1ms"
        stop_timeout = "500ms"
        backoff = {{ initial = "50ms", max = "200ms", max_retries = 1000000 }}
        log = {{ max_size = "4KB", keep = 10000 }}
        [services.quick]
        command = "{{puppet}} count 3 stay"
        [services.slow]
        command = "{{puppet}} count 25 stay"
        [services.db]
        command = "{{puppet}} count 10 listen-inherited {db} child stubborn stay"
        port = {db}
        [services.api]
        command = "{{puppet}} count 10 after 30 http {api} 200 stay"
        port = {api}
        health = {{ http = "/health" }}
        depends_on = ["db"]
        [services.crash]
        command = "{{puppet}} count 5 after 900 exit 1"
        [services.stubborn]
        command = "{{puppet}} ignore-term child stubborn count 10 stay"
        [services.parent]
        command = "{{puppet}} child setsid child orphan child stubborn child setsid count 10 stay"
        [services.worker]
        command = "{{puppet}} count 10 stay"
        depends_on = ["slow"]
        {changed}
        "#
    )
}
