//! Event listeners and FastCGI programs of supervisord's files.

use std::collections::BTreeSet;
use std::io::{Read, Write};
use std::net::TcpStream;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;

use crate::harness::{free_port, wait_until};
use crate::supervisord::Drop;

/// Writes down what it is told, one event a line, in `seen`. The word `again` in an event makes it reject that once.
const LISTENER: &str = r#"
import os, sys
rejected = False
while True:
    sys.stdout.write("READY\n")
    sys.stdout.flush()
    line = sys.stdin.readline()
    if not line:
        sys.exit(0)
    headers = dict(token.split(":") for token in line.split())
    data = sys.stdin.read(int(headers["len"]))
    with open("seen", "a") as seen:
        seen.write(headers["pool"] + " " + headers["eventname"] + " " + data.replace("\n", "|") + "\n")
    if "again" in data and not rejected:
        rejected = True
        sys.stdout.write("RESULT 4\nFAIL")
    else:
        sys.stdout.write("RESULT 2\nOK")
    sys.stdout.flush()
"#;

/// A fleet with this listener and more.
fn with_listener(events: &str, more: &str) -> Drop {
    let it = Drop::new(&format!(
        "[supervisord]\n[eventlistener:ears]\ncommand=python3 -u listener.py\nevents={events}\nstartsecs=0\n{more}"
    ));
    it.write("listener.py", LISTENER);
    it
}

fn seen(it: &Drop) -> Vec<String> {
    let text = std::fs::read_to_string(it.fleet.path().join("seen")).unwrap_or_default();
    text.lines().map(str::to_owned).collect()
}

fn status(it: &Drop) -> Value {
    serde_json::from_str(&it.run("status --json").stdout).unwrap()
}

fn wait_for(it: &Drop, line: &str) {
    wait_until(&format!("`{line}` is told"), || seen(it).iter().any(|seen| seen == line).then_some(()));
}

/// Without what differs from run to run.
fn of_process(it: &Drop, process: &str) -> Vec<String> {
    let all = seen(it);
    let of = all.iter().filter(|line| line.contains(&format!("processname:{process} ")));
    let words = |line: &String| {
        let words =
            line.split(' ').filter(|word| !word.starts_with("pid:") && !word.starts_with("processname:"));
        words.collect::<Vec<_>>().join(" ")
    };
    of.map(words).collect()
}

#[test]
fn a_listener_is_told_of_each_state_of_a_process() {
    let program = "[program:p]\ncommand=sh -c 'exit 3'\nstartsecs=0\nautorestart=false\nautostart=false\n";
    let it = with_listener("PROCESS_STATE,SUPERVISOR_STATE_CHANGE", program);
    it.run("up -q").expect(0);
    it.run("start p");
    let told = [
        "ears PROCESS_STATE_STARTING groupname:p from_state:STOPPED tries:0",
        "ears PROCESS_STATE_RUNNING groupname:p from_state:STARTING",
        "ears PROCESS_STATE_EXITED groupname:p from_state:RUNNING expected:0",
    ];
    wait_until("all is told", || (of_process(&it, "p") == told).then_some(()));
    assert!(seen(&it).contains(&"ears SUPERVISOR_STATE_CHANGE_RUNNING ".to_owned()));
}

#[test]
fn a_listener_is_told_again_after_it_rejected_an_event_and_after_its_supervisor_died() {
    let program = "[program:p]\ncommand={puppet} stay\nstartsecs=0\nautostart=false\n";
    let it = with_listener("PROCESS_STATE_RUNNING,REMOTE_COMMUNICATION", program);
    it.run("up -q").expect(0);
    let say = |word: &str| {
        let script = format!(
            "import http.client, socket, xmlrpc.client as x\n\
             c = http.client.HTTPConnection('localhost')\n\
             c.sock = socket.socket(socket.AF_UNIX)\n\
             c.sock.connect({:?})\n\
             c.request('POST', '/RPC2', x.dumps(('kind', '{word}'), 'supervisor.sendRemoteCommEvent'))\n\
             assert c.getresponse().status == 200\n",
            status(&it)["supervisor"]["socket"].as_str().unwrap()
        );
        let ran = std::process::Command::new("python3").arg("-c").arg(script).output().unwrap();
        assert!(ran.status.success(), "{}", String::from_utf8_lossy(&ran.stderr));
    };
    say("again");
    let twice =
        || seen(&it).iter().filter(|line| *line == "ears REMOTE_COMMUNICATION type:kind|again").count() == 2;
    wait_until("what was rejected is told again", || twice().then_some(()));
    let supervisor = it.supervisor().unwrap();
    kill(Pid::from_raw(supervisor), Signal::SIGKILL).unwrap();
    wait_until("another supervisor has it", || it.supervisor().filter(|pid| *pid != supervisor));
    it.run("start p").expect(0);
    wait_until("the next supervisor tells", || (!of_process(&it, "p").is_empty()).then_some(()));
    say("later");
    wait_for(&it, "ears REMOTE_COMMUNICATION type:kind|later");
}

