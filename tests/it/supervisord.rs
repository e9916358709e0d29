//! A file of supervisord's, run as it is, and imported.

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use procman::config::environment::Environment;
use procman::config::load;
use procman::vocab::state::State;
use serde_json::Value;

use crate::harness::{Fleet, Ran, wait_until};

const CONFIG: &str = "\
[supervisord]
environment=SHARED=\"yes\"
[include]
files=conf.d/*.conf
; What comes and goes.
[program:worker]
command={puppet} stay
process_name=%(program_name)s_%(process_num)02d
numprocs=2
startsecs=0
stopasgroup=true
environment=NUMBER=\"%(process_num)d\",PRICE=\"$5\"
[program:talker]
command=sh -c \"echo said; echo complained >&2; exec sleep 600\"
startsecs=0
redirect_stderr=true
stdout_logfile=talker.log
[program:crasher]
command=sh -c 'exit 3'
startretries=1
autostart=false
[program:missing]
command=/no/such/program
startretries=0
autostart=false
[program:odd]
command={puppet} stay
autostart=false
startsecs=2
startretries=5
autorestart=true
exitcodes=0,2
stopsignal=INT
stopwaitsecs=3
umask=027
directory=/tmp
priority=5
stdout_logfile=NONE
";

/// A fleet whose config is one of supervisord's.
pub(crate) struct Drop {
    pub(crate) fleet: Fleet,
}

impl Drop {
    pub(crate) fn new(config: &str) -> Self {
        let it = Self { fleet: Fleet::new("") };
        fs::create_dir_all(it.fleet.path().join("conf.d")).unwrap();
        it.write("supervisord.conf", config);
        it
    }

    pub(crate) fn write(&self, file: &str, text: &str) {
        let text = text.replace("{puppet}", self.fleet.puppet().to_str().unwrap());
        fs::write(self.fleet.path().join(file), text).unwrap();
    }

    pub(crate) fn config(&self) -> PathBuf {
        self.fleet.path().join("supervisord.conf")
    }

    pub(crate) fn run(&self, words: &str) -> Ran {
        self.fleet.run(&format!("-c supervisord.conf {words}"))
    }

    /// The supervisor that answers, if one does.
    pub(crate) fn supervisor(&self) -> Option<i32> {
        let status: Value = serde_json::from_str(&self.run("status --json").stdout).ok()?;
        let pid = i32::try_from(status["supervisor"]["pid"].as_i64()?).ok()?;
        (status["supervisor"]["running"] == true).then_some(pid)
    }

    /// The guardian of the supervisor that answers, if one does.
    pub(crate) fn guardian(&self) -> Option<i32> {
        let status: Value = serde_json::from_str(&self.run("status --json").stdout).ok()?;
        i32::try_from(status["supervisor"]["guardian"].as_i64()?).ok()
    }

    pub(crate) fn pid_of(&self, name: &str) -> Option<i64> {
        let status: Value = serde_json::from_str(&self.run("status --json").stdout).unwrap();
        let services = status["services"].as_array().unwrap();
        services.iter().find(|service| service["name"] == name).and_then(|service| service["pid"].as_i64())
    }

    pub(crate) fn states(&self) -> BTreeMap<String, String> {
        let status: Value = serde_json::from_str(&self.run("status --json").stdout).unwrap();
        let services = status["services"].as_array().unwrap().iter();
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        services.map(|service| (text(&service["name"]), text(&service["state"]))).collect()
    }
}

impl std::ops::Drop for Drop {
    fn drop(&mut self) {
        let _ = self.run("down --timeout 10s");
    }
}

#[test]
fn a_file_of_supervisords_runs_as_it_is() {
    let it = Drop::new(CONFIG);
    it.run("up --timeout 20s").expect(0);
    let states = it.states();
    let is = |name: &str| states.get(name).map(String::as_str);
    assert_eq!(["worker_00", "worker_01", "talker"].map(is), [Some("running"); 3], "{states:?}");
    assert_eq!(["crasher", "missing", "odd"].map(is), [Some("stopped"); 3], "{states:?}");
    let group = it.run("status worker:* --json").stdout;
    assert_eq!(group.matches("\"group\": \"worker\"").count(), 2, "{group}");
    let environment = it.run("run worker_01 -- env").expect(0).stdout;
    for line in ["SHARED=yes", "NUMBER=1", "PRICE=$5", "SUPERVISOR_ENABLED=1", "SUPERVISOR_GROUP_NAME=worker"]
    {
        assert!(environment.lines().any(|it| it == line), "`{line}` is not in\n{environment}");
    }
    wait_until("both streams are in one file", || {
        (it.fleet.read("talker.log") == "said\ncomplained\n").then_some(())
    });
    it.run("restart worker:worker_00").expect(0);
    it.run("down").expect(0);
}

#[test]
fn a_program_that_ends_early_or_is_not_there_is_given_up_as_in_supervisord() {
    let it = Drop::new(CONFIG);
    it.run("up --timeout 20s").expect(0);
    it.run("start crasher --timeout 20s").expect(1);
    it.run("start missing --timeout 20s").expect(1);
    let states = it.states();
    for name in ["crasher", "missing"] {
        assert_eq!(states[name], State::Fatal.word(), "{states:?}");
    }
}

#[test]
fn a_reload_sees_what_an_included_file_says_and_a_successor_what_was_applied() {
    let it = Drop::new(CONFIG);
    it.write("conf.d/more.conf", "[program:more]\ncommand={puppet} stay\nstartsecs=0\n");
    it.run("up --timeout 20s").expect(0);
    assert_eq!(it.states()["more"], "running");
    it.write("conf.d/more.conf", "[program:other]\ncommand={puppet} stay\nstartsecs=0\n");
    it.run("reload").expect(0);
    wait_until("the other one runs", || {
        let states = it.states();
        (states.get("other").is_some_and(|state| state == "running") && !states.contains_key("more"))
            .then_some(())
    });
    it.write("conf.d/more.conf", "[program:other]\ncommand=x\nstartsecs=soon\n");
    let wrong = "invalid literal for int() with base 10: 'soon' in section 'program:other'";
    it.run("reload").expect(2).says(&[wrong, "conf.d/more.conf:3", "write a whole number"]);
    fs::remove_file(it.fleet.path().join("conf.d/more.conf")).unwrap();
    let supervisor = it.supervisor().unwrap();
    kill(Pid::from_raw(supervisor), Signal::SIGKILL).unwrap();
    wait_until("another supervisor has it", || it.supervisor().filter(|pid| *pid != supervisor));
    assert_eq!(it.states()["other"], "running");
}

#[test]
fn a_successor_does_not_run_what_was_put_beside_the_config_after_it_was_applied() {
    let it = Drop::new(CONFIG);
    fs::create_dir_all(it.fleet.path().join("conf.d")).unwrap();
    it.run("up --timeout 20s").expect(0);
    let before = it.states();
    it.write("conf.d/later.conf", "[program:later]\ncommand={puppet} stay\nstartsecs=0\n");
    let supervisor = it.supervisor().unwrap();
    kill(Pid::from_raw(supervisor), Signal::SIGKILL).unwrap();
    wait_until("another supervisor has it", || it.supervisor().filter(|pid| *pid != supervisor));
    assert!(before.keys().eq(it.states().keys()), "{:?}", it.states());
    it.run("reload").expect(0);
    wait_until("a reload brings it", || it.states().contains_key("later").then_some(()));
}

#[test]
fn a_stop_that_asks_the_group_reaches_children_before_their_parent_has_ended() {
    let script = "#!/bin/sh\n\
        (trap 'echo asked > child; exit 0' TERM; while :; do sleep 0.05; done) &\n\
        trap 'sleep 0.5; cp child seen; exit 0' TERM\n\
        echo > ready\nwhile :; do wait; done\n";
    for (option, seen) in [("stopasgroup=true", "asked\n"), ("stopasgroup=false", "")] {
        let it = Drop::new(&format!("[program:p]\ncommand=sh script\nstartsecs=0\n{option}\n"));
        it.write("script", script);
        it.run("up --timeout 20s").expect(0);
        wait_until("the traps are set", || it.fleet.path().join("ready").exists().then_some(()));
        it.run("stop p").expect(0);
        assert_eq!(it.fleet.read("seen"), seen, "{option}");
    }
}

#[test]
fn what_is_imported_runs_the_same_processes() {
    let it = Drop::new(CONFIG);
    let imported = it.fleet.run("import supervisord.conf").expect(0);
    assert!(imported.stdout.contains("# What comes and goes."), "{}", imported.stdout);
    fs::write(it.fleet.config(), imported.stdout.replace("/no/such/program", "/bin/true")).unwrap();
    it.fleet.run("check").expect(0);
    let environment = Environment::of_this_process();
    let as_it_is = load::load(&it.config(), &environment).unwrap();
    let imported = load::load(&it.fleet.config(), &environment).unwrap();
    assert_eq!(as_it_is.services().len(), 6);
    assert!(as_it_is.services().keys().eq(imported.services().keys()));
    let pairs = as_it_is.services().values().zip(imported.services().values());
    for (one, other) in pairs.filter(|(one, _)| one.name.as_str() != "missing") {
        let mut one = (**one).clone();
        one.env.retain(|name, _| !name.starts_with("SUPERVISOR_"));
        assert_eq!(one, **other);
    }
}

#[test]
fn every_option_of_a_program_becomes_what_it_was_in_the_expanded_model() {
    let it = Drop::new(CONFIG);
    let expanded = it.fleet.run("import supervisord.conf --expanded").expect(0).stdout;
    let expanded: Value = serde_json::from_str(&expanded).unwrap();
    let fleet = load::load(&it.config(), &Environment::of_this_process()).unwrap();
    for program in expanded["programs"].as_array().unwrap() {
        let service = &fleet.services()[program["name"].as_str().unwrap()];
        let argv: Vec<&str> = std::iter::once(service.command.program())
            .chain(service.command.arguments().iter().map(String::as_str))
            .collect();
        assert_eq!(program["argv"], serde_json::json!(argv));
        let directory = program["directory"].as_str().map_or_else(|| it.fleet.path(), PathBuf::from);
        assert_eq!(service.directory, directory);
        for (name, value) in program["environment"].as_object().unwrap() {
            assert_eq!(service.env.get(name).map(String::as_str), value.as_str(), "{name}");
        }
        let seconds = |key: &str| std::time::Duration::from_secs(program[key].as_u64().unwrap());
        assert_eq!(service.min_uptime, seconds("startsecs"));
        assert_eq!(service.stop.timeout, seconds("stopwaitsecs"));
        assert_eq!(u64::from(service.backoff.max_retries), program["startretries"].as_u64().unwrap());
        assert_eq!(service.stop.signal.name(), format!("SIG{}", program["stopsignal"].as_str().unwrap()));
        assert_eq!(service.autostart, program["autostart"].as_bool().unwrap());
        assert_eq!(serde_json::json!(service.success_exit_codes), program["exitcodes"]);
        assert_eq!(service.umask.map(|mask| format!("{mask:03o}")).as_deref(), program["umask"].as_str());
        assert_eq!(service.logs.are_joined(), program["redirect_stderr"].as_bool().unwrap());
        assert_eq!(service.logs.stdout_to.is_empty(), program["stdout_logfile"].is_null());
    }
}

#[test]
fn what_cannot_run_is_refused_or_said_with_its_place_and_a_way_out() {
    let listener = "[eventlistener:l]\ncommand=cat\nevents=TICK\n";
    let program = "[program:p]\ncommand=sleep 600\nstartsecs=0\n";
    let check = |config: &str, code: i32, words: &[&str]| {
        let it = Drop::new(&format!("[supervisord]\n{config}"));
        it.run("check").expect(code).says(words);
    };
    check(program, 0, &[]);
    check(&format!("{program}{listener}"), 0, &[]);
    let logs = listener.replace("TICK", "TICK,PROCESS_STATE_UNKNOWN");
    check(
        &format!("{program}{logs}"),
        0,
        &["supervisord.conf:5: [eventlistener:l] is not told of PROCESS_STATE_UNKNOWN"],
    );
    check(
        &format!("{program}autorestrat=true\n"),
        0,
        &["no option `autorestrat`: did you mean `autorestart`?"],
    );
    check(
        &format!("{program}[progam:x]\ncommand=x\n"),
        0,
        &["no section [progam:x]: did you mean `program`?"],
    );
    check(&format!("{program}stdout_logfile=/dev/stderr\n"), 0, &["stdout does not go to /dev/stderr"]);
    check(
        &format!("{program}stdout_syslog=true\nstdout_events_enabled=true\n"),
        0,
        &["stdout does not go to syslog, for events are made of it"],
    );
    check(
        &format!("{program}[rpcinterface:x]\nsupervisor.rpcinterface_factory=twiddler:make\n"),
        2,
        &["supervisord.conf:5", "needs the Python plugin twiddler:make", "remove the section"],
    );
    check(
        "[fcgi-program:f]\ncommand=f\nsocket=tcp://some.where:9002\n",
        2,
        &["supervisord.conf:2", "cannot listen on `some.where`", "write the address"],
    );
    check(
        "[program:p]\ncommand=\"x\n",
        1,
        &["supervisord.conf:2: p: cannot be started", "No closing quotation", "with quotes that close"],
    );
    check(
        &program.replace("sleep 600", "sleep 600 > /dev/null"),
        0,
        &["supervisord.conf:2: p: `>` is for a shell", "sh -c '…'"],
    );
    check(&format!("{program}stopsignal=RTMIN\n"), 2, &["stopsignal RTMIN cannot be sent"]);
    check(
        &format!("{program}user=nobody-of-this-name\n"),
        2,
        &["conf:5", "Invalid user name nobody-of-this-name"],
    );
    check(
        &format!("{program}stdout_logfile=/no/such/x.log\n"),
        2,
        &["/no/such/x.log does not exist", "conf:5"],
    );
    check(&format!("{program}startsecs=1.5\n"), 2, &["invalid literal for int()", "conf:5"]);
    check(
        "[program:a]\ncommand=%(nope)s\n[program:b]\n",
        2,
        &["names ('nope')", "does not specify a command", "2 problems"],
    );
    check("bogus line\n", 2, &["parsing errors", "supervisord.conf:2:1"]);
    check("nodaemon=true\n", 0, &["supervisord.conf:1: there are no programs"]);
    check(
        &format!("nodaemon=true\ndirectory=/tmp\n{program}"),
        0,
        &["supervisord.conf:3: [supervisord] directory: counts in the background alone"],
    );
}

#[test]
fn output_goes_to_syslog_and_to_where_the_supervisors_own_goes_as_the_file_says() {
    let program = "[program:p]\ncommand=x\nstdout_logfile_maxbytes=0\n";
    let imported = |options: &str| {
        let it = Drop::new(&format!("[supervisord]\n{program}{options}"));
        let ran = it.fleet.run("import supervisord.conf");
        ran.stdout.lines().filter(|line| line.starts_with("std")).collect::<Vec<_>>().join("; ")
    };
    let pipe = "stdin = \"pipe\"; ";
    for (options, expected) in [
        ("", ""),
        (
            "stdout_logfile=/dev/stdout\nstderr_logfile=/dev/stderr\n",
            "stdout = \"inherit\"; stderr = \"inherit\"",
        ),
        ("stdout_logfile=/dev/fd/1\nredirect_stderr=true\n", "stdout = \"inherit\"; stderr = \"stdout\""),
        ("stdout_syslog=true\n", "stdout = [\"file\", \"syslog\"]"),
        ("stdout_logfile=/dev/null\nstderr_logfile=/dev/null\n", "stdout = \"null\"; stderr = \"null\""),
        (
            "stdout_logfile=/dev/null\nstderr_logfile=/proc/1/fd/2\n",
            "stdout = \"null\"; stderr = \"inherit\"",
        ),
        ("stdout_syslog=true\nstderr_logfile=NONE\n", "stdout = [\"file\", \"syslog\"]; stderr = \"null\""),
        (
            "stdout_logfile=syslog\nstderr_syslog=true\nstderr_logfile=/tmp/e.log\n",
            "stdout = \"syslog\"; stderr = [\"/tmp/e.log\", \"syslog\"]",
        ),
    ] {
        let expected = format!("{pipe}{expected}");
        assert_eq!(imported(options), expected.trim_end_matches("; "), "{options}");
    }
}

#[test]
fn ends_and_states_are_in_the_supervisors_log_in_supervisords_words() {
    let it = Drop::new(
        "[supervisord]\nlogfile=%(here)s/own.log\n[program:kept]\ncommand={puppet} stay\nstartsecs=0\n\
         [program:job]\ncommand=sh -c 'exit 0'\nstartsecs=0\nautorestart=false\n\
         [program:crasher]\ncommand=sh -c 'exit 3'\nstartretries=0\n",
    );
    it.run("up -q");
    it.run("stop kept").expect(0);
    let log = || fs::read_to_string(it.fleet.path().join("own.log")).unwrap_or_default();
    for words in [
        "INFO supervisord started with pid ",
        "INFO spawned: 'kept' with pid ",
        "INFO success: kept entered RUNNING state, process has stayed up for > than 0 seconds (startsecs)",
        "WARN stopped: kept (terminated by SIGTERM)",
        "INFO exited: job (exit status 0; expected)",
        "WARN exited: crasher (exit status 3; not expected)",
        "INFO gave up: crasher entered FATAL state, too many start retries too quickly",
    ] {
        wait_until(words, || log().contains(words).then_some(()));
    }
}

#[test]
fn a_file_without_programs_runs_and_takes_them_in_later() {
    let it = Drop::new("[supervisord]\n[include]\nfiles=conf.d/*.conf\n");
    let up = it.run("up -q").expect(0);
    assert!(up.stdout.is_empty() || !up.stdout.contains("running"), "{}", up.stdout);
    assert!(it.supervisor().is_some() && it.states().is_empty());
    it.write("conf.d/late.conf", "[program:late]\ncommand={puppet} stay\nstartsecs=0\n");
    it.run("reload").expect(0);
    wait_until("it runs", || (it.states().get("late")? == "running").then_some(()));
    it.write("conf.d/late.conf", "");
    it.run("reload").expect(0);
    wait_until("it is gone", || it.states().is_empty().then_some(()));
}
