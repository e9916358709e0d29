//! What a run that is up is looked after by, beyond its checks.

use procman::vocab::state::State;

use crate::harness::{Fleet, wait_until};

#[test]
fn a_service_that_uses_more_memory_than_it_may_has_failed_and_the_cause_is_said() {
    let fleet = Fleet::new(
        "[services.api]\ncommand = \"{puppet} child setsid hold-mb 80 stay\"\nmin_uptime = \"50ms\"\n\
         limits = { memory = \"40MB\" }\nbackoff = { max_retries = 0 }\n\
         [services.modest]\ncommand = \"{puppet} hold-mb 20 stay\"\nlimits = { memory = \"200MB\" }\n",
    );
    fleet.run("up --no-wait").expect(0);
    let api = fleet.wait_for_state("api", State::Fatal);
    let reason = api.reason.unwrap();
    assert!(reason.contains("more than limits.memory = 40"), "{reason}");
    assert!(reason.starts_with("used 8"), "{reason}");
    let modest = fleet.service("modest");
    assert_eq!((modest.state, modest.restarts), (State::Running, 0));
}

#[test]
fn the_kernels_limits_hold_for_a_service_and_its_hooks_and_a_new_one_needs_a_new_run() {
    let config = |files: u32| {
        format!(
            "[services.api]\ncommand = [\"sh\", \"-c\", \"ulimit -n; ulimit -c; exec sleep 600\"]\nmin_uptime = \"50ms\"\n\
             limits = {{ open_files = {files}, core = \"0B\" }}\npre_start = [\"sh\", \"-c\", \"echo hook $(ulimit -n)\"]\n"
        )
    };
    let fleet = Fleet::new(&config(123));
    fleet.run("up").expect(0);
    let log = "logs/api.out.log";
    wait_until("its limits are told", || (fleet.read(log) == "hook 123\n123\n0\n").then_some(()));
    fleet.configure(&config(99));
    let told = fleet.run("reload").expect(0);
    assert!(told.stdout.contains("limits changed (is restarted)"), "{}{}", told.stdout, told.stderr);
    wait_until("its new limits are told", || fleet.read(log).ends_with("hook 99\n99\n0\n").then_some(()));
}

/// What the kernel holds the service's run to; none where its cgroup has no cpu controller.
fn cpu_max(fleet: &Fleet) -> Option<String> {
    let runs = std::fs::read_dir(fleet.status().supervisor.cgroups?).unwrap().flatten();
    let run = runs.map(|it| it.path()).find(|path| path.to_string_lossy().ends_with("-api"))?;
    std::fs::read_to_string(run.join("cpu.max")).ok()
}

fn with_share(cpu: &str) -> String {
    format!("[services.api]\ncommand = \"{{puppet}} stay\"\nmin_uptime = \"20ms\"\nlimits = {{ {cpu} }}\n")
}

/// Asserts that a run is held to this, or that it is said that it is not.
fn check_share(fleet: &Fleet, held: &str) {
    let notes = fleet.service("api").notes;
    let is_noted = notes.iter().any(|note| note.starts_with("is not held to limits.cpu"));
    match cpu_max(fleet) {
        Some(told) => assert_eq!((told.trim(), is_noted), (held, false)),
        None => assert_eq!(is_noted, !held.starts_with("max ")),
    }
}

#[test]
fn a_share_of_the_processors_is_kept_to_or_it_is_said_that_it_is_not() {
    let fleet = Fleet::new(&with_share("cpu = 1.5"));
    fleet.run("up").expect(0);
    let pid = fleet.pid("api");
    check_share(&fleet, "150000 100000");
    assert!(cpu_max(&fleet).is_some() || fleet.run("status").expect(0).stdout.contains("limits.cpu"));
    fleet.configure(&with_share("cpu = \"25%\""));
    let told = fleet.run("reload").expect(0);
    assert!(told.stdout.contains("limits changed (applies as it runs)"), "{}", told.stdout);
    check_share(&fleet, "25000 100000");
    fleet.configure(&with_share(""));
    fleet.run("reload").expect(0);
    check_share(&fleet, "max 100000");
    assert_eq!(fleet.pid("api"), pid);
}

