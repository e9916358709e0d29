use super::{check, check_service, load_text};

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
    check("[service.a]\ncommand = \"sh\"\n", &[(1, &["unknown key `service`", "did you mean `services`?"])]);
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
    let overlap = |one: &str, other: &str| {
        format!(
            "[services.a]\ncommand = \"sh\"\nport = {one}\n[services.b]\ncommand = \"sh\"\nport = {other}\n"
        )
    };
    for (one, other) in [
        ("8001", "\"127.0.0.1:8001\""),
        ("\"0.0.0.0:8001\"", "\"127.0.0.1:8001\""),
        ("\"[::]:8001\"", "\"0.0.0.0:8001\""),
        ("\"[::]:8001\"", "\"127.0.0.1:8001\""),
    ] {
        check(&overlap(one, other), &[(6, &["in each other's way", "a port of its own"])]);
    }
    for (one, other) in [
        ("8001", "\"8001/udp\""),
        ("\"127.0.0.1:8001\"", "\"127.0.0.2:8001\""),
        ("\"127.0.0.1:8001\"", "\"[::1]:8001\""),
    ] {
        load_text(&overlap(one, other)).unwrap();
    }
    check_service("command = \"sh\"\nports = [8001, \"127.0.0.1:8001\"]", &[(3, &["stands here twice"])]);
    check_service("command = \"sh\"\nport = \"53/udp\"", &[(3, &["port 53 is protected"])]);
    check_service(
        "command = \"sh\"\nport = \"localhost:8001\"",
        &[(3, &["is not a port", "127.0.0.1:3000"])],
    );
    check_service("command = \"sh\"\non_port_conflict = \"kill\"", &[(3, &["`kill`", "\\\"flush"])]);
    check_service(
        "command = \"sh\"\nport = \"8001/udp\"\nhealth = { tcp = true }",
        &[(4, &["needs a port"])],
    );
}

