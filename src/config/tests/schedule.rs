use super::{load_service, load_text};
use crate::spec::age::MaxAge;
use crate::spec::policy::{RestartPolicy, StartLimit};
use crate::spec::schedule::{Missed, Overlap, Task};
use std::time::Duration;

#[test]
fn a_schedule_is_a_cron_expression_or_a_table_and_its_runs_are_to_end() {
    let plain = load_service("command = \"sh\"\nschedule = \"0 3 * * *\"");
    let schedule = plain.schedule.as_ref().unwrap();
    assert_eq!((schedule.task, schedule.missed), (Task::Start(Overlap::Skip), Missed::Run));
    assert!(plain.is_job());
    assert_eq!(plain.restart, RestartPolicy::Never);
    let full = load_service(
        "command = \"sh\"\nrestart = \"on-failure\"\n\
         schedule = { cron = \"*/5 * * * * *\", timezone = \"Europe/Berlin\", overlap = \"queue\", missed = \"skip\" }",
    );
    let schedule = full.schedule.as_ref().unwrap();
    assert_eq!((schedule.task, schedule.missed), (Task::Start(Overlap::Queue), Missed::Skip));
    assert_eq!(schedule.shown(5_000), "1970-01-01 01:00:05 +01:00");
    assert_eq!(full.restart, RestartPolicy::OnFailure);
    let nightly = load_service("command = \"sh\"\nschedule = { cron = \"@daily\", action = \"restart\" }");
    assert_eq!(nightly.schedule.as_ref().unwrap().task, Task::Restart);
    assert_eq!((nightly.restart, nightly.is_job()), (RestartPolicy::Always, false));
}

#[test]
fn defaults_that_always_start_again_do_not_hold_for_what_a_schedule_starts() {
    let job = load_service("command = \"sh\"\nschedule = \"@daily\"\n[defaults]\nrestart = \"always\"");
    assert_eq!(job.restart, RestartPolicy::Never);
    let job = load_service("command = \"sh\"\nschedule = \"@daily\"\n[defaults]\nrestart = \"on-failure\"");
    assert_eq!(job.restart, RestartPolicy::OnFailure);
}

#[test]
fn ages_starts_and_jitter_are_read_with_shares_in_percent_or_plain() {
    let service = load_service(
        "command = \"sh\"\nmax_age = { age = \"24h\", variance = \"10%\" }\n\
         start_limit = { starts = 5, within = \"10m\" }\nbackoff = { jitter = 0.25 }",
    );
    assert_eq!(service.max_age, Some(MaxAge { age: Duration::from_secs(86_400), variance: 0.1 }));
    assert_eq!(service.start_limit, Some(StartLimit { starts: 5, within: Duration::from_secs(600) }));
    assert!((service.backoff.jitter - 0.25).abs() < 1e-9);
    let age = load_service("command = \"sh\"\nmax_age = \"1h\"").max_age;
    assert_eq!(age, Some(MaxAge { age: Duration::from_secs(3600), variance: 0.0 }));
}

#[test]
fn times_that_cannot_be_are_refused_with_their_reason() {
    let bad = [
        ("schedule = 3", "expected a string, found an integer"),
        ("schedule = \"daily\"", "this is not a cron expression"),
        ("schedule = \"0 3 * *\"", "this is not a cron expression"),
        ("schedule = \"61 3 * * *\"", "this is not a cron expression"),
        ("schedule = \"0 0 30 2 *\"", "no time ever fits"),
        ("schedule = { timezone = \"UTC\" }", "this schedule has no times"),
        ("schedule = { cron = \"@daily\", timezone = \"Mars/Base\" }", "no time zone `Mars/Base`"),
        ("schedule = { cron = \"@daily\", overlap = \"both\" }", "`both` is no way to overlap"),
        ("schedule = { cron = \"@daily\", action = \"stop\" }", "`stop` is nothing that a schedule does"),
        (
            "schedule = { cron = \"@daily\", action = \"restart\", overlap = \"skip\" }",
            "overlaps with nothing",
        ),
        ("schedule = { cron = \"@daily\", missed = \"x\" }", "`x` is not what can become of a missed time"),
        ("schedule = \"@daily\"\nrestart = \"always\"", "would always be started again"),
        ("max_age = \"0s\"", "longer than nothing"),
        ("max_age = { age = \"1h\", variance = \"100%\" }", "no time at all"),
        ("max_age = { variance = 0.1 }", "this says no age"),
        ("start_limit = { starts = 3 }", "how often within how long"),
        ("start_limit = { starts = 0, within = \"1m\" }", "0 is out of range"),
        ("backoff = { jitter = 2 }", "200% is more than the whole"),
        ("backoff = { jitter = \"much\" }", "expected a share, found `much`"),
    ];
    for (line, what) in bad {
        let problems = load_text(&format!("[services.api]\ncommand = \"sh\"\n{line}\n")).expect_err(line);
        let text = problems.to_string();
        assert!(text.contains(what), "{line}: {text}");
    }
}
