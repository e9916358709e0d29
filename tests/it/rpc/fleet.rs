//! The fleet as a whole by XML-RPC: calls in one, groups, restarts, and fleets of services.toml.

use std::fs;
use std::path::Path;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::{Value, json};

use super::{CONFIG, calls, up};
use crate::harness::{Fleet, wait_until};

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
