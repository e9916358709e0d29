//! Marks between the lines of two runs: how the one ended, and that the next one began.

use std::io::{BufRead, BufReader};
use std::os::fd::AsFd;
use std::process::Child;

use nix::poll::{PollFd, PollFlags};
use serde_json::Value;

use crate::harness::{Fleet, wait_until};
use crate::log_targets::{body_of, lines_of};

/// Two runs of a service that says hello, the first one ended by a person.
fn two_runs() -> Fleet {
    let fleet = Fleet::new("[services.a]\ncommand = \"{puppet} out hello stay\"\nmin_uptime = \"1ms\"\n");
    fleet.run("up -q").expect(0);
    wait_until("it says hello", || (fleet.read("logs/a.out.log") == "hello\n").then_some(()));
    fleet.run("restart a").expect(0);
    wait_until("it says so again", || (fleet.read("logs/a.out.log") == "hello\nhello\n").then_some(()));
    let records = fleet.paths().history.join("a.ndjson");
    let count = || std::fs::read_to_string(&records).map_or(0, |text| text.lines().count());
    wait_until("both beginnings and the end are recorded", || (count() == 3).then_some(()));
    fleet
}

/// `line`, or what a mark tells.
fn kinds(items: &[Value]) -> Vec<&str> {
    items.iter().map(|item| item["mark"].as_str().unwrap_or("line")).collect()
}

#[test]
fn the_end_of_a_run_and_the_beginning_of_the_next_stand_between_their_lines() {
    let fleet = two_runs();
    let text = fleet.run("logs a").expect(0).stdout;
    let lines: Vec<&str> = text.lines().collect();
    let [first, ended, began, second] = lines[..] else { panic!("{text}") };
    assert_eq!((first, second), ("hello", "hello"));
    assert!(ended.starts_with("--- 20") && ended.ends_with(" ---"), "{ended}");
    assert!(ended.contains(" was ended by SIGTERM after ") && ended.contains("`procman restart`"), "{ended}");
    let pid = fleet.service("a").pid.unwrap();
    assert!(began.ends_with(&format!(" began (pid {pid}) ---")), "{began}");
    assert_eq!(fleet.read("logs/a.out.log"), "hello\nhello\n", "the file has what the service wrote");
    assert_eq!(fleet.run("logs a --color always").expect(0).stdout.matches("\x1b[2m--- ").count(), 2);
    fleet.run("down").expect(0);
    let after = fleet.run("logs a -n 1").expect(0).stdout;
    assert!(after.starts_with("hello\n--- ") && after.contains("`procman down`"), "{after}");
}

#[test]
fn a_run_that_ends_without_a_newline_shares_no_line_with_the_next_one_for_who_reads() {
    let fleet = Fleet::new(
        "[services.a]\ncommand = [\"sh\", \"-c\", \"printf one; exec sleep 1000\"]\nmin_uptime = \"1ms\"\n",
    );
    fleet.run("up -q").expect(0);
    wait_until("it writes", || (fleet.read("logs/a.out.log") == "one").then_some(()));
    let mut follower = fleet.spawn("logs a -f --json");
    let mut told = BufReader::new(follower.stdout.take().unwrap()).lines();
    let mut next = || serde_json::from_str::<Value>(&told.next().unwrap().unwrap()).unwrap();
    assert_eq!(next()["line"], "one");
    fleet.run("restart a").expect(0);
    wait_until("it writes again", || (fleet.read("logs/a.out.log") == "oneone").then_some(()));
    assert_eq!(kinds(&[next(), next()]), ["ended", "began"]);
    assert_eq!(next()["line"], "one");
    fleet.run("down").expect(0);
    assert_eq!(next()["mark"], "ended");
    let _ = (follower.kill(), follower.wait());
    let text = fleet.run("logs a").expect(0).stdout;
    let lines: Vec<&str> = text.lines().collect();
    assert!(lines.len() == 5 && lines[0] == "one" && lines[3] == "one", "{text}");
    assert_eq!(fleet.run("logs a -n 1").expect(0).stdout.lines().next(), Some("one"));
    assert_eq!(fleet.run("logs a --grep ^one$").expect(0).stdout, "one\none\n");
    assert_eq!(fleet.run("logs a --raw").expect(0).stdout, "oneone", "bytes are as they were written");
}

#[test]
fn of_a_service_without_a_log_file_is_told_where_its_output_goes() {
    let fleet = Fleet::new(
        "[services.a]\ncommand = \"{puppet} stay\"\nstdout = \"null\"\nstderr = \"inherit\"\n\
         [services.b]\ncommand = \"{puppet} stay\"\n",
    );
    let told = |words: &str| fleet.run(words).expect(0).stderr;
    assert!(
        told("logs a")
            .contains("`a` has no log file to show: its output goes where the supervisor's own does")
    );
    assert!(told("logs a --stdout").contains("its output goes nowhere"));
    assert!(told("logs b").contains("`b` has written nothing yet"));
    assert_eq!(told("logs") + &told("logs b -q") + &told("logs a -q"), "");
}

#[test]
fn marks_are_of_the_lines_that_are_shown_and_searches_find_none() {
    let fleet = two_runs();
    let count = |words: &str| fleet.run(words).expect(0).stdout.lines().count();
    assert_eq!(count("logs a -n 1"), 1);
    assert_eq!(count("logs a -n 2"), 4);
    assert_eq!(count("logs a --stdout --since 1h"), 4);
    assert_eq!(count("logs a --grep hello"), 2);
    assert_eq!(count("logs a --stderr"), 1, "of a stream without lines the last mark tells how it is");
    assert_eq!(count("logs a --since 0s"), 0);
    assert_eq!(count("logs a --until 1h"), 0);
}

