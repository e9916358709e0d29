//! Logs: every line once, in order, through rotations, restarts and the death of the supervisor.

use std::io::{BufRead, BufReader};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use procman::protocol::status::Status;

use crate::harness::{Fleet, is_alive, wait_until};
use crate::log_targets::get;

/// Of a numbered line and its end.
const LINE_BYTES: u64 = 18;

fn numbers(text: &str) -> Vec<u64> {
    text.lines().filter_map(|line| line.strip_prefix("line ")?.parse().ok()).collect()
}

#[test]
fn every_line_is_in_the_files_once_through_rotations() {
    let fleet = Fleet::new(
        "[services.a]\ncommand = \"{puppet} lines 20000\"\nrestart = \"never\"\nmin_uptime = \"1ms\"\n\
         log = { max_size = \"20KB\", keep = 1000 }\n",
    );
    fleet.run("up -q").expect(0);
    fleet.run("wait a --for stopped").expect(0);
    assert!(fleet.path().join("logs/a.out.log.5").exists());
    let all = fleet.run("logs a -n 1000000").expect(0).stdout;
    assert_eq!(numbers(&all), (0..20_000).collect::<Vec<_>>());
    assert_eq!(numbers(&fleet.run("logs a -n 3").expect(0).stdout), [19_997, 19_998, 19_999]);
    assert_eq!(numbers(&fleet.run("logs a --grep 00777[89]$").expect(0).stdout), [7_778, 7_779]);
    let json = fleet.run("logs a -n 1 --json --stdout").expect(0).stdout;
    let json: serde_json::Value = serde_json::from_str(json.lines().next().unwrap()).unwrap();
    assert_eq!((json["service"].as_str(), json["stream"].as_str()), (Some("a"), Some("stdout")));
    fleet.run("logs a --grep (").expect(2);
}

#[test]
fn standard_output_and_error_are_apart_and_names_stand_before_the_lines_of_many() {
    let fleet = Fleet::new(
        "[services.a]\ncommand = \"{puppet} out hello err 'oh no' stay\"\nmin_uptime = \"1ms\"\n\
         [services.b]\ncommand = \"{puppet} out there stay\"\nmin_uptime = \"1ms\"\n",
    );
    fleet.run("up -q").expect(0);
    wait_until("the lines are written", || {
        (fleet.read("logs/a.err.log") == "oh no\n" && fleet.read("logs/b.out.log") == "there\n").then_some(())
    });
    wait_until("and the other", || (fleet.read("logs/a.out.log") == "hello\n").then_some(()));
    assert_eq!(fleet.run("logs a --stderr").expect(0).stdout, "oh no\n");
    assert_eq!(fleet.run("logs --stdout --since 1h").expect(0).stdout.lines().count(), 2);
    assert!(fleet.run("logs").expect(0).stdout.contains("b | there"));
    assert_eq!(fleet.run("logs --since 0s").expect(0).stdout, "");
}

#[test]
fn a_follower_sees_lines_through_a_restart() {
    let fleet = Fleet::new("[services.a]\ncommand = \"{puppet} out hello stay\"\nmin_uptime = \"1ms\"\n");
    fleet.run("up -q").expect(0);
    wait_until("the line is written", || (fleet.read("logs/a.out.log") == "hello\n").then_some(()));
    let mut follower = fleet.spawn("logs a -f");
    let mut lines = BufReader::new(follower.stdout.take().unwrap()).lines();
    assert_eq!(lines.next().unwrap().unwrap(), "hello");
    fleet.run("restart a").expect(0);
    assert!(lines.any(|line| line.unwrap() == "hello"));
    drop(lines);
    fleet.run("restart a").expect(0);
    assert!(follower.wait().unwrap().success(), "a reader who leaves ends it quietly");
}

#[test]
fn a_follower_that_is_slower_than_rotation_is_told_of_every_byte_that_it_missed() {
    const LINES: u64 = 400_000;
    let fleet = Fleet::new(&format!(
        "[services.a]\ncommand = \"{{puppet}} out first wait-for go lines {LINES} out last stay\"\nmin_uptime = \"1ms\"\n\
         log = {{ max_size = \"100KB\", keep = 2 }}\n"
    ));
    fleet.run("up -q").expect(0);
    let mut follower = fleet.spawn("logs a -f --json");
    let mut items = BufReader::new(follower.stdout.take().unwrap())
        .lines()
        .map(|line| serde_json::from_str::<serde_json::Value>(&line.unwrap()).unwrap());
    assert_eq!(items.next().unwrap()["line"], "first");
    std::fs::write(fleet.path().join("go"), "").unwrap();
    wait_until("all is written", || fleet.read("logs/a.out.log").ends_with("last\n").then_some(()));
    let (mut seen, mut missing) = (0, 0);
    for item in items.take_while(|item| item["line"] != "last") {
        if item["note"] == "missing" {
            assert_eq!((item["service"].as_str(), item["stream"].as_str()), (Some("a"), Some("stdout")));
            missing += item["bytes"].as_u64().unwrap();
            continue;
        }
        let number: u64 = item["line"].as_str().unwrap().strip_prefix("line ").unwrap().parse().unwrap();
        assert_eq!(number, seen + missing / LINE_BYTES, "lines are in order, and none twice");
        seen += 1;
    }
    assert!(missing > 0, "it was not slower than rotation");
    assert_eq!(seen + missing / LINE_BYTES, LINES);
    let _ = (follower.kill(), follower.wait());
}