#[test]
fn what_a_process_says_is_told_before_its_end_and_by_its_pid() {
    let it = with_listener(
        "PROCESS_COMMUNICATION,PROCESS_LOG,PROCESS_STATE_EXITED",
        "[program:p]\ncommand=python3 -u talk.py\nstartsecs=0\nautorestart=false\nautostart=false\n\
         stdout_capture_maxbytes=1KB\nstdout_logfile=%(here)s/p.log\nstderr_events_enabled=true\n",
    );
    it.write(
        "talk.py",
        "import os, sys\n\
         sys.stdout.write(f'pid {os.getpid()}\\n<!--XSUPERVISOR:BEGIN-->heard<!--XSUPERVISOR:END-->more\\n')\n\
         sys.stderr.write('oh\\n')\n",
    );
    it.run("up -q").expect(0);
    it.run("start p");
    let told = wait_until("the end is told", || {
        let seen = seen(&it);
        seen.iter().any(|line| line.contains("PROCESS_STATE_EXITED")).then_some(seen)
    });
    let log = std::fs::read_to_string(it.fleet.path().join("p.log")).unwrap();
    let pid = log.strip_suffix("\nmore\n").and_then(|log| log.strip_prefix("pid ")).unwrap();
    let (last, first) = told.split_last().unwrap();
    assert!(last.starts_with("ears PROCESS_STATE_EXITED "), "{told:?}");
    let said = format!("ears PROCESS_COMMUNICATION_STDOUT processname:p groupname:p pid:{pid}|heard");
    let wrote = format!("ears PROCESS_LOG_STDERR processname:p groupname:p pid:{pid} channel:stderr|oh|");
    let mut all: Vec<&String> = first.iter().collect();
    all.sort_unstable();
    assert_eq!(all, [&said, &wrote]);
}

#[test]
fn a_listener_that_comes_by_a_reload_is_told_of_nothing_that_was_before() {
    let program = "[program:p]\ncommand={puppet} stay\nstartsecs=0\n";
    let it = Drop::new(&format!("[supervisord]\n{program}"));
    it.write("listener.py", LISTENER);
    it.run("up -q").expect(0);
    let ears = "[eventlistener:ears]\ncommand=python3 -u listener.py\nevents=PROCESS_STATE\nstartsecs=0\n";
    it.write("supervisord.conf", &format!("[supervisord]\n{program}{ears}"));
    it.run("reload").expect(0);
    wait_until("it is told of itself", || (!of_process(&it, "ears").is_empty()).then_some(()));
    it.run("stop p").expect(0);
    let told = [
        "ears PROCESS_STATE_STOPPING groupname:p from_state:RUNNING",
        "ears PROCESS_STATE_STOPPED groupname:p from_state:STOPPING",
    ];
    wait_until("what comes after is told", || (of_process(&it, "p") == told).then_some(()));
}

#[test]
fn the_clock_is_told_in_slices() {
    let it = with_listener("TICK_5", "");
    it.run("up -q").expect(0);
    let ticks = wait_until("two ticks", || Some(seen(&it)).filter(|seen| seen.len() >= 2));
    let when = |line: &String| line.rsplit(':').next().unwrap().parse::<u64>().unwrap();
    assert!(
        ticks.iter().all(|line| line.starts_with("ears TICK_5 when:") && when(line) % 5 == 0),
        "{ticks:?}"
    );
    assert!(when(&ticks[0]) < when(&ticks[1]));
}

#[test]
fn processes_of_a_fastcgi_program_share_a_socket_that_outlives_them() {
    let port = free_port();
    let it = Drop::new(&format!(
        "[supervisord]\n[fcgi-program:f]\ncommand=python3 -u answer.py\nsocket=tcp://localhost:{port}\n\
         process_name=%(program_name)s_%(process_num)d\nnumprocs=2\nstartsecs=0\n"
    ));
    let answer = "import os, socket\n\
                  s = socket.socket(fileno=0)\n\
                  while True:\n    c, _ = s.accept()\n    c.sendall(str(os.getpid()).encode())\n    c.close()\n";
    it.write("answer.py", answer);
    it.run("up -q").expect(0);
    let ask = || {
        let mut stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
        let mut pid = String::new();
        stream.flush().unwrap();
        stream.read_to_string(&mut pid).unwrap();
        pid.parse::<i64>().unwrap()
    };
    let pids = || -> BTreeSet<i64> {
        let status = status(&it);
        status["services"]
            .as_array()
            .unwrap()
            .iter()
            .map(|service| service["pid"].as_i64().unwrap())
            .collect()
    };
    let before = pids();
    assert_eq!(before.len(), 2);
    wait_until("both have answered", || {
        let mut asked = BTreeSet::new();
        asked.extend((0..20).map(|_| ask()));
        (asked == before).then_some(())
    });
    it.run("restart f:*").expect(0);
    assert!(pids().is_disjoint(&before));
    assert!(pids().contains(&ask()));
}
