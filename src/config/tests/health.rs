use std::time::Duration;

use super::{load_service, load_text};
use crate::spec::health::{Aspect, Budget, Check, Health, OnUnhealthy};

fn checks(body: &str) -> (Option<Health>, Option<Health>) {
    let service = load_service(&format!("command = \"sh\"\ndirectory = \"backend\"\nport = 8001\n{body}"));
    (service.health(Aspect::Ready).cloned(), service.health(Aspect::Alive).cloned())
}

#[test]
fn health_is_for_both_aspects_and_ready_and_live_for_one_each() {
    let (ready, live) = checks("health = { http = \"/\" }");
    assert!(ready.is_some() && ready == live);
    let (ready, live) = checks("ready = { tcp = true }\nlive = { exec = \"true\", interval = \"1m\" }");
    assert!(matches!(ready.unwrap().check, Check::Tcp { .. }));
    let live = live.unwrap();
    assert!(matches!(&live.check, Check::Exec(command) if command.program() == "true"));
    assert_eq!(live.interval, Duration::from_secs(60));
    assert!(checks("live = { tcp = true }").0.is_none());
}

#[test]
fn what_stays_good_once_it_was_is_asked_of_a_start_only() {
    for body in ["health = { log = \"^ready\" }", "health = { notify = true }"] {
        let (ready, live) = checks(body);
        assert!(ready.is_some() && live.is_none(), "{body}");
    }
    let (ready, live) = checks("health = { notify = true, watchdog = \"3s\" }");
    assert_eq!(ready.unwrap().check, Check::Notify { watchdog: Some(Duration::from_secs(3)) });
    assert!(live.is_some());
}

#[test]
fn a_request_has_statuses_a_body_and_header_fields() {
    let (ready, _) = checks(
        "health = { http = \"/\", status = [200, \"300-302\"], body = \"up|well\", headers = { X-Token = \"${WHO}\" } }",
    );
    let Check::Http(http) = ready.unwrap().check else { panic!("it is no request") };
    assert_eq!(http.statuses, [200..=200, 300..=302]);
    assert!(http.body.unwrap().is_in(b"all is well"));
    assert_eq!(http.headers, [("X-Token".to_owned(), "me".to_owned())]);
}

#[test]
fn a_heartbeat_lies_in_the_services_directory_and_may_be_as_old_as_interval_and_timeout() {
    let (ready, live) = checks("health = { heartbeat = \"./beat\", interval = \"3s\", timeout = \"1s\" }");
    let live = live.unwrap();
    let Check::Heartbeat { file, age_max } = &live.check else { panic!("it is no heartbeat") };
    assert!(file.is_absolute() && file.to_string_lossy().ends_with("/backend/beat"));
    assert_eq!(*age_max, Duration::from_secs(4));
    assert_eq!((live.retries, ready.unwrap().retries), (1, 1));
    let (_, live) = checks("health = { heartbeat = \"/tmp/beat\", max_age = \"1m\", retries = 2 }");
    let age_max = Duration::from_secs(60);
    assert_eq!(live.unwrap().check, Check::Heartbeat { file: "/tmp/beat".into(), age_max });
}

#[test]
fn what_is_done_about_an_unhealthy_service_depends_on_what_it_is_told_to() {
    let of = |body: &str| checks(body).1.unwrap().on_unhealthy;
    assert_eq!(of("health = { tcp = true }"), OnUnhealthy::Report);
    assert_eq!(of("live = { tcp = true }"), OnUnhealthy::Restart(Budget::default()));
    assert_eq!(of("health = { heartbeat = \"x\" }"), OnUnhealthy::Restart(Budget::default()));
    assert_eq!(of("health = { notify = true, watchdog = \"1s\" }"), OnUnhealthy::Restart(Budget::default()));
    assert_eq!(of("health = { heartbeat = \"x\", on_unhealthy = \"stop\" }"), OnUnhealthy::Stop);
    let budget = Budget { restarts_max: 2, within: Duration::from_secs(3600) };
    let said = "on_unhealthy = \"restart\", max_restarts = 2, within = \"1h\"";
    assert_eq!(of(&format!("health = {{ tcp = true, {said} }}")), OnUnhealthy::Restart(budget));
}

#[test]
fn a_check_that_cannot_be_is_refused_with_a_way_out() {
    let bad = [
        ("health = { http = \"/\" }\nlive = { tcp = true }", "keep `health`"),
        ("health = { http = \"/\", tcp = true }", "a table has one check"),
        ("health = { tcp = true, body = \"x\" }", "`body` goes with `http`, not with `tcp`"),
        ("health = { http = \"/\", max_age = \"1s\" }", "`max_age` goes with `heartbeat`, not with `http`"),
        ("health = { http = \"/\", status = 99 }", "expected a status of HTTP, found"),
        ("health = { http = \"/\", status = \"300-200\" }", "expected a status of HTTP, found `300-200`"),
        ("health = { http = \"/\", body = \"(\" }", "this is not a regular expression"),
        (
            "health = { http = \"/\", headers = { \"a b\" = \"c\" } }",
            "`a b` is not the name of a header field",
        ),
        ("health = { http = \"/\", headers = { A = \"b\\nc\" } }", "holds no line breaks"),
        ("health = { exec = \"no-such-program x\" }", "there is no program `no-such-program`"),
        ("health = { exec = \"\" }", "this command is empty"),
        ("health = { notify = false }", "this checks nothing"),
        ("health = { heartbeat = \"x\", max_age = \"0s\" }", "longer than nothing"),
        ("live = { log = \"ready\" }", "a line that was written stays written"),
        ("live = { notify = true }", "add `watchdog = "),
        ("health = { tcp = true, on_unhealthy = \"pray\" }", "`pray` is nothing that can be done"),
        ("health = { tcp = true, max_restarts = 3 }", "nothing is restarted here"),
        ("health = { tcp = true, retires = 3 }", "did you mean `retries`?"),
        ("health = { http2 = \"/\", port = 8001 }", "this checks nothing"),
        ("ready = { tcp = true, successes = 0 }", "0 is out of range"),
    ];
    for (line, what) in bad {
        let body = format!("[services.api]\ncommand = \"sh\"\nport = 8001\n{line}\n");
        let text = load_text(&body).expect_err(line).to_string();
        assert!(text.contains(what), "{line}: {text}");
    }
}
