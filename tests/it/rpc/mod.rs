//! supervisord's XML-RPC, asked by Python's own client.

mod fleet;
mod look;

use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};

use procman::rundir::paths::Paths;
use serde_json::{Value, json};

use crate::harness::wait_until;
use crate::supervisord::Drop;

const CONFIG: &str = "\
[supervisord]
identifier=acme
[group:grp]
programs=one,two
priority=20
[program:one]
command={puppet} stay
startsecs=0
priority=5
[program:two]
command={puppet} stay
startsecs=0
redirect_stderr=true
[program:echo]
command=sh -c \"cat; echo bye >&2\"
startsecs=0
stdout_logfile=echo.log
stderr_logfile=echo.err
[program:crash]
command=sh -c \"exit 3\"
autostart=false
startretries=1
[program:done]
command=sh -c \"sleep 1.2; exit 4\"
autostart=false
autorestart=false
[program:short]
command=sh -c \"kill -TERM $$\"
startsecs=0
autostart=false
autorestart=false
[program:stubborn]
command=sh -c \"trap '' TERM; touch trapped; while :; do sleep 0.1; done\"
startsecs=0
stopwaitsecs=8
autostart=false
[program:nowhere]
command=/no/such/program
autostart=false
[program:plain]
command=/etc/passwd
autostart=false
[program:folder]
command=/tmp
autostart=false
";

/// What calls came to, one after the other: `{\"value\": …}` or `{\"fault\": [code, string]}`.
pub(crate) fn calls(server: &str, calls: &Value) -> Vec<Value> {
    let client = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/rpc/client.py");
    let mut python = Command::new("python3");
    python.arg(client).stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut python = python.spawn().unwrap();
    let asked = json!({"server": server, "calls": calls}).to_string();
    python.stdin.take().unwrap().write_all(asked.as_bytes()).unwrap();
    let output = python.wait_with_output().unwrap();
    assert!(output.status.success(), "{calls}");
    serde_json::from_slice(&output.stdout).unwrap()
}

impl Drop {
    fn socket(&self) -> String {
        let paths = Paths::new(&self.config(), &self.fleet.path().join(".procman"));
        paths.socket.to_str().unwrap().to_owned()
    }

    fn call(&self, method: &str, params: Value) -> Value {
        calls(&self.socket(), &json!([[method, params]])).remove(0)
    }

    /// What a call gives that is no fault.
    fn value(&self, method: &str, params: Value) -> Value {
        let answer = self.call(method, params);
        answer.get("value").unwrap_or_else(|| panic!("{method}: {answer}")).clone()
    }

    fn info(&self, name: &str) -> Value {
        self.value("supervisor.getProcessInfo", json!([name]))
    }

    fn wait_for(&self, name: &str, state: &str) -> Value {
        wait_until(&format!("{name} is {state}"), || {
            Some(self.info(name)).filter(|it| it["statename"] == state)
        })
    }
}

fn up(config: &str) -> Drop {
    let it = Drop::new(config);
    it.run("up --timeout 20s").expect(0);
    it
}

#[test]
fn every_method_answers_pythons_own_client_as_supervisord_does() {
    let it = up(CONFIG);
    let methods = it.value("system.listMethods", json!([]));
    let methods: Vec<&str> = methods.as_array().unwrap().iter().map(|name| name.as_str().unwrap()).collect();
    assert_eq!(methods, METHODS);
    for (method, params, value) in [
        ("supervisor.getAPIVersion", json!([]), json!("3.0")),
        ("supervisor.getVersion", json!([]), json!("3.0")),
        ("supervisor.getSupervisorVersion", json!([]), json!("4.3.0")),
        ("supervisor.getIdentification", json!([]), json!("acme")),
        ("supervisor.getState", json!([]), json!({"statecode": 1, "statename": "RUNNING"})),
        ("supervisor.getPID", json!([]), json!(it.guardian())),
        (
            "system.methodSignature",
            json!(["supervisor.startProcess"]),
            json!(["boolean", "string", "boolean"]),
        ),
        ("supervisor.sendRemoteCommEvent", json!(["greeting", "hello"]), json!(true)),
    ] {
        assert_eq!(it.value(method, params), value, "{method}");
    }
    for method in methods {
        assert!(!it.value("system.methodHelp", json!([method])).as_str().unwrap().is_empty(), "{method}");
    }
    let names: Vec<String> = it
        .value("supervisor.getAllProcessInfo", json!([]))
        .as_array()
        .unwrap()
        .iter()
        .map(|info| format!("{}:{}", info["group"].as_str().unwrap(), info["name"].as_str().unwrap()))
        .collect();
    let expected = [
        "crash:crash",
        "done:done",
        "echo:echo",
        "folder:folder",
        "grp:one",
        "grp:two",
        "nowhere:nowhere",
        "plain:plain",
        "short:short",
        "stubborn:stubborn",
    ];
    assert_eq!(names, expected);
}

