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
