//! Why runs end: each prepared failure is told by its class, the records outlive whoever wrote them, and a program that is
//! broken is started again when it is mended.

use std::fs;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use procman::protocol::why::Why;
use procman::vocab::cause::{Class, Means, Record};
use procman::vocab::outcome::Outcome;
use procman::vocab::state::State;

use crate::harness::{Fleet, free_port, wait_until};

/// Python that tells systemd's way, as the library of that name does.
const NOTIFY: &str = "import os, socket, time\n\
    def notify(text):\n    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as it:\n\
    \x20       it.sendto(text, os.environ['NOTIFY_SOCKET'])\n";

fn why(fleet: &Fleet, service: &str) -> Why {
    let ran = fleet.run(&format!("why {service} --json")).expect(0);
    serde_json::from_str::<Vec<Why>>(&ran.stdout).unwrap().remove(0)
}

fn history(fleet: &Fleet, service: &str) -> Vec<Record> {
    let ran = fleet.run(&format!("history {service} --json")).expect(0);
    ran.stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// The last end, as soon as there is one that is as awaited.
fn last_end(fleet: &Fleet, service: &str, is_awaited: impl Fn(&Record) -> bool) -> Record {
    let mut seen = None;
    let found = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        wait_until(&format!("the end of {service} is told"), || {
            seen = why(fleet, service).last;
            seen.clone().filter(&is_awaited)
        })
    }));
    found.unwrap_or_else(|_| panic!("the last end of {service} is {seen:?}"))
}

fn python(fleet: &Fleet, name: &str, text: &str) {
    fs::write(fleet.path().join(format!("{name}.py")), text).unwrap();
}

/// One prepared failure: a service, its program, what is done to it, and its class with a piece of what is told.
struct Case {
    name: &'static str,
    program: String,
    keys: String,
    class: Class,
    told: &'static str,
}

fn case(name: &'static str, class: Class, told: &'static str, program: &str) -> Case {
    Case { name, program: program.to_owned(), keys: String::new(), class, told }
}

impl Case {
    fn with(self, keys: &str) -> Self {
        Self { keys: keys.to_owned(), ..self }
    }
}

/// The failures that come by themselves. The listener is in the way of one of them.
fn cases(taken: u16, port: u16) -> Vec<Case> {
    let serve = "import http.server, sys, threading\n\
                 class Sick(http.server.BaseHTTPRequestHandler):\n    def do_GET(self):\n        self.send_error(503)\n";
    vec![
        case(
            "address",
            Class::AddressInUse,
            "Address already in use",
            &format!("import socket\nsocket.socket().bind(('127.0.0.1', {taken}))\n"),
        ),
        case("import", Class::ImportError, "No module named 'nowhere'", "import json\nimport nowhere\n"),
        case("name", Class::ImportError, "cannot import name 'nothing'", "from json import nothing\n"),
        case("syntax", Class::SyntaxError, "SyntaxError: ", "def main(:\n    pass\n"),
        case("indent", Class::SyntaxError, "IndentationError: ", "def main():\npass\n"),
        case("exception", Class::UnhandledException, "KeyError: 'rate'", "print({}['rate'])\n"),
        case("memory", Class::MemoryLimit, "more than limits.memory", "import time\nkept = bytearray(120_000_000)\ntime.sleep(600)\n")
            .with("limits = { memory = \"60MB\" }"),
        case(
            "check",
            Class::FailedCheck,
            "failed check 2 times: ",
            &format!("{serve}http.server.HTTPServer(('127.0.0.1', {port}), Sick).serve_forever()\n"),
        )
        .with(&format!(
            "port = {port}\nhealth = {{ http = \"/\", interval = \"100ms\", retries = 2, start_period = \"1ms\", on_unhealthy = \"restart\" }}"
        )),
        case(
            "watchdog",
            Class::Watchdog,
            "has not said WATCHDOG=1 for more than 500ms",
            &format!("{NOTIFY}notify(b'READY=1\\nWATCHDOG=1')\ntime.sleep(600)\n"),
        )
        .with("health = { notify = true, watchdog = \"500ms\" }"),
        case("code", Class::ExitCode, "", "import sys\nprint('no licence', file=sys.stderr)\nsys.exit(3)\n"),
        case(
            "handled",
            Class::ExitCode,
            "",
            "import logging, sys\ntry:\n    import nowhere\nexcept ImportError:\n    logging.exception('slow json')\nsys.exit(4)\n",
        ),
        case("crash", Class::NativeCrash, "", "import os\nos.abort()\n"),
        case("gone", Class::ProgramNotFound, "", ""),
        case("unprepared", Class::NotStarted, "its pre_start failed", "import time\ntime.sleep(600)\n")
            .with("pre_start = \"false\""),
        case("job", Class::Success, "", "print('done')\n").with("restart = \"never\""),
    ]
}