const METHODS: [&str; 41] = [
    "supervisor.addProcessGroup",
    "supervisor.clearAllProcessLogs",
    "supervisor.clearLog",
    "supervisor.clearProcessLog",
    "supervisor.clearProcessLogs",
    "supervisor.getAPIVersion",
    "supervisor.getAllConfigInfo",
    "supervisor.getAllProcessInfo",
    "supervisor.getIdentification",
    "supervisor.getPID",
    "supervisor.getProcessInfo",
    "supervisor.getState",
    "supervisor.getSupervisorVersion",
    "supervisor.getVersion",
    "supervisor.readLog",
    "supervisor.readMainLog",
    "supervisor.readProcessLog",
    "supervisor.readProcessStderrLog",
    "supervisor.readProcessStdoutLog",
    "supervisor.reloadConfig",
    "supervisor.removeProcessGroup",
    "supervisor.restart",
    "supervisor.sendProcessStdin",
    "supervisor.sendRemoteCommEvent",
    "supervisor.shutdown",
    "supervisor.signalAllProcesses",
    "supervisor.signalProcess",
    "supervisor.signalProcessGroup",
    "supervisor.startAllProcesses",
    "supervisor.startProcess",
    "supervisor.startProcessGroup",
    "supervisor.stopAllProcesses",
    "supervisor.stopProcess",
    "supervisor.stopProcessGroup",
    "supervisor.tailProcessLog",
    "supervisor.tailProcessStderrLog",
    "supervisor.tailProcessStdoutLog",
    "system.listMethods",
    "system.methodHelp",
    "system.methodSignature",
    "system.multicall",
];

#[test]
fn faults_have_supervisords_codes_and_words() {
    let it = up(CONFIG);
    let table = [
        ("supervisor.nope", json!([]), 1, "UNKNOWN_METHOD"),
        ("nope", json!([]), 1, "UNKNOWN_METHOD"),
        ("supervisor.getPID", json!([1]), 2, "INCORRECT_PARAMETERS"),
        ("supervisor.startProcess", json!([]), 2, "INCORRECT_PARAMETERS"),
        ("supervisor.getProcessInfo", json!([7]), 2, "INCORRECT_PARAMETERS"),
        ("supervisor.readProcessStdoutLog", json!(["echo", -1, 1]), 3, "BAD_ARGUMENTS"),
        ("system.methodHelp", json!(["nope"]), 4, "SIGNATURE_UNSUPPORTED"),
        ("system.methodSignature", json!(["nope"]), 4, "SIGNATURE_UNSUPPORTED"),
        ("supervisor.getProcessInfo", json!(["nope"]), 10, "BAD_NAME: nope"),
        ("supervisor.getProcessInfo", json!(["one"]), 10, "BAD_NAME: one"),
        ("supervisor.getProcessInfo", json!(["grp:*"]), 10, "BAD_NAME: grp:*"),
        ("supervisor.startProcess", json!(["grp:nope"]), 10, "BAD_NAME: grp:nope"),
        ("supervisor.startProcessGroup", json!(["nope"]), 10, "BAD_NAME: nope"),
        ("supervisor.stopProcessGroup", json!(["nope"]), 10, "BAD_NAME: nope"),
        ("supervisor.clearProcessLogs", json!(["nope"]), 10, "BAD_NAME: nope"),
        ("supervisor.tailProcessStdoutLog", json!(["nope", 0, 0]), 10, "BAD_NAME: nope"),
        ("supervisor.addProcessGroup", json!(["nope"]), 10, "BAD_NAME: nope"),
        ("supervisor.removeProcessGroup", json!(["nope"]), 10, "BAD_NAME: nope"),
        ("supervisor.signalProcess", json!(["echo", "NOPE"]), 11, "BAD_SIGNAL: NOPE"),
        ("supervisor.startProcess", json!(["nowhere"]), 20, "NO_FILE: can't find command '/no/such/program'"),
        (
            "supervisor.startProcess",
            json!(["plain"]),
            21,
            "NOT_EXECUTABLE: command at '/etc/passwd' is not executable",
        ),
        (
            "supervisor.startProcess",
            json!(["folder"]),
            21,
            "NOT_EXECUTABLE: command at '/tmp' is a directory",
        ),
        ("supervisor.startProcess", json!(["crash"]), 50, "SPAWN_ERROR: crash"),
        ("supervisor.startProcess", json!(["grp:one"]), 60, "ALREADY_STARTED: grp:one"),
        ("supervisor.stopProcess", json!(["done"]), 70, "NOT_RUNNING: done"),
        ("supervisor.signalProcess", json!(["done", "HUP"]), 70, "NOT_RUNNING: done"),
        ("supervisor.sendProcessStdin", json!(["done", "x"]), 70, "NOT_RUNNING: done"),
        ("supervisor.addProcessGroup", json!(["grp"]), 90, "ALREADY_ADDED: grp"),
        ("supervisor.removeProcessGroup", json!(["grp"]), 91, "STILL_RUNNING: grp"),
    ];
    let asked: Vec<Value> = table.iter().map(|(method, params, ..)| json!([method, params])).collect();
    let answers = calls(&it.socket(), &Value::Array(asked));
    for ((method, params, code, text), answer) in table.into_iter().zip(answers) {
        assert_eq!(answer, json!({"fault": [code, text]}), "{method} {params}");
    }
    let read = it.call("supervisor.readProcessStderrLog", json!(["grp:two", 0, 0]));
    assert_eq!(read, json!({"fault": [20, "NO_FILE"]}));
}