#[test]
fn a_log_file_that_cannot_be_written_for_a_while_costs_no_line_through_reloads() {
    let fleet =
        Fleet::new("[services.a]\ncommand = \"{puppet} lines 3000 touch done stay\"\nmin_uptime = \"1ms\"\n");
    // A directory in the place of the file.
    let obstacle = fleet.path().join("logs/a.out.log");
    std::fs::create_dir_all(&obstacle).unwrap();
    fleet.run("up -q").expect(0);
    wait_until("all is in the pipe", || fleet.path().join("done").exists().then_some(()));
    let words = format!("a cannot write {}: ", obstacle.display());
    wait_until("the status says so", || fleet.run("status").expect(0).stdout.contains(&words).then_some(()));
    for seconds in 5..8 {
        fleet.configure(&format!(
            "[services.a]\ncommand = \"{{puppet}} lines 3000 touch done stay\"\nmin_uptime = \"1ms\"\nstop_timeout = \"{seconds}s\"\n"
        ));
        fleet.run("reload").expect(0);
    }
    std::fs::remove_dir(&obstacle).unwrap();
    wait_until("the log is written", || (numbers(&fleet.read("logs/a.out.log")).len() == 3000).then_some(()));
    assert_eq!(numbers(&fleet.read("logs/a.out.log")), (0..3000).collect::<Vec<_>>());
    wait_until("nothing is said of it any more", || fleet.service("a").notes.is_empty().then_some(()));
}

#[test]
fn no_line_is_lost_or_doubled_when_the_supervisor_is_killed() {
    let fleet = Fleet::new(
        "[services.a]\ncommand = \"{puppet} lines 300000 touch done stay\"\nmin_uptime = \"1ms\"\n\
         log = { max_size = \"1MB\", keep = 100 }\n",
    );
    for _ in 0..4 {
        fleet.run("up -q").expect(0);
        let supervisor = fleet.supervisor_pid();
        kill(Pid::from_raw(supervisor), Signal::SIGKILL).unwrap();
        wait_until("the supervisor is dead", || (!is_alive(supervisor)).then_some(()));
    }
    fleet.run("up -q").expect(0);
    wait_until("all is written", || fleet.path().join("done").exists().then_some(()));
    fleet.run("down").expect(0);
    let text = fleet.run("logs a -n 10000000").expect(0).stdout;
    assert_eq!(numbers(&text), (0..300_000).collect::<Vec<_>>());
    let lines = text.lines().filter(|line| !line.starts_with("---"));
    assert_eq!(lines.count(), 300_000, "a line was cut");
}

#[test]
fn the_last_lines_of_a_run_that_ends_beside_its_supervisor_are_kept() {
    let fleet = Fleet::new(
        "[defaults]\nmin_uptime = \"1ms\"\nrestart = \"never\"\n\
         [services.a]\ncommand = \"{puppet} wait-for go lines 20 exit 0\"\n",
    );
    for round in 0..5 {
        fleet.run("up -q").expect(0);
        let (supervisor, service) = (fleet.supervisor_pid(), fleet.service("a").pid.unwrap());
        // Held still, the supervisor reads nothing of what the service writes and leaves behind.
        kill(Pid::from_raw(supervisor), Signal::SIGSTOP).unwrap();
        std::fs::write(fleet.path().join("go"), "").unwrap();
        // Its supervisor does not reap it, so it stays a zombie that has closed all its descriptors.
        wait_until("the service has ended", || (!is_alive(service.as_raw())).then_some(()));
        kill(Pid::from_raw(supervisor), Signal::SIGKILL).unwrap();
        wait_until("the lines are written", || {
            let all: Vec<u64> = (0..=round).flat_map(|_| 0..20).collect();
            (numbers(&fleet.read("logs/a.out.log")) == all).then_some(())
        });
        std::fs::remove_file(fleet.path().join("go")).unwrap();
        wait_until("its end is known", || {
            // The next supervisor may not answer yet.
            let status: Status = serde_json::from_str(&fleet.run("status --json").stdout).ok()?;
            status.services.iter().all(|service| service.pid.is_none()).then_some(())
        });
    }
}