#[test]
fn a_mark_in_json_is_an_object_of_its_own_kind_also_over_the_socket() {
    let fleet = two_runs();
    for text in [fleet.run("logs a --json").expect(0).stdout, body_of(&fleet, "/v1/logs?services=a")] {
        let items = lines_of(&text);
        assert_eq!(kinds(&items), ["line", "ended", "began", "line"]);
        let (line, ended, began) = (&items[0], &items[1], &items[2]);
        let keys: Vec<&String> = line.as_object().unwrap().keys().collect();
        assert_eq!(keys, ["line", "service", "stream", "time"]);
        assert_eq!((&ended["service"], &ended["exit"]["signal"]), (&"a".into(), &"SIGTERM".into()));
        assert_eq!((&ended["class"], &ended["by"]["means"]), (&"operator".into(), &"restart".into()));
        assert!(ended.get("line").is_none() && began["run"].as_u64() > ended["run"].as_u64());
        let raw_pid = fleet.service("a").pid.unwrap().as_raw();
        assert_eq!(began["pid"].as_i64(), Some(i64::from(raw_pid)));
    }
}

#[test]
fn a_follower_sees_how_runs_end_and_begin_when_that_comes() {
    let fleet = Fleet::new(
        "[services.a]\ncommand = \"{puppet} out hello wait-for go err oh exit 3\"\nrestart = \"never\"\nmin_uptime = \"1ms\"\n",
    );
    fleet.run("up -q").expect(0);
    wait_until("it says hello", || (fleet.read("logs/a.out.log") == "hello\n").then_some(()));
    let mut follower = fleet.spawn("logs a -f --json");
    let mut lines = BufReader::new(follower.stdout.take().unwrap()).lines();
    let mut next = || serde_json::from_str::<Value>(&lines.next().unwrap().unwrap()).unwrap();
    assert_eq!(next()["line"], "hello");
    std::fs::write(fleet.path().join("go"), "").unwrap();
    assert_eq!(next()["line"], "oh");
    let ended = next();
    assert_eq!((&ended["mark"], &ended["exit"]["code"]), (&"ended".into(), &3.into()));
    std::fs::remove_file(fleet.path().join("go")).unwrap();
    fleet.run("start a").expect(0);
    assert_eq!(next()["mark"], "began");
    assert_eq!(next()["line"], "hello");
    drop(lines);
    fleet.run("stop a").expect(0);
    assert!(follower.wait().unwrap().success(), "a reader who leaves ends it quietly");
}

#[test]
fn events_tell_the_last_words_of_a_run_that_another_follows_at_once() {
    let fleet = Fleet::new(
        "[services.a]\ncommand = \"{puppet} wait-for go err 'no such price' exit 3\"\nmin_uptime = \"1ms\"\n\
         [services.bell]\ncommand = \"{puppet} stay\"\nmin_uptime = \"1ms\"\n",
    );
    fleet.run("up -q").expect(0);
    let (mut events, mut json) = (fleet.spawn("events"), fleet.spawn("events --json"));
    let lines = |child: &mut Child| {
        let out = child.stdout.take().unwrap();
        wait_until("it listens", || {
            fleet.run("restart bell").expect(0);
            let mut poll = [PollFd::new(out.as_fd(), PollFlags::POLLIN)];
            (nix::poll::poll(&mut poll, 50_u16) == Ok(1)).then_some(())
        });
        BufReader::new(out).lines()
    };
    let (mut told, mut objects) = (lines(&mut events), lines(&mut json));
    std::fs::write(fleet.path().join("go"), "").unwrap();
    assert!(
        told.any(|line| line
            .unwrap()
            .contains("a starting: the run before exited with code 3: no such price"))
    );
    assert!(objects.any(|line| line.unwrap().contains("\"last_words\":\"no such price\"")));
    let _ = (events.kill(), events.wait(), json.kill(), json.wait());
    let why = fleet.run("why a").expect(0).stdout;
    assert!(why.contains("no such price"), "{why}");
}

#[test]
fn runs_that_say_nothing_leave_their_last_mark() {
    let fleet = Fleet::new(
        "[services.a]\ncommand = \"{puppet} exit 3\"\nrestart = \"never\"\nmin_uptime = \"1ms\"\n",
    );
    fleet.run("up -q");
    let said = || Some(fleet.run("logs a").expect(0).stdout).filter(|text| !text.is_empty());
    let text = wait_until("its end is told", said);
    assert!(text.contains("exited with code 3 after") && text.lines().count() == 1, "{text}");
}

#[test]
fn a_crash_loop_has_a_mark_between_each_two_runs_in_order() {
    let fleet = Fleet::new(
        "[services.a]\ncommand = \"{puppet} out one out two exit 1\"\nmin_uptime = \"1ms\"\n\
         backoff = { initial = \"1ms\", max = \"1ms\", max_retries = 5 }\n",
    );
    fleet.run("up -q");
    wait_until("it is given up", || (fleet.service("a").state.to_string() == "fatal").then_some(()));
    let items = wait_until("its last end is told", || {
        let items = lines_of(&fleet.run("logs a --json").expect(0).stdout);
        (items.last()?["mark"] == "ended").then_some(items)
    });
    let of_run = ["line", "line", "ended", "began"];
    let kinds = kinds(&items);
    assert!(kinds.len() > 8, "{kinds:?}");
    for (at, kind) in kinds.iter().enumerate() {
        assert_eq!(*kind, of_run[at % 4], "{kinds:?}");
    }
    assert_eq!(kinds.len() % 4, 3);
}
