use std::collections::VecDeque;

use super::line::{self, Next};
use super::person::Person;
use super::python::Trouble;
use super::server::{Beside, Followed, Server};
use super::session::{Mode, Session};
use crate::client::rpc::RpcError;
use crate::protocol::xmlrpc::fault::{Fault, FaultCode};
use crate::protocol::xmlrpc::value::Value;

/// A server that answers from a list, each call once, and notes what it was asked.
#[derive(Default)]
struct Scripted {
    url: String,
    answers: Vec<(&'static str, VecDeque<Result<Value, Trouble>>)>,
    asked: Vec<String>,
}

impl Scripted {
    fn on(mut self, method: &'static str, answer: Result<Value, Trouble>) -> Self {
        match self.answers.iter_mut().find(|(known, _)| *known == method) {
            Some((_, answers)) => answers.push_back(answer),
            None => self.answers.push((method, VecDeque::from([answer]))),
        }
        self
    }
}

impl Server for Scripted {
    fn url(&self) -> &str {
        &self.url
    }

    fn turn_to(&mut self, url: &str) {
        url.clone_into(&mut self.url);
    }

    fn log_in(&mut self, username: String, password: String) {
        self.asked.push(format!("login {username} {password}"));
    }

    fn call(&mut self, method: &str, params: Vec<Value>) -> Result<Value, Trouble> {
        let method = method.strip_prefix("supervisor.").unwrap();
        let shown: Vec<String> = params.iter().map(|value| format!("{value:?}")).collect();
        if method != "getVersion" {
            self.asked.push(format!("{method}({})", shown.join(", ")));
        }
        let answers = self.answers.iter_mut().find(|(known, _)| *known == method);
        match answers.and_then(|(_, answers)| answers.pop_front()) {
            Some(answer) => answer,
            None if method == "getVersion" => Ok("3.0".into()),
            None => Ok(true.into()),
        }
    }

    fn follow(&mut self, path: &str) -> Followed {
        self.asked.push(format!("follow {path}"));
        Followed::Interrupted
    }

    fn follow_beside(&mut self, paths: &[String]) -> Box<dyn Beside> {
        struct Nothing;
        impl Beside for Nothing {}
        self.asked.push(format!("follow {}", paths.join(" ")));
        Box::new(Nothing)
    }
}

/// Somebody who types what is on a list, and hears everything.
#[derive(Default)]
struct Listener {
    heard: Vec<String>,
    types: VecDeque<&'static str>,
}

impl Person for Listener {
    fn say(&mut self, line: &str) {
        self.heard.push(line.to_owned());
    }

    fn ask(&mut self, question: &str) -> Result<String, Trouble> {
        self.heard.push(question.to_owned());
        self.types.pop_front().map(str::to_owned).ok_or(Trouble::EndOfInput)
    }

