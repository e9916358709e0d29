use std::fs;
use std::time::Duration;

use super::environment::Environment;
use super::load::load;
use super::problem::Problems;
use crate::spec::fleet::Fleet;
use crate::spec::graph::{Condition, Need};
use crate::spec::health::Check;
use crate::spec::policy::RestartPolicy;
use crate::spec::service::Service;
use crate::vocab::name::ServiceName;
use crate::vocab::port::{Endpoint, Port};
use crate::vocab::signal::Signal;

mod bad_input;
mod expansion;
mod health;
mod hold;
mod output_events;
mod replicas;
mod schedule;
mod targets;

fn load_text(text: &str) -> Result<Fleet, Problems> {
    let dir = tempfile::tempdir().unwrap();
    let root = dir.path().canonicalize().unwrap();
    fs::create_dir(root.join("backend")).unwrap();
    fs::write(root.join("a.env"), "FROM_FILE=1\nBOTH=file\n").unwrap();
    fs::write(root.join("b.env"), "URL=http://${HOST:-localhost}/${FROM_FILE}/${WHO}\nPASSWORD=pa$word\n")
        .unwrap();
    fs::write(root.join("bad.env"), "A=1\nsecret\n").unwrap();
    fs::write(root.join("file"), "").unwrap();
    let path = root.join("services.toml");
    fs::write(&path, text).unwrap();
    let environment = [("PATH", "/usr/bin:/bin"), ("WHO", "me")].map(|(k, v)| (k.to_owned(), v.to_owned()));
    load(&path, &environment.into_iter().collect::<Environment>())
}

/// The one service of a file that has no problem.
fn load_service(body: &str) -> std::sync::Arc<Service> {
    let fleet =
        load_text(&format!("[services.api]\n{body}\n")).map_err(|problems| problems.to_string()).unwrap();
    fleet.services().values().next().unwrap().clone()
}

/// A file must give exactly these problems, each with its line and, in order, these pieces of what it says.
fn check(text: &str, expected: &[(usize, &[&str])]) {
    let problems = load_text(text).expect_err(text);
    let placed = problems.placed();
    let found: Vec<String> =
        placed.iter().map(|it| format!("{}: {} | {:?}", it.line.unwrap_or(0), it.what, it.hint)).collect();
    assert_eq!(found.len(), expected.len(), "{text}\n{}", found.join("\n"));
    for ((line, pieces), found) in expected.iter().zip(&found) {
        assert!(found.starts_with(&format!("{line}: ")), "line {line} of\n{text}\n{found}");
        assert!(!found.ends_with("None"), "every problem has a way out: {found}");
        for piece in *pieces {
            assert!(found.contains(piece), "`{piece}` is not in {found}");
        }
    }
    let rendered = problems.to_string();
    assert!(rendered.contains("nothing was touched"), "{rendered}");
}

/// The same for a service's body, whose first line is line 2.
fn check_service(body: &str, expected: &[(usize, &[&str])]) {
    check(&format!("[services.api]\n{body}\n"), expected);
}

#[test]
fn who_runs_as_a_user_has_the_variables_of_a_login_unless_the_service_says_otherwise() {
    let own = nix::unistd::User::from_uid(nix::unistd::geteuid()).unwrap().unwrap();
    let variables = |more: &str| {
        let service = load_service(&format!("command = \"sh\"\nuser = \"{}\"\n{more}", own.name));
        service.user.as_ref().unwrap().variables()
    };
    let home = own.dir.display().to_string();
    assert_eq!(variables("")[..2], [("HOME", home), ("USER", own.name.clone())]);
    assert_eq!(variables("set_login_environment = true"), variables(""));
    assert_eq!(variables("set_login_environment = false"), []);
}