#[test]
fn dependencies_are_proven_over_the_whole_fleet() {
    check_service(
        "command = \"sh\"\ndepends_on = [\"apo\"]",
        &[(3, &["`apo`, which is not", "did you mean `api`?"])],
    );
    check_service("command = \"sh\"\ndepends_on = [\"api\"]", &[(3, &["in a circle: api -> api"])]);
    check_service(
        "command = \"sh\"\ndepends_on = { api = \"up\" }",
        &[(3, &["`up` is not a condition"]), (3, &["in a circle"])],
    );
    check_service(
        "command = \"sh\"\ndepends_on = { api = { condition = \"up\", soft = true, required = \"no\" } }",
        &[
            (3, &["in a circle"]),
            (3, &["`up` is not a condition"]),
            (3, &["unknown key `soft` in a dependency", "known here: condition, required"]),
            (3, &["expected true or false", "`no`"]),
        ],
    );
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
        ("stop_timeout = 10", "expected a duration, found an integer"),
        ("stop_signal = \"BANG\"", "`BANG` is not a signal"),
        ("log = { max_size = \"5\" }", "`5` is not a size"),
        ("log = { rotate = \"weekly\" }", "`weekly` is no part of a day"),
        ("log = { rotate = \"7m\" }", "`7m` is no part of a day"),
        ("log = { compress = \"zstd\" }", "`zstd` is no `compress`"),
        ("log = { max_total = \"100MB\" }", "`max_total` leaves no room for files set aside"),
        ("log = { size = \"5MB\" }", "unknown key `size` in log"),
        ("restart = \"sometimes\"", "is not a restart policy"),
        ("backoff = { factor = 0.5 }", "lets the waits shrink"),
        ("backoff = { growth = \"linear\", factor = 2 }", "waits that grow linearly have no factor"),
        ("backoff = { growth = \"square\" }", "`square` is not a growth"),
        ("backoff = { early_exit = \"x\" }", "`x` is not what an early exit can be"),
        ("stop_asks = \"all\"", "`all` is nobody to ask"),
        ("stdout = \"null\"\nstderr = \"null\"\nhealth = { log = \"ready\" }", "there are none"),
        ("log = { on_full = \"wait\" }", "`wait` is no `on_full`"),
        ("log = { envelope = \"xml\" }", "`xml` is no `envelope`"),
        ("stdout = [\"file\", \"null\"]", "`null` does not go with others"),
        ("stdout = [\"a\", \"b\"]", "a stream has one file"),
        ("stdout = \"/dev/null\"", "/dev/null is not a file"),
        ("stderr = \"\"", "is not a file"),
        ("health = {}", "this checks nothing"),
        ("health = { http = \"/\" }", "needs a port"),
        ("port = 8001\nhealth = { http = \"health\" }", "`health` is not a path"),
        ("port = 8001\nhealth = { tcp = 8002 }", "does not declare port 8002"),
        ("port = 8001\nhealth = { tcp = true, interval = \"0s\" }", "longer than nothing"),
        ("umask = \"999\"", "`999` is not a umask"),
        ("nice = 30", "30 is out of range"),
        ("autostart = \"yes\"", "expected true or false"),
        ("env = { A = 1 }", "expected a string"),
        ("depends_on = [3]", "expected a string"),
        ("log = { max_size = 5 }", "expected a size, found an integer"),
        ("port = [\"x\"]", "expected an integer, found `x`"),
        ("port = 3000.5", "expected an integer, found a float"),
        ("priority = 99999999999999999999", "99999999999999999999 is out of range"),
        ("port = 8001\nhealth = { tcp = false }", "expected true or a port, found `false`"),
        ("health = 3", "expected a table, found an integer"),
        ("env = { A = \"\\u0000\" }", "holds a NUL byte"),
        ("env = { A = \"${NO_SUCH}\" }", "the variable `NO_SUCH` is not set"),
        ("limits = { cpu = 0 }", "0 is no number of processors that can be given"),
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

#[test]
fn what_ends_all_must_be_a_service() {
    check(
        "[supervisor]\nexit_on = \"apo\"\n[services.api]\ncommand = \"sh\"\n",
        &[(2, &["`apo` is not a service", "did you mean `api`?"])],
    );
}

#[test]
fn what_the_defaults_say_holds_for_every_service_that_does_not_say_otherwise() {
    let text = "[defaults]\ncommand = \"sleep 600\"\ndepends_on = [\"base\"]\n\
                [services.a]\n[services.base]\ncommand = \"sleep 1\"\ndepends_on = []\n";
    let fleet = load_text(text).expect(text);
    let lines: Vec<String> = fleet.services().values().map(|service| service.command.line()).collect();
    assert_eq!(lines, ["sleep 600", "sleep 1"]);
    let needs: Vec<usize> = fleet.services().values().map(|service| service.depends_on.len()).collect();
    assert_eq!(needs, [1, 0]);
}

/// A case of bad input: the file, the place and the line that must be shown, what is said of it and how to mend it.
struct Case {
    text: &'static str,
    place: &'static str,
    line: &'static str,
    says: &'static str,
    way_out: &'static str,
}

const CASES: [Case; 14] = [
    Case {
        text: "[services.a]\ncommand = \"sh\nport = 3\n",
        place: ":2:14",
        line: "command = \"sh",
        says: "cannot read this as TOML",
        way_out: "texts stand in quotes",
    },
    Case {
        text: "[services.a]\ncommand = \"sh\"\ncommand = \"sh\"\n",
        place: ":3:1",
        line: "command = \"sh\"",
        says: "duplicate key",
        way_out: "keep one",
    },
    Case {
        text: "[services.a]\ncommand = \"sh\"\n  stop_timeot = \"1s\"\n",
        place: ":3:3",
        line: "  stop_timeot = \"1s\"",
        says: "unknown key `stop_timeot` in service `a`",
        way_out: "did you mean `stop_timeout`?",
    },
    Case {
        text: "[services.a]\ncommand = \"sh\"\nautostart = 3\n",
        place: ":3:13",
        line: "autostart = 3",
        says: "expected true or false, found an integer",
        way_out: "write true or false",
    },
    Case {
        text: "[services.a]\ncommand = \"sh\"\nmin_uptime = \"10\"\n",
        place: ":3:14",
        line: "min_uptime = \"10\"",
        says: "`10` is not a duration",
        way_out: "write a number with its unit",
    },
    Case {
        text: "[services.a]\ncommand = \"sh\"\nport = 8001\n[services.b]\ncommand = \"sh\"\nports = [8001]\n",
        place: ":6:10",
        line: "ports = [8001]",
        says: "`a` and `b` both declare port 8001",
        way_out: "give each service a port of its own",
    },
    Case {
        text: "[services.a]\ncommand = \"sh\"\nport = 7000\n",
        place: ":3:8",
        line: "port = 7000",
        says: "port 7000 is protected",
        way_out: "allowed_ports = [7000]",
    },
    Case {
        text: "[services.a]\ncommand = \"sh\"\ndepends_on = [\"b\"]\n[services.b]\ncommand = \"sh\"\ndepends_on = [\"a\"]\n",
        place: ":3:15",
        line: "depends_on = [\"b\"]",
        says: "in a circle: a -> b -> a",
        way_out: "remove one of these dependencies",
    },
    Case {
        text: "[services.web]\ncommand = \"sh\"\ndepends_on = { wep = \"ready\" }\n",
        place: ":3:22",
        line: "depends_on = { wep",
        says: "`web` depends on `wep`, which is not a service",
        way_out: "did you mean `web`?",
    },
    Case {
        text: "[services.a]\ncommand = \"no-such-program\"\n",
        place: ":2:11",
        line: "command = \"no-such-program\"",
        says: "there is no program `no-such-program` in PATH",
        way_out: "install it, or write its whole path",
    },
    Case {
        text: "[services.a]\ncommand = \"sh\"\ndirectory = \"nowhere\"\n",
        place: ":3:13",
        line: "directory = \"nowhere\"",
        says: "nowhere does not exist",
        way_out: "taken from the config file's directory",
    },
    Case {
        text: "[services.a]\ncommand = \"sh\"\nenv_file = \"bad.env\"\n",
        place: ":3:12",
        line: "env_file = \"bad.env\"",
        says: "bad.env:2: this line has no `=`",
        way_out: "a line is `NAME=value`",
    },
    Case {
        text: "[services.a]\ncommand = \"sh ${NO}\"\n",
        place: ":2:11",
        line: "command = \"sh ${NO}\"",
        says: "the variable `NO` is not set",
        way_out: "`${NAME:-default}`",
    },
    Case {
        text: "[services.a]\ncommand = \"sh\"\nlimits = { cpus = 2 }\n",
        place: ":3:12",
        line: "limits = { cpus = 2 }",
        says: "unknown key `cpus`",
        way_out: "did you mean `cpu`?",
    },
];

#[test]
fn every_kind_of_bad_input_has_its_own_message_with_place_line_and_way_out() {
    for Case { text, place, line, says, way_out } in CASES {
        let problems = load_text(text).expect_err(text);
        assert_eq!(problems.list.len(), 1, "{problems}");
        let rendered = problems.to_string();
        for piece in [&format!("services.toml{place}\n"), line, says, way_out] {
            assert!(rendered.contains(piece), "`{piece}` is not in\n{rendered}");
        }
    }
}

#[test]
fn problems_of_all_kinds_are_said_together() {
    check(
        "[services.db]\ncomand = \"sh\"\nport = 8001\n\
         [services.api]\ncommand = \"sh\"\nport = 8001\ndepends_on = [\"db\", \"nobody\", \"web\"]\n\
         [services.web]\ncommand = \"no-such-program\"\ndepends_on = [\"api\"]\nstop_timeout = \"5\"\n\
         directory = \"backend\"\n",
        &[
            (1, &["this service has no command"]),
            (2, &["unknown key `comand`"]),
            (3, &["`api` and `db` both declare port 8001"]),
            (7, &["`api` depends on `nobody`"]),
            (7, &["in a circle: api -> web -> api"]),
            (9, &["no program `no-such-program`"]),
            (11, &["`5` is not a duration"]),
        ],
    );
}

#[test]
fn a_check_does_not_miss_a_port_that_has_a_problem() {
    for port in ["70000", "\"x\"", "5000", "\"${NO}\""] {
        let body = format!("command = \"sh\"\nport = {port}\nhealth = {{ http = \"/\", port = 8002 }}");
        let problems = load_text(&format!("[services.api]\n{body}\n")).expect_err(port);
        assert_eq!(problems.list.len(), 1, "{problems}");
    }
}

#[test]
fn who_depends_on_a_service_with_a_problem_depends_on_a_service() {
    check(
        "[services.db]\ncomand = \"sh\"\n[services.api]\ncommand = \"sh\"\ndepends_on = [\"db\"]\n",
        &[(1, &["no command"]), (2, &["unknown key `comand`"])],
    );
    check(
        "[services]\ndb = 3\n[services.api]\ncommand = \"sh\"\ndepends_on = [\"db\"]\n",
        &[(2, &["expected a table, found an integer"])],
    );
}

#[test]
fn an_unknown_key_of_the_defaults_is_said_once_and_as_theirs() {
    check(
        "[defaults]\nstop_timeot = \"1s\"\nlimits = { cpus = 2 }\ncommnd = \"x\"\n\
         [services.a]\ncommand = \"sh\"\n[services.b]\ncommand = \"sh\"\n[services.c]\ncommand = \"sh\"\n",
        &[
            (2, &["unknown key `stop_timeot` in [defaults]", "did you mean `stop_timeout`?"]),
            (3, &["unknown key `cpus` in limits", "did you mean `cpu`?"]),
            (4, &["unknown key `commnd` in [defaults]", "did you mean `command`?"]),
        ],
    );
}

#[test]
fn a_file_that_cannot_be_read_says_why() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("services.toml");
    let says = || {
        let environment = super::Environment::default();
        super::load(&path, &environment).expect_err("there is nothing to read").to_string()
    };
    assert!(says().contains("cannot read this file: No such file"), "{}", says());
    assert!(says().contains("you may read"), "{}", says());
    std::fs::write(&path, b"[services.a]\ncommand = \"\xff\"\n").unwrap();
    assert!(says().contains("services.toml:2:12") && says().contains("save the file as UTF-8"), "{}", says());
}