    fn ask_secret(&mut self, question: &str) -> Result<String, Trouble> {
        self.ask(question)
    }
}

fn fault(code: FaultCode) -> Result<Value, Trouble> {
    Err(Trouble::Fault(code.bare()))
}

fn info(group: &str, name: &str, state: (i32, &str), description: &str) -> Value {
    Value::members([
        ("group", group.into()),
        ("name", name.into()),
        ("state", state.0.into()),
        ("statename", state.1.into()),
        ("description", description.into()),
        ("pid", 7.into()),
    ])
}

fn outcome(group: &str, name: &str, status: FaultCode) -> Value {
    Value::members([
        ("group", group.into()),
        ("name", name.into()),
        ("status", status.number().into()),
        ("description", "as it was".into()),
    ])
}

/// Runs a line and gives what was heard, what was asked for and the exit code.
fn run(
    mode: Mode,
    types: &[&'static str],
    server: Scripted,
    line: &str,
) -> (Vec<String>, Vec<String>, u8, Next) {
    let mut server = Scripted { url: "unix:///s".to_owned(), ..server };
    let mut person = Listener { types: types.iter().copied().collect(), ..Listener::default() };
    let mut session = Session { server: &mut server, person: &mut person, mode, exit: 0 };
    let next = line::run(&mut session, line);
    let exit = session.exit;
    (person.heard, server.asked, exit, next)
}

#[track_caller]
fn check(server: Scripted, line: &str, heard: &[&str], exit: u8) {
    let (said, _, code, _) = run(Mode::Batch, &[], server, line);
    assert_eq!((said.join("\n"), code), (heard.join("\n"), exit), "{line}");
}

#[test]
fn status_shows_names_in_a_column_and_tells_by_its_exit_code_what_is_down() {
    let all = || {
        let infos = vec![
            info("g", "a", (20, "RUNNING"), "pid 7, uptime 0:00:03"),
            info("g", "b", (30, "BACKOFF"), "why"),
            info("web", "web", (0, "STOPPED"), "Not started"),
        ];
        Scripted::default().on("getAllProcessInfo", Ok(infos.into()))
    };
    let line = |name: &str, state: &str, rest: &str| format!("{name:33}{state:10}{rest}");
    let (a, b) = (line("g:a", "RUNNING", "pid 7, uptime 0:00:03"), line("g:b", "BACKOFF", "why"));
    let web = line("web", "STOPPED", "Not started");
    check(all(), "status", &[&a, &b, &web], 3);
    check(all(), "status g:*", &[&a, &b], 0);
    check(all(), "status web g:b", &[&web, &b], 3);
    check(all(), "status x y:*", &["x: ERROR (no such process)", "y: ERROR (no such group)"], 4);
    check(all(), "status x web", &["x: ERROR (no such process)", &web], 3);
}

#[test]
fn a_server_that_is_not_there_is_said_in_the_words_of_each_action() {
    let connect = |number| Err(Trouble::Rpc(RpcError::Connect(std::io::Error::from_raw_os_error(number))));
    let away = |number| Scripted::default().on("getVersion", connect(number));
    check(away(nix::libc::ECONNREFUSED), "status", &["unix:///s refused connection"], 4);
    check(away(nix::libc::ECONNREFUSED), "pid", &["unix:///s refused connection"], 4);
    check(away(nix::libc::ENOENT), "start x", &["unix:///s no such file"], 7);
    check(away(nix::libc::ENOENT), "status", &["unix:///s no such file"], 4);
    let without = Scripted::default().on("reloadConfig", connect(nix::libc::ENOENT));
    let words = "error: <class 'FileNotFoundError'>, [Errno 2] No such file or directory: file: supervisorctl line: 0";
    check(without, "update", &[words], 1);
    let down = Scripted::default().on("shutdown", connect(nix::libc::ENOENT));
    check(down, "shutdown", &["ERROR: unix:///s no such file (already shut down?)"], 1);
    let other = Scripted::default().on("getVersion", Ok("2.0".into()));
    let words = "Sorry, this version of supervisorctl expects to talk to a server with API version 3.0, but the remote \
                 version is 2.0.";
    check(other, "version", &[words], 5);
}

#[test]
fn each_fault_of_a_start_has_its_words_and_its_exit_code() {
    for (code, words, exit) in [
        (FaultCode::BadName, "no such process", 1),
        (FaultCode::NoFile, "no such file", 1),
        (FaultCode::NotExecutable, "file is not executable", 1),
        (FaultCode::AlreadyStarted, "already started", 0),
        (FaultCode::SpawnError, "spawn error", 7),
        (FaultCode::AbnormalTermination, "abnormal termination", 7),
    ] {
        let server = Scripted::default().on("startProcess", fault(code));
        check(server, "start g:x", &[&format!("g:x: ERROR ({words})")], exit);
    }
    let odd = Scripted::default().on("startProcess", fault(FaultCode::Failed));
    let words = "error: <class 'ValueError'>, Unknown result code 30 for x: file: supervisorctl line: 0";
    check(odd, "start x", &[words], 1);
}

#[test]
fn a_restart_stops_and_starts_and_the_start_decides_what_is_not_running() {
    let server = Scripted::default()
        .on("stopProcess", fault(FaultCode::NotRunning))
        .on("startProcess", Ok(true.into()));
    check(server, "restart x", &["x: ERROR (not running)", "x: started"], 0);
    let server = Scripted::default()
        .on("stopProcess", fault(FaultCode::BadName))
        .on("startProcess", fault(FaultCode::BadName));
    check(server, "restart x", &["x: ERROR (no such process)"; 2], 1);
}

#[test]
fn groups_and_all_are_asked_for_as_one() {
    let outcomes =
        || Ok(vec![outcome("g", "a", FaultCode::Success), outcome("h", "h", FaultCode::Failed)].into());
    let (heard, asked, exit, _) =
        run(Mode::Batch, &[], Scripted::default().on("stopProcessGroup", outcomes()), "stop g:*");
    assert_eq!(heard, ["g:a: stopped", "as it was"]);
    assert_eq!((asked, exit), (vec!["stopProcessGroup(String(\"g\"))".to_owned()], 1));
    let (_, asked, ..) = run(Mode::Batch, &[], Scripted::default(), "signal HUP x all");
    assert_eq!(asked, ["signalAllProcesses(String(\"HUP\"))"]);
    check(
        Scripted::default().on("startProcessGroup", fault(FaultCode::BadName)),
        "start g:",
        &["g: ERROR (no such group)"],
        2,
    );
}

#[test]
fn a_tail_asks_for_bytes_from_the_end() {
    for (line, asked) in [
        ("tail x", "readProcessStdoutLog(String(\"x\"), Int(-1600), Int(0))"),
        ("tail -5 x stderr", "readProcessStderrLog(String(\"x\"), Int(-5), Int(0))"),
        ("maintail -7", "readLog(Int(-7), Int(0))"),
        ("tail -f g:x", "follow /logtail/g:x/stdout"),
        ("maintail -f", "follow /mainlogtail"),
    ] {
        assert_eq!(run(Mode::Batch, &[], Scripted::default(), line).1, [asked], "{line}");
    }
    for (line, words) in [
        ("tail -x y", "Error: bad argument -x"),
        ("tail -3", "Error: tail requires process name"),
        ("tail x foo", "Error: bad channel 'foo'"),
        ("maintail x", "Error: bad argument x"),
    ] {
        check(Scripted::default(), line, &[words], 1);
    }
    let gone = Scripted::default().on("readProcessStdoutLog", fault(FaultCode::BadName));
    check(gone, "tail x", &["x: ERROR (no such process name)"], 1);
}

#[test]
fn an_update_takes_away_replaces_and_adds_what_it_is_asked_for() {
    let names = |names: &[&str]| Value::Array(names.iter().map(|name| Value::from(*name)).collect());
    let changes = || Ok(vec![vec![names(&["new"]), names(&["c"]), names(&["old"])].into()].into());
    let server = || {
        Scripted::default()
            .on("reloadConfig", changes())
            .on("stopProcessGroup", Ok(Value::Array(Vec::new())))
            .on("stopProcessGroup", Ok(Value::Array(Vec::new())))
            .on("getAllProcessInfo", Ok(Value::Array(vec![info("c", "c", (20, "RUNNING"), "")])))
    };
    let all = [
        "old: stopped",
        "old: removed process group",
        "c: stopped",
        "c: updated process group",
        "new: added process group",
    ];
    check(server(), "update", &all, 0);
    check(server(), "update all", &all, 0);
    check(server(), "update new x", &["ERROR: no such group: x", "new: added process group"], 1);
    check(server(), "reread", &["c: changed", "new: available", "old: disappeared"], 0);
}

#[test]
fn only_a_person_is_asked_whether_it_is_meant() {
    let (heard, asked, ..) = run(Mode::Interactive, &["n"], Scripted::default(), "shutdown");
    assert_eq!(heard, ["Really shut the remote supervisord process down y/N? "]);
    assert!(asked.is_empty());
    let (_, asked, ..) = run(Mode::Interactive, &["Yes"], Scripted::default(), "reload");
    assert_eq!(asked, ["restart()"]);
    check(Scripted::default(), "shutdown", &["Shut down"], 0);
    let ends = Scripted::default().on("shutdown", fault(FaultCode::ShutdownState));
    check(ends, "shutdown", &["ERROR: already shutting down"], 0);
}

#[test]
fn who_asks_is_asked_for_and_a_script_fails() {
    let refused = || Err(Trouble::Rpc(RpcError::Status(hyper::StatusCode::UNAUTHORIZED)));
    let server = Scripted::default().on("getVersion", refused()).on("getPID", Ok(5.into()));
    let (heard, asked, ..) = run(Mode::Interactive, &["me", "secret"], server, "pid");
    assert_eq!(heard, ["Server requires authentication", "Username:", "Password:", "", "5"]);
    assert_eq!(asked, ["login me secret", "getPID()"]);
    let server = Scripted::default().on("getVersion", refused()).on("getVersion", refused());
    let words = "error: <class 'xmlrpc.client.ProtocolError'>, <ProtocolError for 127.0.0.1/RPC2: 401 Unauthorized>: \
                 file: supervisorctl line: 0";
    check(server, "pid", &["Server requires authentication", words], 1);
}

#[test]
fn lines_in_the_foreground_go_to_the_process_until_it_is_gone() {
    let server = || Scripted::default().on("getProcessInfo", Ok(info("x", "x", (20, "RUNNING"), "")));
    let (heard, asked, exit, _) = run(Mode::Interactive, &["hello"], server(), "fg x");
    let strange = "error: <class 'ValueError'>, the answer has no text `group`: file: supervisorctl line: 0";
    assert_eq!(heard, ["==> Press Ctrl-C to exit <==", "", "Exiting foreground", strange]);
    assert_eq!(asked[2], "sendProcessStdin(String(\"x\"), String(\"hello\\n\"))");
    assert_eq!(exit, 1);
    let dies = server().on("sendProcessStdin", fault(FaultCode::NotRunning));
    let (heard, _, exit, _) = run(Mode::Interactive, &["hello"], dies, "fg x");
    assert_eq!(heard[2..], ["Process got killed", "Exiting foreground"]);
    assert_eq!(exit, 0);
}

#[test]
fn words_that_are_no_action_are_said_and_leaving_says_nothing() {
    check(Scripted::default(), "bogus x", &["*** Unknown syntax: bogus x"], 1);
    check(Scripted::default(), "!ls", &["*** Unknown syntax: !ls"], 1);
    check(Scripted::default(), "help bogus", &["*** No help on bogus"], 0);
    check(Scripted::default(), "  ", &[], 0);
    for line in ["quit", "exit", "EOF"] {
        assert_eq!(run(Mode::Interactive, &[], Scripted::default(), line).3, Next::Leave, "{line}");
    }
    let odd = Scripted::default()
        .on("getPID", Err(Trouble::Fault(Fault { code: 6, text: "SHUTDOWN_STATE".to_owned() })));
    let words =
        "error: <class 'xmlrpc.client.Fault'>, <Fault 6: 'SHUTDOWN_STATE'>: file: supervisorctl line: 0";
    check(odd, "pid", &[words], 1);
}