/// Where there is no cpu controller, it is seen by what is said alone.
#[test]
fn a_share_that_changes_while_nobody_is_in_charge_holds_for_a_run_that_is_taken_over() {
    let fleet = Fleet::new(&with_share("cpu = 1.5"));
    fleet.run("up").expect(0);
    let pid = fleet.pid("api");
    for (cpu, held) in [("cpu = \"25%\"", "25000 100000"), ("", "max 100000")] {
        fleet.behead();
        fleet.configure(&with_share(cpu));
        fleet.run("up").expect(0);
        check_share(&fleet, held);
        assert_eq!(fleet.pid("api"), pid);
    }
}

/// A service that is ready at once, and watches files of its directory.
const WATCHING: &str = "[services.api]\ncommand = \"{puppet} stay\"\nmin_uptime = \"20ms\"\n\
                        watch = { paths = [\"src/**/*.py\"], ignore = [\"**/test_*\"], debounce = \"50ms\" }\n";

#[test]
fn a_change_of_a_watched_file_starts_a_service_again_and_of_no_other() {
    let fleet = Fleet::new(WATCHING);
    let src = fleet.path().join("src");
    std::fs::create_dir_all(src.join("generated")).unwrap();
    std::fs::write(src.join(".gitignore"), "generated/\n").unwrap();
    fleet.run("up").expect(0);
    let first = fleet.pid("api");
    for ignored in ["generated/a.py", "test_a.py", "a.txt"] {
        std::fs::write(src.join(ignored), "1").unwrap();
    }
    std::fs::write(src.join("main.py"), "1").unwrap();
    wait_until("it has another process", || fleet.service("api").pid.filter(|pid| pid.as_raw() != first));
    let log = std::fs::read_to_string(&fleet.paths().supervisor_log).unwrap();
    assert_eq!(log.matches("a watched file changed").count(), 1, "{log}");
    assert!(log.contains("src/main.py"), "{log}");
    // A directory that is made later is watched as well, and a service that is stopped stays so.
    let second = fleet.wait_for_state("api", State::Running).pid;
    std::fs::create_dir(src.join("deep")).unwrap();
    wait_until("a change in it is seen", || {
        std::fs::write(src.join("deep/b.py"), "1").unwrap();
        (fleet.service("api").pid.is_some_and(|pid| Some(pid) != second)).then_some(())
    });
    fleet.run("stop api").expect(0);
    let seen = || {
        let log = std::fs::read_to_string(&fleet.paths().supervisor_log).unwrap();
        log.matches("a watched file changed").count()
    };
    let before = seen();
    std::fs::write(src.join("main.py"), "2").unwrap();
    wait_until("the change is seen", || (seen() > before).then_some(()));
    assert_eq!(fleet.service("api").state, State::Stopped);
}

#[test]
fn a_service_that_changes_its_own_files_is_not_started_again_for_ever() {
    let fleet = Fleet::new(&WATCHING.replace("stay", "touch src/self.py stay"));
    std::fs::create_dir(fleet.path().join("src")).unwrap();
    fleet.run("up --no-wait").expect(0);
    let reason = wait_until("it is left alone", || {
        fleet.service("api").reason.filter(|reason| reason.contains("not watched"))
    });
    assert!(reason.contains("started again 5 times within 10s, at last for src/self.py"), "{reason}");
    assert_eq!(fleet.service("api").state, State::Running);
}

#[test]
fn replicas_that_scaling_makes_watch_files_as_the_first_does() {
    let fleet = Fleet::new(WATCHING);
    std::fs::create_dir_all(fleet.path().join("src")).unwrap();
    fleet.run("up").expect(0);
    fleet.run("scale api=2").expect(0);
    let pids = || ["api", "api-2"].map(|name| fleet.service(name).pid);
    let before = pids();
    std::fs::write(fleet.path().join("src/main.py"), "1").unwrap();
    wait_until("both have another process", || {
        let after = pids();
        let is_new = |(old, new): (&Option<_>, &Option<_>)| new.is_some() && old != new;
        before.iter().zip(&after).all(is_new).then_some(())
    });
}