fn fleet_of(cases: &[Case]) -> Fleet {
    let service = |case: &Case| {
        let Case { name, keys, .. } = case;
        format!(
            "[services.{name}]\ncommand = \"python3 {name}.py\"\nmin_uptime = \"50ms\"\nstop_timeout = \"5s\"\n\
             backoff = {{ initial = \"10m\", max = \"10m\" }}\n{keys}\n"
        )
    };
    let services: String = cases.iter().map(service).collect();
    let fleet = Fleet::new(&services);
    for case in cases.iter().filter(|case| case.name != "gone") {
        python(&fleet, case.name, &case.program);
    }
    // A script that goes after the config was proven.
    fs::write(fleet.path().join("gone.py"), "").unwrap();
    fleet
}

#[test]
#[cfg(target_os = "linux")]
fn why_names_the_class_of_each_prepared_failure() {
    let in_the_way = TcpListener::bind("127.0.0.1:0").unwrap();
    let cases = cases(in_the_way.local_addr().unwrap().port(), free_port());
    let fleet = fleet_of(&cases);
    fs::remove_file(fleet.path().join("gone.py")).unwrap();
    fleet.run("up --no-wait").expect(0);
    for case in &cases {
        let end = last_end(&fleet, case.name, |_| true);
        assert_eq!(end.class, case.class, "{}: {end:?}", case.name);
        let text = fleet.run(&format!("why {}", case.name)).expect(0).stdout;
        let cause = text.lines().find(|line| line.contains("  cause ")).unwrap();
        assert!(cause.contains(case.class.words()) && cause.contains(case.told), "{text}");
    }
    let code = why(&fleet, "code").last.unwrap();
    assert_eq!((code.exit, code.stderr), (Some(Outcome::Code(3)), vec!["no licence".to_owned()]));
    let handled = why(&fleet, "handled").last.unwrap();
    assert!(
        handled.traceback.unwrap().starts_with("ModuleNotFoundError"),
        "it is told, and blamed for nothing"
    );
}

const STAYING: &str =
    "[services.api]\ncommand = \"python3 api.py\"\nmin_uptime = \"20ms\"\nstop_timeout = \"5s\"\n";
const STAYS: &str = "import sys, time\nprint('up', file=sys.stderr, flush=True)\ntime.sleep(600)\n";

fn user() -> String {
    procman::sys::user::name(procman::sys::user::effective())
}

#[test]
fn who_ended_a_run_by_which_command_is_told_and_who_stopped_a_service_that_had_none() {
    let fleet = Fleet::new(&format!("[defaults]\nrestart = \"on-failure\"\n{STAYING}"));
    python(&fleet, "api", STAYS);
    fleet.run("up").expect(0);
    let check = |command: &str, means: Means, what: Option<&str>| {
        let pid = fleet.service("api").pid;
        fleet.run(command).expect(0);
        let end = last_end(&fleet, "api", |end| end.pid == pid);
        let by = end.by.clone().unwrap_or_else(|| panic!("{command}: {end:?}"));
        assert_eq!(
            (end.class, by.means, by.user, by.what.as_deref()),
            (Class::Operator, means, Some(user()), what),
            "{command}"
        );
    };
    check("restart api", Means::Restart, None);
    check("restart --quick", Means::Restart, None);
    check("restart api --rolling", Means::Roll, None);
    check("signal api -s KILL", Means::Signal, Some("SIGKILL"));
    fleet.wait_for_state("api", State::Running);
    check("kill api", Means::Kill, None);
    fleet.run("start api").expect(0);
    check("stop api", Means::Stop, None);
    let told = why(&fleet, "api");
    assert_eq!(told.stopped.as_ref().map(|it| it.by.means), Some(Means::Stop));
    let text = fleet.run("why api").expect(0).stdout;
    assert!(
        text.starts_with("api is stopped") && text.contains(&format!("by `procman stop` of {}", user())),
        "{text}"
    );
    fleet.run("start api").expect(0);
    assert_eq!(why(&fleet, "api").stopped, None);
    let longer = STAYING.replace("20ms", "20ms\"\nenv = { NEW = \"1\" }\numask = \"022");
    fleet.configure(&format!("[defaults]\nrestart = \"on-failure\"\n{longer}"));
    check("reload", Means::Reload, None);
}

#[test]
fn who_is_taken_down_by_the_fall_of_what_it_needs_has_that_for_its_cause() {
    let needs = "depends_on = [\"db\"]\n[services.db]\ncommand = \"sleep 600\"\n";
    let fleet = Fleet::new(&format!("{STAYING}{needs}"));
    python(&fleet, "api", STAYS);
    fleet.run("up").expect(0);
    let pid = fleet.service("api").pid;
    kill(Pid::from_raw(fleet.pid("db")), Signal::SIGKILL).unwrap();
    let end = last_end(&fleet, "api", |end| end.pid == pid);
    let by = end.by.clone().unwrap_or_else(|| panic!("{end:?}"));
    assert_eq!((end.class, by.means, by.what.as_deref()), (Class::Dependency, Means::Dependency, Some("db")));
    let told = end.detail.unwrap_or_default();
    assert!(told.starts_with("`db` ended: was ended by SIGKILL"), "{told}");
}