#[test]
fn a_full_file_becomes_the_fleet_it_describes() {
    let fleet = load_text(
        r#"
        [supervisor]
        log_dir = "var/log"
        allowed_ports = [5000, 80]
        [emergency]
        also_kill = ["*/backend/*.py"]
        [defaults]
        stop_timeout = "3s"
        env = { A = "default", B = "default" }
        [services.db]
        command = ["sh", "-c", "exit ${WHO}"]
        restart = "on-failure"
        [services.api]
        command = 'sh -c "echo a  b"'
        directory = "backend"
        ports = [5000, 80]
        env_file = "a.env"
        env = { B = "own", C = "${FROM_FILE}-${NO:-none}", BOTH = "env" }
        depends_on = { db = "completed" }
        health = { http = "/health?x=1", port = 80, interval = "1s", retries = 5 }
        backoff = { factor = 3, max_retries = 2 }
        stop_signal = "INT"
        umask = "027"
        group = "web"
        log = { max_size = "1MB", keep = 0 }
        "#,
    )
    .map_err(|problems| problems.to_string())
    .unwrap();
    let api = fleet.service(&ServiceName::parse("api").unwrap()).unwrap();
    assert_eq!(api.command.arguments(), ["-c", "echo a  b"]);
    assert!(api.directory.ends_with("backend"));
    assert_eq!(api.ports.iter().map(|port| port.port.number()).collect::<Vec<_>>(), [5000, 80]);
    let env: Vec<(&str, &str)> = api.env.iter().map(|(k, v)| (k.as_str(), v.as_str())).collect();
    assert_eq!(env, [("A", "default"), ("B", "own"), ("BOTH", "env"), ("C", "1-none"), ("FROM_FILE", "1")]);
    assert_eq!(api.depends_on.values().copied().collect::<Vec<_>>(), [Need::hard(Condition::Completed)]);
    let health = api.ready.as_ref().unwrap();
    assert_eq!(api.ready, api.live);
    let Check::Http(http) = &health.check else { panic!("{health:?}") };
    assert_eq!((http.port, http.path.as_str()), (Endpoint::tcp(Port::new(80).unwrap()), "/health?x=1"));
    assert_eq!((health.interval, health.retries), (Duration::from_secs(1), 5));
    assert_eq!((api.backoff.max_retries, api.stop.timeout), (2, Duration::from_secs(3)));
    assert_eq!((api.stop.signal, api.umask, api.restart), (Signal::INT, Some(0o027), RestartPolicy::Always));
    assert!(api.logs.stdout.ends_with("var/log/api.out.log"));
    assert_eq!((api.logs.rotation.size_max, api.logs.rotation.keep), (1_000_000, 0));
    let db = fleet.service(&ServiceName::parse("db").unwrap()).unwrap();
    assert_eq!(db.command.arguments(), ["-c", "exit me"]);
}

#[test]
fn a_dependency_is_hard_unless_it_says_that_it_is_not_required() {
    let check = |said: &str, expected: Need| {
        let text =
            format!("[services.a]\ncommand = \"sh\"\n[services.b]\ncommand = \"sh\"\ndepends_on = {said}\n");
        let fleet = load_text(&text).map_err(|problems| problems.to_string()).unwrap();
        let b = fleet.service(&ServiceName::parse("b").unwrap()).unwrap();
        assert_eq!(b.depends_on.values().copied().collect::<Vec<_>>(), [expected], "{said}");
    };
    check("[\"a\"]", Need::hard(Condition::Ready));
    check("{ a = \"started\" }", Need::hard(Condition::Started));
    check("{ a = { condition = \"completed\" } }", Need::hard(Condition::Completed));
    check("{ a = { required = \"false\" } }", Need::soft(Condition::Ready));
    check("{ a = { condition = \"started\", required = false } }", Need::soft(Condition::Started));
}

proptest::proptest! {
    #[test]
    fn no_text_makes_reading_fail_otherwise_than_by_problems(text in "\\PC{0,200}") {
        if let Err(problems) = load_text(&text) {
            proptest::prop_assert!(!problems.to_string().is_empty());
        }
    }

    #[test]
    fn a_file_with_any_byte_changed_is_read_or_refused(at in 0_usize..400, byte in 0_u8..128) {
        let good = include_str!("../../../services.toml");
        let mut bytes = good.as_bytes().to_vec();
        let at = at * good.len() / 400;
        bytes[at] = byte;
        if let Ok(text) = String::from_utf8(bytes) {
            if let Err(problems) = load_text(&text) {
                proptest::prop_assert!(!problems.list.is_empty());
            }
        }
    }
}

#[test]
fn a_share_of_the_processors_is_a_number_of_them_or_a_percentage_of_one() {
    let load = |limits: &str| load_service(&format!("command = \"sh\"\nlimits = {{ {limits} }}"));
    let of = |cpu: &str| load(&format!("cpu = {cpu}")).limits.cpu_millis;
    assert_eq!(["2", "1.5", "0.01", "\"150%\""].map(of), [2000, 1500, 10, 1500].map(Some));
    assert_eq!(load("").limits.cpu_millis, None);
}
