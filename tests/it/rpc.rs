//! supervisord's XML-RPC, asked by Python's own client.

use std::fs;
use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use procman::rundir::paths::Paths;
use serde_json::{Value, json};

use crate::harness::{Fleet, wait_until};
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
command=sh -c \"trap '' TERM; while :; do sleep 0.1; done\"
startsecs=0
stopwaitsecs=2
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
        ("supervisor.getPID", json!([]), json!(it.supervisor())),
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
    assert!(log.as_str().unwrap().contains("supervisor started"), "{log}");
    assert_eq!(it.value("supervisor.clearLog", json!([])), true);
    let log = it.value("supervisor.readMainLog", json!([0, 0]));
    assert!(!log.as_str().unwrap().contains("supervisor started"), "{log}");
}

#[test]
fn several_calls_come_in_one_and_their_results_are_bare() {
    let it = up(CONFIG);
    let call = |method: &str, params: Value| json!({"methodName": method, "params": params});
    let asked = json!([[
        call("supervisor.getVersion", json!([])),
        call("supervisor.getProcessInfo", json!(["nope"])),
        call("system.multicall", json!([[]])),
        {"params": []},
        {"methodName": "supervisor.getVersion"},
    ]]);
    let fault = |code: i64, text: &str| json!({"faultCode": code, "faultString": text});
    let expected = json!([
        "3.0",
        fault(10, "BAD_NAME: nope"),
        fault(2, "INCORRECT_PARAMETERS: Recursive system.multicall forbidden"),
        fault(2, "INCORRECT_PARAMETERS: No methodName"),
        "3.0",
    ]);
    assert_eq!(it.value("system.multicall", asked), expected);
}

#[test]
fn groups_are_taken_in_and_out_one_by_one_and_a_successor_keeps_to_it() {
    let program =
        |name: &str, more: &str| format!("[program:{name}]\ncommand={{puppet}} stay\nstartsecs=0\n{more}\n");
    let it =
        up(&format!("[supervisord]\n{}{}{}", program("same", ""), program("gone", ""), program("other", "")));
    let same = it.info("same")["pid"].clone();
    it.write(
        "supervisord.conf",
        &format!(
            "[supervisord]\n{}{}{}",
            program("same", ""),
            program("other", "environment=A=1"),
            program("fresh", "")
        ),
    );
    let differs = json!([[["fresh"], ["other"], ["gone"]]]);
    assert_eq!(it.value("supervisor.reloadConfig", json!([])), differs);
    assert_eq!(it.value("supervisor.reloadConfig", json!([])), differs, "nothing was applied");
    let configured = it.value("supervisor.getAllConfigInfo", json!([]));
    let names: Vec<_> =
        configured.as_array().unwrap().iter().map(|it| (it["name"].clone(), it["inuse"].clone())).collect();
    assert_eq!(
        names,
        [("fresh", false), ("other", true), ("same", true)].map(|(name, used)| (json!(name), json!(used)))
    );
    assert_eq!(it.value("supervisor.addProcessGroup", json!(["fresh"])), true);
    it.wait_for("fresh", "RUNNING");
    assert_eq!(it.value("supervisor.stopProcessGroup", json!(["gone"]))[0]["status"], 80);
    assert_eq!(it.value("supervisor.removeProcessGroup", json!(["gone"])), true);
    let unknown = json!({"fault": [10, "BAD_NAME: gone"]});
    assert_eq!(it.call("supervisor.getProcessInfo", json!(["gone"])), unknown);

    let supervisor = it.supervisor().unwrap();
    kill(Pid::from_raw(supervisor), Signal::SIGKILL).unwrap();
    wait_until("another supervisor has it", || it.supervisor().filter(|pid| *pid != supervisor));
    assert_eq!(it.call("supervisor.getProcessInfo", json!(["gone"])), unknown);
    assert_eq!(it.info("fresh")["statename"], "RUNNING");
    assert_eq!(it.info("same")["pid"], same);

    it.value("supervisor.stopProcessGroup", json!(["other"]));
    assert_eq!(it.value("supervisor.removeProcessGroup", json!(["other"])), true);
    assert_eq!(it.value("supervisor.reloadConfig", json!([])), json!([[["other"], [], []]]));
    assert_eq!(it.value("supervisor.addProcessGroup", json!(["other"])), true);
    it.wait_for("other", "RUNNING");
    assert_eq!(it.value("supervisor.reloadConfig", json!([])), json!([[[], [], []]]));
    it.write("supervisord.conf", "[supervisord]\n[program:x]\ncommand=x\nstartsecs=soon\n");
    let fault = it.call("supervisor.reloadConfig", json!([]));
    assert_eq!(fault["fault"][0], 92);
    assert!(
        fault["fault"][1].as_str().unwrap().starts_with("CANT_REREAD: invalid literal for int()"),
        "{fault}"
    );
    assert_eq!(it.info("same")["pid"], same);
}