#[test]
fn processes_are_told_of_in_supervisords_words() {
    let it = up(CONFIG);
    let one = it.info("grp:one");
    let pid = one["pid"].as_i64().unwrap();
    assert_eq!((one["state"].as_i64(), one["statename"].as_str()), (Some(20), Some("RUNNING")));
    assert!(one["description"].as_str().unwrap().starts_with(&format!("pid {pid}, uptime 0:00:")), "{one}");
    let started = one["start"].as_i64().unwrap();
    assert!((0..60).contains(&(one["now"].as_i64().unwrap() - started)) && one["stop"] == 0, "{one}");
    assert_eq!(it.info("grp:two")["stderr_logfile"], "");
    assert_eq!(one["logfile"], one["stdout_logfile"]);
    let never = it.info("done");
    assert_eq!(never["description"], "Not started");
    assert_eq!(never["start"], 0);

    assert_eq!(it.value("supervisor.startProcess", json!(["done"])), true);
    let done = it.wait_for("done", "EXITED");
    assert_eq!(
        (&done["exitstatus"], &done["spawnerr"], &done["pid"]),
        (&json!(4), &json!("Bad exit code 4"), &json!(0))
    );
    let description = done["description"].as_str().unwrap();
    assert!(description.ends_with('M') && description.len() == "Nov 26 12:00 AM".len(), "{description}");
    assert!(done["stop"].as_i64().unwrap() >= done["start"].as_i64().unwrap());

    it.call("supervisor.startProcess", json!(["short", false]));
    assert_eq!(it.wait_for("short", "EXITED")["exitstatus"], -1);
    it.call("supervisor.startProcess", json!(["crash"]));
    let crash = it.wait_for("crash", "FATAL");
    assert_eq!(crash["description"], "Exited too quickly (process log may have details)");
    assert_eq!((&crash["spawnerr"], &crash["exitstatus"]), (&crash["description"], &json!(0)));
}

