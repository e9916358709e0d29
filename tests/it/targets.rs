//! Who is told of changes: commands and webhooks, and what becomes of what cannot be told.

use std::io::{Read, Write};
use std::net::TcpListener;
use std::sync::mpsc;
use std::time::{Duration, Instant};

use procman::vocab::state::State;
use serde_json::Value;

use crate::harness::{DEADLINE, Fleet, free_port, wait_until};

/// A server that takes JSON by POST, and passes each on.
fn server() -> (u16, mpsc::Receiver<Value>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let (sender, posts) = mpsc::channel();
    std::thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            let mut got = Vec::new();
            let mut buffer = [0; 4096];
            let body = loop {
                let count = stream.read(&mut buffer).unwrap_or(0);
                got.extend_from_slice(&buffer[..count]);
                let text = String::from_utf8_lossy(&got).into_owned();
                let body = text.split_once("\r\n\r\n").and_then(|(_, body)| serde_json::from_str(body).ok());
                match body {
                    Some(body) => break body,
                    None if count == 0 => return,
                    None => (),
                }
            };
            let _ = stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n");
            if sender.send(body).is_err() {
                return;
            }
        }
    });
    (port, posts)
}

#[test]
fn commands_and_webhooks_are_told_what_they_asked_for_and_what_cannot_be_told_is_counted() {
    let (port, posts) = server();
    let nobody = free_port();
    let fleet = Fleet::new(&format!(
        "[notify.hook]\nwebhook = \"http://127.0.0.1:{port}/hook\"\nservices = [\"bad\"]\n\
         [notify.script]\ncommand = [\"sh\", \"-c\", \"cat >> told\"]\non = [\"running\", \"stopped\"]\n\
         [notify.gone]\nwebhook = \"http://127.0.0.1:{nobody}/\"\n\
         [services.bad]\ncommand = \"{{puppet}} err KeyError exit 3\"\nbackoff = {{ max_retries = 0 }}\n\
         [services.good]\ncommand = \"{{puppet}} stay\"\nmin_uptime = \"20ms\"\n"
    ));
    fleet.run("up").expect(1);
    fleet.wait_for_state("bad", State::Fatal);
    let post = posts.recv_timeout(Duration::from_secs(20)).unwrap();
    assert_eq!((&post["event"], &post["target"]), (&Value::from("fatal"), &Value::from("hook")));
    assert_eq!((&post["service"], &post["exit"]["code"]), (&Value::from("bad"), &Value::from(3)));
    assert!(post["reason"].as_str().unwrap().contains("KeyError"), "{post}");
    fleet.run("stop good").expect(0);
    let told = wait_until("the script was told twice", || {
        let lines = fleet.read("told");
        let told: Vec<Value> = lines.lines().filter_map(|line| serde_json::from_str(line).ok()).collect();
        (told.len() == 2).then_some(told)
    });
    let events: Vec<(&Value, &Value)> = told.iter().map(|told| (&told["service"], &told["event"])).collect();
    let [good, running, stopped] = ["good", "running", "stopped"].map(Value::from);
    assert_eq!(events, [(&good, &running), (&good, &stopped)]);
    let views = wait_until("what cannot be told is counted", || {
        let views = fleet.status().supervisor.notify;
        views.iter().any(|view| view.failed == 1).then_some(views)
    });
    let counts: Vec<(&str, u64, u64)> =
        views.iter().map(|it| (it.name.as_str(), it.sent, it.failed)).collect();
    assert_eq!(counts, [("gone", 0, 1), ("hook", 1, 0), ("script", 2, 0)]);
    let table = fleet.run("status").stdout;
    assert!(table.contains("notify.gone: 1 change could not be told"), "{table}");
    assert!(posts.try_recv().is_err(), "what nobody asked for is not told");
}

#[test]
fn a_target_that_hangs_holds_up_nobody_and_a_reload_takes_another_in() {
    let hanging = "[notify.slow]\ncommand = \"sleep 60\"\non = [\"running\", \"stopped\", \"starting\"]\ntimeout = \"50s\"\n";
    let services = "[services.api]\ncommand = \"{puppet} stay\"\nmin_uptime = \"20ms\"\n";
    let fleet = Fleet::new(&format!("{hanging}{services}"));
    fleet.run("up").expect(0);
    let start = Instant::now();
    for _ in 0..3 {
        fleet.run("restart api").expect(0);
    }
    assert!(start.elapsed() < DEADLINE);
    assert!(fleet.status().supervisor.notify[0].waiting > 2);
    fleet.configure(&format!(
        "[notify.quick]\ncommand = [\"sh\", \"-c\", \"cat >> told\"]\non = [\"stopped\"]\n{services}"
    ));
    let reloaded = fleet.run("reload").expect(0).stdout;
    assert_eq!(reloaded, "~ notify.quick, notify.slow changed (applies as it runs)\n");
    // What is to be told is told before the supervisor ends.
    fleet.run("down").expect(0);
    assert!(fleet.read("told").contains("\"event\":\"stopped\""));
    fleet.wait_until_nothing_lives();
}