#[test]
fn a_restart_stops_all_and_starts_the_config_as_it_is_and_a_bad_one_touches_nothing() {
    let it = up("[supervisord]\n[program:a]\ncommand={puppet} stay\nstartsecs=0\n");
    let (supervisor, before) = (it.supervisor(), it.info("a")["pid"].clone());
    it.write("supervisord.conf", "[supervisord]\n[program:a]\n");
    assert_eq!(it.call("supervisor.restart", json!([]))["fault"][0], 92);
    assert_eq!(it.info("a")["pid"], before);
    it.write(
        "supervisord.conf",
        "[supervisord]\n[program:a]\ncommand={puppet} stay\nstartsecs=0\n[program:b]\ncommand={puppet} stay\nstartsecs=0\n",
    );
    assert_eq!(it.value("supervisor.restart", json!([])), true);
    wait_until("both run", || {
        let states = it.states();
        (states.get("a").is_some_and(|a| a == "running") && states.get("b").is_some_and(|b| b == "running"))
            .then_some(())
    });
    wait_until("it is another process", || (it.info("a")["pid"] != before).then_some(()));
    assert_eq!(it.supervisor(), supervisor, "the supervisor stays, as in supervisord");
}

#[test]
fn a_shutdown_is_answered_and_then_done() {
    let it = up(
        "[supervisord]\n[program:a]\ncommand=sh -c \"trap 'sleep 1; exit' TERM; while :; do sleep 0.05; done\"\nstartsecs=0\n",
    );
    let asked =
        json!([["supervisor.shutdown", []], ["supervisor.getState", []], ["supervisor.shutdown", []]]);
    let answers = calls(&it.socket(), &asked);
    let ending = json!({"fault": [6, "SHUTDOWN_STATE"]});
    assert_eq!(answers, [json!({"value": true}), ending.clone(), ending]);
    wait_until("the supervisor has ended", || it.supervisor().is_none().then_some(()));
    wait_until("its socket is gone", || (!Path::new(&it.socket()).exists()).then_some(()));
}

#[test]
fn services_of_a_toml_file_are_processes_of_their_group_or_of_their_own() {
    let fleet = Fleet::new(
        "[services.api]\ncommand = \"{puppet} stay\"\ngroup = \"web\"\nmin_uptime = \"0s\"\n\
         [services.db]\ncommand = \"{puppet} stay\"\nmin_uptime = \"0s\"\n\
         [services.job]\ncommand = \"{puppet} stay\"\nreplicas = 2\nmin_uptime = \"0s\"\nautostart = false\n",
    );
    fleet.run("up --timeout 20s").expect(0);
    let socket = fleet.paths().socket;
    let call =
        |method: &str, params: Value| calls(socket.to_str().unwrap(), &json!([[method, params]])).remove(0);
    let info = call("supervisor.getAllProcessInfo", json!([]));
    let names: Vec<String> = info["value"]
        .as_array()
        .unwrap()
        .iter()
        .map(|it| {
            format!(
                "{}:{} {}",
                it["group"].as_str().unwrap(),
                it["name"].as_str().unwrap(),
                it["statename"].as_str().unwrap()
            )
        })
        .collect();
    assert_eq!(names, ["db:db RUNNING", "job:job STOPPED", "job:job-2 STOPPED", "web:api RUNNING"]);
    assert_eq!(call("supervisor.startProcess", json!(["job:job"])), json!({"value": true}));
    assert_eq!(call("supervisor.getProcessInfo", json!(["job:job-2"]))["value"]["statename"], "STOPPED");
    let closed = call("supervisor.sendProcessStdin", json!(["db", "x"]));
    assert_eq!(closed, json!({"fault": [20, "NO_FILE: db"]}));
    assert_eq!(call("supervisor.getIdentification", json!([])), json!({"value": "procman"}));
    let config = call("supervisor.getAllConfigInfo", json!([]));
    assert_eq!(config["value"][0]["group"], "web");
}

#[test]
fn a_program_that_ends_at_once_is_never_said_to_be_running() {
    let programs: String = (0..10)
        .map(|number| {
            format!("[program:crash{number}]\ncommand=sh -c \"exit 3\"\nautostart=false\nstartretries=0\n")
        })
        .collect();
    let it = up(&format!("[supervisord]\n{programs}[program:stays]\ncommand={{puppet}} stay\nstartsecs=0\n"));
    let watched = fs::File::create(it.fleet.path().join("events")).unwrap();
    let mut events = it.fleet.command("-c supervisord.conf events --json").stdout(watched).spawn().unwrap();
    // The stream is up when it tells of something.
    wait_until("events are told", || {
        it.call("supervisor.signalProcess", json!(["stays", "0"]));
        it.value("supervisor.sendRemoteCommEvent", json!(["begin", ""]));
        it.fleet.read("events").contains("begin").then_some(())
    });
    let rounds: Vec<Value> = (0..20).map(|_| json!(["supervisor.startAllProcesses", []])).collect();
    let answers = calls(&it.socket(), &Value::Array(rounds));
    let spawns: Vec<&Value> = answers.iter().flat_map(|it| it["value"].as_array().unwrap()).collect();
    assert_eq!(spawns.len(), 200);
    assert!(spawns.iter().all(|status| status["status"] == 50), "{answers:?}");
    it.value("supervisor.sendRemoteCommEvent", json!(["end", ""]));
    wait_until("all was told", || it.fleet.read("events").contains("\"end\"").then_some(()));
    let told = it.fleet.read("events");
    let of_crashes = || told.lines().filter(|line| line.contains("\"service\":\"crash"));
    assert!(of_crashes().filter(|line| line.contains("\"state\":\"starting\"")).count() >= 200, "{told}");
    assert_eq!(of_crashes().filter(|line| line.contains("\"state\":\"running\"")).count(), 0, "{told}");
    events.kill().unwrap();
    events.wait().unwrap();
}