#[test]
fn processes_are_started_stopped_and_signalled_one_by_one_and_by_groups() {
    let it = up(CONFIG);
    let ok =
        |group: &str, name: &str| json!({"group": group, "name": name, "status": 80, "description": "OK"});
    let sorted = |statuses: Value| {
        let mut statuses = statuses.as_array().unwrap().clone();
        statuses.sort_by_key(ToString::to_string);
        statuses
    };
    assert_eq!(it.value("supervisor.stopProcess", json!(["grp:one"])), true);
    assert_eq!(it.info("grp:one")["statename"], "STOPPED");
    assert_eq!(sorted(it.value("supervisor.stopProcess", json!(["grp:*"]))), [ok("grp", "two")]);
    assert_eq!(it.value("supervisor.stopProcessGroup", json!(["grp"])), json!([]));
    let both = [ok("grp", "one"), ok("grp", "two")];
    assert_eq!(sorted(it.value("supervisor.startProcessGroup", json!(["grp"]))), both);
    assert_eq!(sorted(it.value("supervisor.signalProcessGroup", json!(["grp", "USR1"]))).len(), 2);
    assert_eq!(it.value("supervisor.signalProcess", json!(["echo", "0"])), true);
    let bad = it.value("supervisor.signalProcess", json!(["echo:*", "NOPE"]));
    assert_eq!(bad[0]["status"], 11);

    assert_eq!(it.value("supervisor.startProcess", json!(["stubborn"])), true);
    wait_until("it is stubborn", || it.fleet.path().join("trapped").exists().then_some(()));
    assert_eq!(it.value("supervisor.stopProcess", json!(["stubborn", false])), true);
    let stopping = it.info("stubborn");
    assert_eq!((&stopping["statename"], &stopping["description"]), (&json!("STOPPING"), &json!("")));
    assert_eq!(
        it.call("supervisor.stopProcess", json!(["stubborn"])),
        json!({"fault": [70, "NOT_RUNNING: stubborn"]})
    );
    let again = it.call("supervisor.startProcess", json!(["stubborn"]));
    assert_eq!(again, json!({"fault": [40, "ABNORMAL_TERMINATION: stubborn"]}));

    let stopped = it.value("supervisor.stopAllProcesses", json!([]));
    assert!(stopped.as_array().unwrap().iter().all(|it| it["status"] == 80), "{stopped}");
    let started = it.value("supervisor.startAllProcesses", json!([]));
    let status = |name: &str| {
        started.as_array().unwrap().iter().find(|it| it["name"] == name).unwrap()["status"].clone()
    };
    assert_eq!(
        ["one", "two", "nowhere", "plain", "crash"].map(status),
        [80, 80, 20, 21, 50].map(|code| json!(code))
    );
}

#[test]
fn logs_are_read_and_cleared_and_standard_input_is_written() {
    let it = up(CONFIG);
    assert_eq!(it.value("supervisor.sendProcessStdin", json!(["echo", "said \u{e9}\u{1b}[1m\n"])), true);
    wait_until("it is echoed", || it.fleet.read("echo.log").contains("said").then_some(()));
    let read = it.value("supervisor.readProcessStdoutLog", json!(["echo", 0, 0]));
    assert_eq!(read, "said \u{e9}\u{fffd}[1m\n", "what XML cannot carry is replaced");
    assert_eq!(it.value("supervisor.readProcessLog", json!(["echo", 0, 4])), "said");
    assert_eq!(it.value("supervisor.tailProcessStdoutLog", json!(["echo", 0, 3])), json!(["1m\n", 12, true]));
    assert_eq!(it.value("supervisor.tailProcessStderrLog", json!(["echo", 0, 3])), json!(["", 0, false]));
    assert_eq!(it.value("supervisor.clearProcessLogs", json!(["echo"])), true);
    assert_eq!(it.fleet.read("echo.log"), "");
    it.value("supervisor.sendProcessStdin", json!(["echo", "more\n"]));
    wait_until("the next bytes are in a new file", || (it.fleet.read("echo.log") == "more\n").then_some(()));
    let cleared = it.value("supervisor.clearAllProcessLogs", json!([]));
    assert_eq!(cleared.as_array().unwrap().len(), 10);
    assert_eq!(it.fleet.read("echo.log"), "");
    let log = it.value("supervisor.readLog", json!([0, 0]));
    assert!(log.as_str().unwrap().contains("supervisord started"), "{log}");
    assert_eq!(it.value("supervisor.clearLog", json!([])), true);
    let log = it.value("supervisor.readMainLog", json!([0, 0]));
    assert!(!log.as_str().unwrap().contains("supervisord started"), "{log}");
}
