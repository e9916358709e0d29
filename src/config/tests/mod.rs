use std::fs;
use std::time::Duration;

use super::environment::Environment;
use super::load::load;
use super::problem::Problems;
use crate::spec::fleet::Fleet;
use crate::spec::graph::Condition;
use crate::spec::health::Check;
use crate::spec::policy::RestartPolicy;
use crate::vocab::name::ServiceName;
use crate::vocab::port::Port;
use crate::vocab::signal::Signal;

fn load_text(text: &str) -> Result<Fleet, Problems> {
    let dir = tempfile::tempdir().unwrap();
    let root = dir.path().canonicalize().unwrap();
    fs::create_dir(root.join("backend")).unwrap();
    fs::write(root.join("a.env"), "FROM_FILE=1\nBOTH=file\n").unwrap();
    fs::write(root.join("file"), "").unwrap();
    let path = root.join("services.toml");
    fs::write(&path, text).unwrap();
    let environment = [("PATH", "/usr/bin:/bin"), ("WHO", "me")].map(|(k, v)| (k.to_owned(), v.to_owned()));
    load(&path, &environment.into_iter().collect::<Environment>())
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
    assert_eq!(api.ports.iter().map(|port| port.number()).collect::<Vec<_>>(), [5000, 80]);
    let env: Vec<(&str, &str)> = api.env.iter().map(|(k, v)| (k.as_str(), v.as_str())).collect();
    assert_eq!(env, [("A", "default"), ("B", "own"), ("BOTH", "env"), ("C", "1-none"), ("FROM_FILE", "1")]);
    assert_eq!(api.depends_on.values().copied().collect::<Vec<_>>(), [Condition::Completed]);
    let health = api.health.as_ref().unwrap();
    assert_eq!(health.check, Check::Http { port: Port::new(80).unwrap(), path: "/health?x=1".to_owned() });
    assert_eq!((health.interval, health.retries), (Duration::from_secs(1), 5));
    assert_eq!((api.backoff.max_retries, api.stop.timeout), (2, Duration::from_secs(3)));
    assert_eq!((api.stop.signal, api.umask, api.restart), (Signal::INT, Some(0o027), RestartPolicy::Always));
    assert!(api.logs.stdout.ends_with("var/log/api.out.log"));
    assert_eq!((api.logs.rotation.size_max, api.logs.rotation.keep), (1_000_000, 0));
    let db = fleet.service(&ServiceName::parse("db").unwrap()).unwrap();
    assert_eq!(db.command.arguments(), ["-c", "exit me"]);
}

#[test]
fn every_problem_of_a_file_is_said_at_once_and_in_its_order() {
    check(
        "[supervisr]\n[services.api]\ncommand = 3\ncomand = \"x\"\nport = 70000\n[services.\"b d\"]\ncommand = \"sh\"\n",
        &[
            (1, &["unknown key `supervisr`", "did you mean `supervisor`?"]),
            (3, &["expected a string, found an integer", "in quotes"]),
            (4, &["unknown key `comand`", "did you mean `command`?"]),
            (5, &["70000 is out of range", "1 to 65535"]),
            (6, &["`b d` is not a service name"]),
        ],
    );
}

#[test]
fn a_file_that_is_not_toml_says_where() {
    check("[services.api\ncommand = \"sh\"\n", &[(1, &["cannot read this as TOML"])]);
    check("", &[(0, &["there are no services"])]);
    check("services = 3\n", &[(1, &["expected a table, found an integer"])]);
}

#[test]
fn ports_are_proven_over_the_whole_fleet() {
    let two = "[services.a]\ncommand = \"sh\"\nport = 8001\n[services.b]\ncommand = \"sh\"\nport = 8001\n";
    check(two, &[(6, &["`a` and `b` both declare port 8001", "a port of its own"])]);
    check_service(
        "command = \"sh\"\nport = 5000",
        &[(3, &["port 5000 is protected", "allowed_ports = [5000]"])],
    );
    check_service("command = \"sh\"\nport = 80", &[(3, &["port 80 is protected"])]);
    check_service("command = \"sh\"\nports = [8001, 8001]", &[(3, &["stands here twice"])]);
    check_service("command = \"sh\"\nport = 0", &[(3, &["0 is out of range"])]);
}