#[test]
#[cfg(target_os = "linux")]
fn a_signal_from_outside_is_told_from_a_death_for_memory() {
    let fleet = Fleet::new(STAYING);
    python(&fleet, "api", STAYS);
    fleet.run("up").expect(0);
    let pid = fleet.pid("api");
    kill(Pid::from_raw(pid), Signal::SIGKILL).unwrap();
    let end = last_end(&fleet, "api", |end| end.pid.is_some_and(|it| it.as_raw() == pid));
    assert_eq!((end.class, end.by), (Class::ForeignSignal, None));
    assert!(end.detail.unwrap().contains("memory"), "whether it was for memory is said");
}

/// A cgroup of version 1 or 2 with little memory, where this user may make one.
struct LittleMemory(PathBuf);

impl LittleMemory {
    fn make(bytes: u64) -> Option<Self> {
        let name = format!("procman-test-{}", std::process::id());
        for (root, limit) in
            [("/sys/fs/cgroup/memory", "memory.limit_in_bytes"), ("/sys/fs/cgroup", "memory.max")]
        {
            let path = Path::new(root).join(&name);
            if fs::create_dir(&path).is_ok() {
                if fs::write(path.join(limit), bytes.to_string()).is_ok() {
                    let _ = fs::write(path.join("memory.swap.max"), "0");
                    return Some(Self(path));
                }
                let _ = fs::remove_dir(&path);
            }
        }
        println!("SKIPPED: no cgroup with a memory limit can be made here");
        None
    }
}

impl Drop for LittleMemory {
    fn drop(&mut self) {
        let path = self.0.clone();
        wait_until("the cgroup is empty", || fs::remove_dir(&path).is_ok().then_some(()));
    }
}

#[test]
#[cfg(target_os = "linux")]
fn a_death_by_the_kernel_for_memory_is_told() {
    let Some(little) = LittleMemory::make(60_000_000) else { return };
    let fleet =
        Fleet::new(&STAYING.replace("20ms\"", "20ms\"\nbackoff = { initial = \"10m\", max = \"10m\" }"));
    let join = format!("open('{}/cgroup.procs', 'w').write('0')\n", little.0.display());
    python(
        &fleet,
        "api",
        &format!("import os, time\n{join}kept = []\nwhile True:\n    kept.append(os.urandom(1_000_000))\n"),
    );
    fleet.run("up --no-wait").expect(0);
    let end = last_end(&fleet, "api", |_| true);
    assert_eq!(
        (end.class, end.exit),
        (Class::OutOfMemory, Some(Outcome::Signal(procman::vocab::signal::Signal::KILL))),
        "{end:?}"
    );
    fleet.run("down").expect(0);
}

#[test]
fn a_heartbeat_that_stops_is_the_cause_that_is_told() {
    let keys = "health = { heartbeat = \"beat\", interval = \"400ms\", timeout = \"200ms\" }\n";
    let fleet = Fleet::new(&format!("{STAYING}{keys}"));
    let beat = "import os, pathlib, time\n\
                while not os.path.exists('stop'):\n    pathlib.Path('beat').touch()\n    time.sleep(0.02)\ntime.sleep(600)\n";
    python(&fleet, "api", beat);
    fleet.run("up").expect(0);
    let pid = fleet.pid("api");
    fs::write(fleet.path().join("stop"), "").unwrap();
    let end = last_end(&fleet, "api", |end| end.pid.is_some_and(|it| it.as_raw() == pid));
    assert_eq!((end.class, end.by.map(|by| by.means)), (Class::FailedCheck, Some(Means::Health)));
    assert!(end.detail.unwrap().contains("beat was not touched for more than 600ms"));
}

#[test]
fn a_run_that_was_replaced_for_its_age_and_one_that_was_to_replace_it_and_was_not_ready_have_causes() {
    let fleet = Fleet::new(&format!("{STAYING}max_age = \"2s\"\n"));
    python(&fleet, "api", STAYS);
    fleet.run("up").expect(0);
    let pid = fleet.pid("api");
    let end = last_end(&fleet, "api", |end| end.pid.is_some_and(|it| it.as_raw() == pid));
    assert_eq!((end.class, end.by.map(|by| by.means)), (Class::Operator, Some(Means::Renewal)));
    assert!(end.detail.unwrap().ends_with("max_age is 2.0s"));
    fleet.configure(&STAYING.replace("20ms", "1h"));
    fleet.run("reload").expect(0);
    fleet.run("restart api --rolling --timeout 300ms").expect(1);
    let end = last_end(&fleet, "api", |end| end.class == Class::FailedCheck);
    assert!(end.detail.unwrap().starts_with("the new run did not become ready within 300ms"));
}

