//! Services that start at the times of a schedule, runs that grow too old, and limits of starts.

use procman::vocab::state::{Goal, State};

use crate::harness::{Fleet, wait_until};

impl Fleet {
    /// How often a job has noted that it ran.
    fn runs(&self) -> usize {
        self.read("ran").lines().count()
    }
}

#[test]
fn a_scheduled_service_runs_at_its_times_and_rests_between_them() {
    let fleet = Fleet::new(
        "[services.job]\ncommand = [\"sh\", \"-c\", \"echo x >> ran\"]\nschedule = \"* * * * * *\"\n\
         [services.nightly]\ncommand = [\"sh\", \"-c\", \"echo x >> night\"]\n\
         schedule = { cron = \"0 3 1 1 *\", timezone = \"Asia/Kolkata\" }\n",
    );
    fleet.run("up").expect(0);
    wait_until("it has run three times", || (fleet.runs() >= 3).then_some(()));
    fleet.run("stop job").expect(0);
    let stopped = fleet.runs();
    let nightly = fleet.service("nightly");
    let plan = nightly.schedule.clone().unwrap();
    assert_eq!((nightly.state, nightly.goal, nightly.is_as_wanted()), (State::Stopped, Goal::Up, true));
    assert!(plan.next.as_ref().unwrap().ends_with("-01-01 03:00:00 +05:30"), "{plan:?}");
    let status = fleet.run("status").expect(0).stdout;
    assert!(status.contains(&format!("nightly: starts next at {}", plan.next.unwrap())), "{status}");
    // By hand it runs at once, and a supervisor that takes over knows its next time.
    fleet.run("start nightly").expect(0);
    assert_eq!(fleet.read("night"), "x\n");
    fleet.run("up nightly").expect(0);
    assert_eq!(fleet.service("nightly").state, State::Exited);
    fleet.run("upgrade").expect(0);
    let after = fleet.service("nightly");
    assert_eq!((after.state, after.schedule.unwrap().next_unix_ms), (State::Exited, plan.next_unix_ms));
    assert_eq!((fleet.runs(), fleet.read("night").as_str()), (stopped, "x\n"), "who is stopped stays so");
}

#[test]
fn a_scheduled_service_that_fails_is_shown_so_until_it_succeeds() {
    let fleet = Fleet::new(
        "[services.job]\ncommand = [\"sh\", \"-c\", \"test -f good || { echo no disk >&2; exit 4; }\"]\n\
         schedule = \"*/2 * * * * *\"\n",
    );
    fleet.run("up").expect(0);
    let failed = wait_until("it has failed", || Some(fleet.service("job")).filter(|it| it.exit.is_some()));
    assert!(!failed.is_as_wanted() || failed.state == State::Starting, "{failed:?}");
    let failed = fleet.wait_for_state("job", State::Exited);
    assert!(failed.reason.unwrap().contains("exited with code 4"), "the failure is said");
    fleet.run("status").expect(3);
    std::fs::write(fleet.path().join("good"), "").unwrap();
    wait_until("it has succeeded", || {
        let job = fleet.service("job");
        (job.state == State::Exited && job.reason.is_none()).then_some(())
    });
    fleet.run("status").expect(0);
}

#[test]
fn check_tells_the_next_times_of_each_schedule() {
    let fleet = Fleet::new(
        "[services.job]\ncommand = \"true\"\nschedule = { cron = \"30 4 * * *\", timezone = \"UTC\" }\n",
    );
    let told = fleet.run("check").expect(0).stdout;
    assert!(told.contains("ok: `job` starts at "), "{told}");
    assert_eq!(told.matches(" 04:30:00 +00:00").count(), 3, "{told}");
}

#[test]
fn a_run_that_is_too_old_is_replaced_with_a_reason_and_a_limit_of_starts_ends_that() {
    let fleet = Fleet::new(
        "[services.api]\ncommand = \"{puppet} ignore-term stay\"\nmin_uptime = \"20ms\"\nmax_age = \"700ms\"\n\
         stop_timeout = \"300ms\"\nstart_limit = { starts = 2, within = \"10m\" }\npost_stop = \"true\"\n",
    );
    fleet.run("up").expect(0);
    let reason = wait_until("it is restarted", || {
        fleet.service("api").reason.filter(|reason| reason.starts_with("is restarted"))
    });
    assert!(reason.contains("and max_age is 700ms"), "{reason}");
    let api = fleet.wait_for_state("api", State::Fatal);
    let reason = api.reason.unwrap();
    assert!(reason.contains("was started 2 times within 10m 00s, which start_limit allows"), "{reason}");
    fleet.run("start api").expect(0);
}