#[test]
fn who_follows_all_services_hears_of_those_that_come_and_is_told_of_those_that_go() {
    let config = |names: &[&str]| {
        let service = |name: &&str| {
            format!(
                "[services.{name}]\ncommand = \"{{puppet}} out {name}-says stay\"\nmin_uptime = \"1ms\"\n"
            )
        };
        names.iter().map(service).collect::<String>()
    };
    let fleet = Fleet::new(&config(&["a", "b"]));
    fleet.run("up -q").expect(0);
    wait_until("both have written", || {
        (!fleet.read("logs/a.out.log").is_empty() && !fleet.read("logs/b.out.log").is_empty()).then_some(())
    });
    let mut follower = fleet.spawn("logs -f");
    let mut lines = BufReader::new(follower.stdout.take().unwrap()).lines().map(Result::unwrap);
    let mut socket = get(&fleet, "/v1/logs?follow=true").lines().map_while(Result::ok);
    // Either one may have been the first to write.
    let is_both =
        |seen: &[String]| ["a-says", "b-says"].iter().all(|it| seen.iter().any(|line| line.contains(it)));
    let (mut shown, mut sent) = (Vec::new(), Vec::new());
    while !is_both(&shown) {
        shown.push(lines.next().unwrap());
    }
    while !is_both(&sent) {
        sent.push(socket.next().unwrap());
    }
    assert!(["a | a-says", "b | b-says"].iter().all(|it| shown.iter().any(|line| line == it)), "{shown:?}");
    fleet.configure(&config(&["a", "later"]));
    fleet.run("reload").expect(0);
    let (mut told, mut heard) = (Vec::new(), Vec::new());
    let is_all = |lines: &[String], removed: &str| {
        lines.iter().any(|line| line.contains("later-says"))
            && lines.iter().any(|line| line.contains(removed))
    };
    while !is_all(&told, "removed: there is no such service any more") {
        told.push(lines.next().unwrap());
    }
    while !is_all(&heard, "\"note\":\"removed\"") {
        heard.push(socket.next().unwrap());
    }
    assert!(told.contains(&"later | later-says".to_owned()), "{told:?}");
    let of_b: Vec<&String> = told.iter().filter(|line| line.starts_with("b     |")).collect();
    assert!(of_b.len() >= 2 && of_b[of_b.len() - 1].contains("removed"), "{told:?}");
    assert!(of_b[of_b.len() - 2].contains("was ended by SIGTERM"), "its end comes before: {told:?}");
    fleet.run("scale later=2").expect(0);
    assert!(lines.any(|line| line == "later-2 | later-says"));
    assert!(socket.any(|line| line.contains("later-2")));
    fleet.configure(&config(&["a", "b", "later"]));
    fleet.run("reload").expect(0);
    assert!(
        lines.any(|line| line == "b       | b-says"),
        "it is back, and what it wrote before is not shown again"
    );
    let _ = (follower.kill(), follower.wait());
}

#[test]
fn a_damaged_log_file_is_named_and_hides_no_line_of_another() {
    let fleet = Fleet::new("[services.a]\ncommand = \"true\"\n[services.b]\ncommand = \"true\"\n");
    let write = |file: &str, text: &str| std::fs::write(fleet.path().join("logs").join(file), text).unwrap();
    std::fs::create_dir_all(fleet.path().join("logs")).unwrap();
    write("a.out.log.2.gz", "");
    write("a.out.log.1", "needle 1\n");
    write("a.out.log", "needle 2\n");
    write("b.out.log", "needle 3\n");
    for asked in ["logs", "logs --grep needle", "logs -n 9 --grep needle"] {
        let text = fleet.run(asked).expect(0).stdout;
        assert_eq!(text.matches("needle").count(), 3, "{asked}: {text}");
        assert_eq!(text.matches("cannot read ").count(), 1, "{asked}: {text}");
        assert!(
            text.contains("logs/a.out.log.2.gz from here on: unexpected end of file."),
            "{asked}: {text}"
        );
    }
    let raw = fleet.run("logs a --raw").expect(0).says(&["a: ", "a.out.log.2.gz from here on"]);
    assert_eq!(raw.stdout, "needle 1\nneedle 2\n");
    let json = fleet.run("logs --json").expect(0).stdout;
    let notes: Vec<serde_json::Value> = json
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .filter(|item: &serde_json::Value| item["note"] == "unreadable")
        .collect();
    assert_eq!(notes.len(), 1, "{json}");
    assert_eq!((notes[0]["service"].as_str(), notes[0]["stream"].as_str()), (Some("a"), Some("stdout")));
    assert!(notes[0]["file"].as_str().unwrap().ends_with("logs/a.out.log.2.gz"), "{json}");
    assert_eq!(notes[0]["detail"], "unexpected end of file");
}