#[test]
fn dependencies_are_proven_over_the_whole_fleet() {
    check_service(
        "command = \"sh\"\ndepends_on = [\"apo\"]",
        &[(3, &["`apo`, which is not", "did you mean `api`?"])],
    );
    check_service("command = \"sh\"\ndepends_on = [\"api\"]", &[(3, &["in a circle: api -> api"])]);
    check_service("command = \"sh\"\ndepends_on = { api = \"up\" }", &[(3, &["`up` is not a condition"])]);
}

#[test]
fn what_is_not_on_the_machine_is_said() {
    check_service("command = \"no-such-program x\"", &[(2, &["no program `no-such-program` in PATH"])]);
    check_service("command = \"./file\"", &[(2, &["is not executable"])]);
    check_service("command = \"./nothing\"", &[(2, &["does not exist"])]);
    check_service("command = \"sh\"\ndirectory = \"nowhere\"", &[(3, &["nowhere does not exist"])]);
    check_service("command = \"sh\"\ndirectory = \"file\"", &[(3, &["is not a directory"])]);
    check_service("command = \"sh\"\nenv_file = \"no.env\"", &[(3, &["cannot read", "no.env"])]);
    check_service("command = \"sh\"\nuser = \"no-such-user\"", &[(3, &["there is no user `no-such-user`"])]);
}

#[test]
fn values_that_cannot_be_are_refused_with_a_way_out() {
    let bad = [
        ("stop_timeout = \"10\"", "`10` is not a duration"),
        ("stop_timeout = 10", "expected a string, found an integer"),
        ("stop_signal = \"BANG\"", "`BANG` is not a signal"),
        ("log = { max_size = \"5\" }", "`5` is not a size"),
        ("log = { size = \"5MB\" }", "unknown key `size` in log"),
        ("restart = \"sometimes\"", "is not a restart policy"),
        ("backoff = { factor = 0.5 }", "lets the waits shrink"),
        ("health = {}", "this checks nothing"),
        ("health = { http = \"/\" }", "needs a port"),
        ("port = 8001\nhealth = { http = \"health\" }", "`health` is not a path"),
        ("port = 8001\nhealth = { tcp = 8002 }", "does not declare port 8002"),
        ("port = 8001\nhealth = { tcp = true, interval = \"0s\" }", "longer than nothing"),
        ("port = 8001\nhealth = { exec = \"x\" }", "unknown key `exec` in health"),
        ("umask = \"999\"", "`999` is not a umask"),
        ("nice = 30", "30 is out of range"),
        ("autostart = \"yes\"", "expected true or false"),
        ("env = { A = 1 }", "expected a string"),
        ("env = { A = \"${NO_SUCH}\" }", "the variable `NO_SUCH` is not set"),
        ("replicas = 3", "unknown key `replicas`"),
    ];
    for (line, what) in bad {
        let problems = load_text(&format!("[services.api]\ncommand = \"sh\"\n{line}\n")).expect_err(line);
        let text = problems.to_string();
        assert!(text.contains(what), "{line}: {text}");
    }
    check_service("command = \"\"", &[(2, &["this command is empty"])]);
    check_service("command = \"sh 'x\"", &[(2, &["a quote without its partner"])]);
    check_service("port = 8001", &[(1, &["has no command"])]);
}

#[test]
fn a_problem_of_the_defaults_is_said_once() {
    let text = "[defaults]\nnice = 99\nport = 8001\n[services.a]\ncommand = \"sh\"\n[services.b]\ncommand = \"sh\"\n";
    let problems = load_text(text).expect_err(text).to_string();
    assert_eq!(problems.matches("99 is out of range").count(), 1, "{problems}");
    assert!(problems.contains("cannot be the same for all services"), "{problems}");
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
        let good = include_str!("../../services.toml");
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