#[test]
fn records_outlive_upgrades_deaths_and_down_and_what_nobody_saw_is_called_unknown() {
    let fleet = Fleet::new(STAYING);
    python(&fleet, "api", STAYS);
    assert!(fleet.run("why api").expect(0).stdout.contains("no end of a run is recorded"));
    fleet.run("up").expect(0);
    fleet.run("restart api").expect(0);
    fleet.run("upgrade").expect(0);
    fleet.run("restart api").expect(0);
    let pid = fleet.pid("api");
    fleet.behead();
    kill(Pid::from_raw(pid), Signal::SIGKILL).unwrap();
    fleet.run("up").expect(0);
    let end = last_end(&fleet, "api", |end| end.pid.is_some_and(|it| it.as_raw() == pid));
    assert_eq!((end.class, end.exit), (Class::Unknown, Some(Outcome::Unknown)));
    fleet.run("down").expect(0);
    let classes: Vec<Class> = history(&fleet, "api").iter().map(|end| end.class).collect();
    assert_eq!(classes, [Class::Operator, Class::Operator, Class::Unknown, Class::Operator]);
    let last = why(&fleet, "api");
    assert!(!last.supervised);
    assert_eq!(last.last.unwrap().by.unwrap().means, Means::Shutdown);
    assert!(fleet.run("why api").expect(0).stdout.starts_with("api: no supervisor is running"));
    let table = fleet.run("history api -n 1").expect(0).stdout;
    assert_eq!(table.lines().count(), 2, "{table}");
    fleet.configure("[services.web]\ncommand = \"{puppet} stay\"\n");
    assert_eq!(history(&fleet, "api").len(), 4, "also of a service that has gone");
    fleet.run("history nobody").expect(2);
}

#[test]
fn earlier_ends_that_look_the_same_are_counted() {
    let fleet =
        Fleet::new(&format!("{SLOW}backoff = {{ initial = \"1ms\", max = \"10ms\", max_retries = 3 }}\n"));
    python(&fleet, "api", "import os\nraise ValueError(f'{os.getpid()} is no good')\n");
    fleet.run("up --no-wait").expect(0);
    fleet.wait_for_state("api", State::Fatal);
    let counts: Vec<u64> = history(&fleet, "api").iter().map(|end| end.alike).collect();
    assert_eq!(counts, [0, 1, 2, 3]);
    assert!(fleet.run("why api").expect(0).stdout.contains("3 earlier ends look the same"));
}

/// Every one of these ends comes before this service is up.
const SLOW: &str = "[services.api]\ncommand = \"python3 api.py\"\nmin_uptime = \"3s\"\n";

/// No retry of this service comes in the time of a test.
const PATIENT: &str = "backoff = { initial = \"10m\", max = \"10m\" }\n";

fn starts_when_mended(broken: &str, expected: &str, mend: impl Fn(&Fleet)) {
    let fleet = Fleet::new(&format!("{SLOW}{PATIENT}"));
    python(&fleet, "api", broken);
    let begun = Instant::now();
    fleet.run("up --timeout 2m").expect(1).says(&[expected, "waits for"]);
    assert!(begun.elapsed() < Duration::from_secs(100), "nobody waits for what does not come by itself");
    let seen = fleet.service("api");
    assert_eq!(seen.state, State::Backoff);
    mend(&fleet);
    let seen = fleet.wait_for_state("api", State::Running);
    assert_eq!(seen.restarts, 1);
}

#[test]
fn a_program_with_a_syntax_error_waits_until_its_file_changes() {
    starts_when_mended("def main(:\n", "api.py` to change", |fleet| python(fleet, "api", STAYS));
}

#[test]
fn a_program_that_misses_a_module_waits_until_a_program_file_changes() {
    let broken = format!("import helper\n{STAYS}");
    starts_when_mended(&broken, "a program file in", |fleet| {
        fs::write(fleet.path().join("notes.txt"), "").unwrap();
        python(fleet, "helper", "");
    });
}

#[test]
fn restarts_by_cause_can_be_switched_off() {
    let backoff =
        "backoff = { initial = \"1ms\", max = \"5ms\", max_retries = 2 }\nrestart_by_cause = false\n";
    let fleet = Fleet::new(&format!("{SLOW}{backoff}"));
    python(&fleet, "api", "import nowhere\n");
    fleet.run("up --no-wait").expect(0);
    fleet.wait_for_state("api", State::Fatal);
    assert_eq!(why(&fleet, "api").last.unwrap().class, Class::ImportError);
}
