//! What clients are told of processes is never older than what has happened.

use std::path::Path;

use procman::protocol::xmlrpc::message::{Call, decode_answer};
use procman::protocol::xmlrpc::value::Value;

use super::{CONFIG, up};
use crate::harness::wait_until;
use crate::socket::talk;

fn ask(socket: &Path, method: &str, params: &[&str]) -> Value {
    let params = params.iter().copied().map(Value::from).collect();
    let call = Call { method: format!("supervisor.{method}"), params }.encode();
    let head = "POST /RPC2 HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-type: text/xml\r\n";
    let answer = talk(socket, format!("{head}content-length: {}\r\n\r\n{call}", call.len()).as_bytes());
    let (_, body) = answer.split_once("\r\n\r\n").unwrap();
    decode_answer(body.as_bytes()).unwrap().unwrap()
}

/// The state, the pid and the second that `getAllProcessInfo` tells of a process.
fn told(socket: &Path, name: &str) -> (String, i64, i64) {
    let all = ask(socket, "getAllProcessInfo", &[]);
    let is_it = |info: &&Value| info.member("name").and_then(Value::as_str) == Some(name);
    let info = all.as_array().unwrap().iter().find(is_it).unwrap();
    let int = |member: &str| info.member(member).and_then(Value::as_int).unwrap();
    let state = info.member("statename").and_then(Value::as_str).unwrap();
    (state.to_owned(), int("pid"), int("now"))
}

#[test]
fn what_was_done_is_told_by_the_next_call_in_the_same_second() {
    let it = up(CONFIG);
    let socket = it.socket();
    let socket = Path::new(&socket);
    let mut in_one_second = 0;
    for (method, state) in [("stopProcess", "STOPPED"), ("startProcess", "RUNNING")].repeat(10) {
        let (.., before) = told(socket, "one");
        assert_eq!(ask(socket, method, &["grp:one"]), Value::Bool(true));
        let (found, pid, after) = told(socket, "one");
        assert_eq!((found.as_str(), pid > 0), (state, state == "RUNNING"), "after {method}");
        in_one_second += usize::from(before == after);
    }
    assert!(in_one_second > 0, "no change came within the second of the look before it");
}

#[test]
fn what_happened_by_itself_is_told_in_the_same_second() {
    let it = up(CONFIG);
    let socket = it.socket();
    let socket = Path::new(&socket);
    let mut in_one_second = 0;
    for _ in 0..10 {
        let (_, before, since) = told(socket, "two");
        assert_eq!(ask(socket, "signalProcess", &["grp:two", "KILL"]), Value::Bool(true));
        let at = wait_until("another run of it is told of", || {
            let (_, pid, at) = told(socket, "two");
            (pid > 0 && pid != before).then_some(at)
        });
        in_one_second += usize::from(since == at);
    }
    assert!(in_one_second > 0, "no change was told within the second of the look before it");
}
