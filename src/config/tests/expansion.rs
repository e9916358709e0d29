use std::time::Duration;

use super::{check_service, load_service, load_text};
use crate::spec::health::Check;
use crate::vocab::port::{Endpoint, Port};

#[test]
fn variables_expand_in_values_of_every_type() {
    let api = load_service(
        r#"
        env_file = "a.env"
        env = { PORT = "8123", YES = "true", FACTOR = "1.5", COUNT = "4", WAIT = "3s", UNMASK = "027" }
        command = ["sh", "-c", "${FROM_FILE} ${PORT} ${WHO}"]
        port = "${PORT:-3000}"
        directory = "${NO:-backend}"
        autostart = "${NO:-false}"
        priority = " ${COUNT} "
        nice = "-5"
        umask = "${UNMASK}"
        restart = "${NO:-never}"
        min_uptime = "${WAIT}"
        stop_signal = "${NO:-INT}"
        success_exit_codes = ["${COUNT}", 5]
        health = { tcp = "${YES}", retries = "${COUNT}", interval = "${WAIT}", port = "${PORT}" }
        backoff = { factor = "${FACTOR}", max_retries = "${COUNT}", initial = "${WAIT}" }
        log = { max_size = "${COUNT}MB", keep = "${COUNT}" }
        "#,
    );
    assert_eq!(api.command.arguments(), ["-c", "1 8123 me"]);
    let port = Endpoint::tcp(Port::new(8123).unwrap());
    assert_eq!((api.ports.as_slice(), api.autostart, api.priority), ([port].as_slice(), false, 4));
    assert!(api.directory.ends_with("backend"));
    assert_eq!((api.nice, api.umask, api.min_uptime), (Some(-5), Some(0o027), Duration::from_secs(3)));
    assert!(api.success_exit_codes.iter().eq(&[4, 5]));
    let health = api.ready.as_ref().unwrap();
    assert_eq!((&health.check, health.retries), (&Check::Tcp { port }, 4));
    assert_eq!((api.backoff.max_retries, api.backoff.initial), (4, Duration::from_secs(3)));
    assert_eq!(api.backoff.growth, crate::spec::policy::Growth::Factor(1.5));
    assert_eq!((api.logs.rotation.size_max, api.logs.rotation.keep), (4_000_000, 4));
}

#[test]
fn a_check_may_name_its_port_by_a_variable() {
    let api = load_service("command = \"sh\"\nport = 8001\nhealth = { tcp = \"${NO:-8001}\" }");
    assert_eq!(
        api.ready.as_ref().unwrap().check,
        Check::Tcp { port: Endpoint::tcp(Port::new(8001).unwrap()) }
    );
}

#[test]
fn a_string_and_an_array_mean_the_same_command() {
    let env = "env_file = \"a.env\"\nenv = { OWN = \"own\" }\n";
    let line = load_service(&format!("{env}command = \"sh ${{OWN}} ${{FROM_FILE}} ${{WHO}}\""));
    let words =
        load_service(&format!("{env}command = [\"sh\", \"${{OWN}}\", \"${{FROM_FILE}}\", \"${{WHO}}\"]"));
    assert_eq!(line.command, words.command);
    assert_eq!(words.command.arguments(), ["own", "1", "me"]);
}

#[test]
fn dependencies_and_sections_of_the_file_expand() {
    let fleet = load_text(
        "[supervisor]\nlog_dir = \"${WHO}\"\nallowed_ports = [\"${NO:-5000}\"]\n\
         [emergency]\nalso_kill = [\"*/${WHO}/*\"]\n\
         [services.me]\ncommand = \"sh\"\nport = 5000\n\
         [services.a]\ncommand = \"sh\"\ndepends_on = [\"${WHO}\"]\n\
         [services.b]\ncommand = \"sh\"\ndepends_on = { \"${WHO}\" = \"${NO:-started}\" }\n",
    );
    let fleet = fleet.map_err(|problems| problems.to_string()).unwrap();
    let me = fleet.services().keys().find(|name| name.as_str() == "me").unwrap();
    assert_eq!(fleet.graph().dependents_of(me).count(), 2);
    assert!(fleet.supervisor().log_dir.ends_with("me"));
    assert_eq!(fleet.supervisor().also_kill, ["*/me/*"]);
}

#[test]
fn a_text_that_is_no_number_is_named_with_where_it_came_from() {
    check_service(
        "command = \"sh\"\nport = \"${WHO}\"",
        &[(3, &["expected an integer, found `me`, which `${WHO}` comes to", "a whole number"])],
    );
    check_service("command = \"sh\"\nport = \"${NO:-}\"", &[(3, &["expected an integer, found ``"])]);
    check_service("command = \"sh\"\nport = \"70000\"", &[(3, &["70000 is out of range"])]);
    check_service("command = \"sh\"\nport = \"${NO}\"", &[(3, &["the variable `NO` is not set"])]);
    check_service("command = \"sh\"\nautostart = \"${WHO}\"", &[(3, &["true or false, found `me`"])]);
    check_service(
        "command = \"sh\"\nbackoff = { factor = \"${WHO}\" }",
        &[(3, &["expected a number, found `me`"])],
    );
    check_service("command = \"sh\"\nstop_timeout = \"${WHO}\"", &[(3, &["`me` is not a duration"])]);
    check_service("command = [\"sh\", \"${A}\", \"${B}\"]", &[(2, &["`A`"]), (2, &["`B`"])]);
}

#[test]
fn what_an_unreadable_variable_would_have_said_is_not_asked_for() {
    check_service(
        "command = \"sh ${NOT_THERE}\"\nenv_file = \"no.env\"\nport = \"${PORT}\"",
        &[(3, &["cannot read", "no.env"])],
    );
    check_service(
        "command = \"sh ${A}\"\nenv = { A = \"${NO}\" }",
        &[(3, &["the variable `NO` is not set"])],
    );
}

#[test]
fn an_env_file_is_read_with_the_environment_of_the_file() {
    let api =
        load_service("command = \"sh\"\nenv_file = [\"a.env\", \"b.env\"]\nenv = { BOTH = \"${URL}\" }");
    let env: Vec<(&str, &str)> = api.env.iter().map(|(k, v)| (k.as_str(), v.as_str())).collect();
    assert_eq!(
        env,
        [
            ("BOTH", "http://localhost/1/me"),
            ("FROM_FILE", "1"),
            ("PASSWORD", "pa$word"),
            ("URL", "http://localhost/1/me")
        ]
    );
}
