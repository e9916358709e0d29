//! What people are told of lines that are long, lost, removed or nowhere.

use std::fs;
use std::io::{BufRead, BufReader};
use std::os::unix::net::UnixDatagram;

use procman::vocab::state::State;

use crate::harness::{Fleet, wait_until};

#[test]
fn a_last_line_of_any_length_leaves_room_for_the_rest_of_what_is_told() {
    // Of a line that is longer than what is read back, the end is told.
    for (length, told) in [(40_000, ": disk on fire xxx"), (100_000, "xxx or not")] {
        let line = format!("disk on fire {} or not", "x".repeat(length));
        let fleet = Fleet::new(&format!(
            "[services.a]\ncommand = \"{{puppet}} err '{line}' exit 3\"\nrestart = \"never\"\n"
        ));
        let up = fleet.run("up").expect(1);
        assert!(up.stderr.len() + up.stdout.len() < 4000, "{} bytes", up.stderr.len() + up.stdout.len());
        let reason = fleet.wait_for_state("a", State::Exited).reason.unwrap();
        assert!(reason.starts_with("exited with code 3") && reason.contains(told), "{reason}");
        assert!(reason.contains('…') && reason.len() < 600, "{reason}");
        for words in ["status", "why a"] {
            let said = fleet.run(words).stdout;
            assert!(said.contains(told) && said.len() < 3000, "{words}: {} bytes", said.len());
        }
    }
}

#[test]
fn of_a_stream_that_goes_nowhere_no_file_is_named_and_what_to_write_for_one() {
    let fleet = Fleet::new(
        "[services.a]\ncommand = \"{puppet} out hello err oh stay\"\nmin_uptime = \"1ms\"\nstdout = \"null\"\n\
         [services.b]\ncommand = \"{puppet} stay\"\nstderr = \"stdout\"\n",
    );
    let check = || {
        let (a, b) = (fleet.service("a"), fleet.service("b"));
        assert_eq!(a.stdout_log, None);
        assert!(a.stderr_log.unwrap().ends_with("logs/a.err.log"));
        assert_eq!(b.stdout_log, b.stderr_log);
        assert!(b.stderr_log.unwrap().ends_with("logs/b.out.log"));
    };
    check();
    fleet.run("up -q").expect(0);
    check();
    let said = fleet.run("logs a --stdout").expect(0).stderr;
    assert!(said.contains("goes nowhere (the config may name \"file\" in place of \"null\")"), "{said}");
}

#[test]
fn of_files_that_are_not_kept_it_is_told_that_they_are_removed() {
    let fleet = Fleet::new(
        "[defaults]\nmin_uptime = \"1ms\"\nstderr = \"stdout\"\nlog = { keep = 0 }\n\
         [services.a]\ncommand = \"{puppet} out hello stay\"\n\
         [services.b]\ncommand = \"sh -c 'printf oh; exec sleep 600'\"\n",
    );
    fleet.run("up -q").expect(0);
    wait_until("they have written", || {
        (fleet.read("logs/a.out.log") == "hello\n" && fleet.read("logs/b.out.log") == "oh").then_some(())
    });
    let said = fleet.run("logs --rotate-now b").expect(0).stdout;
    assert!(said.ends_with("as soon as its last line ends: it is removed then, for `keep` is 0\n"), "{said}");
    let said = fleet.run("logs --rotate-now a").expect(0).stdout;
    assert!(said.ends_with("a.out.log: removed (`keep` is 0)\n") && !said.contains("aside"), "{said}");
    assert!(!fleet.path().join("logs/a.out.log").exists());
    let said = fleet.run("logs a").expect(0).stderr;
    assert!(said.contains("`a` has no log file at the moment: none that is set aside is kept"), "{said}");
    let again = fleet.run("logs --rotate-now a --json").expect(0).stdout;
    assert_eq!(serde_json::from_str::<serde_json::Value>(&again).unwrap()["results"][0]["outcome"], "empty");
}

#[test]
fn logs_that_nobody_can_look_for_are_not_said_to_be_empty() {
    let fleet = Fleet::new("[services.a]\ncommand = \"{puppet} out hello stay\"\nmin_uptime = \"1ms\"\n");
    fleet.run("up -q").expect(0);
    wait_until("it has written", || (fleet.read("logs/a.out.log") == "hello\n").then_some(()));
    fleet.run("down").expect(0);
    // Root may enter every directory, but not one that is a link to itself.
    fs::rename(fleet.path().join("logs"), fleet.path().join("elsewhere")).unwrap();
    std::os::unix::fs::symlink("logs", fleet.path().join("logs")).unwrap();
    for words in ["logs", "logs -n 2", "logs a", "logs a --json", "logs a -f", "logs a --grep hello"] {
        let ran = fleet.run(words).expect(1).says(&["cannot read the logs", "logs/a.out.log: "]);
        assert!(!ran.stderr.contains("nothing yet"), "{words}: {}", ran.stderr);
    }
    fs::remove_file(fleet.path().join("logs")).unwrap();
    fs::rename(fleet.path().join("elsewhere"), fleet.path().join("logs")).unwrap();
    assert!(fleet.run("logs a").expect(0).stdout.contains("hello"));
}

#[test]
fn what_only_another_supervisor_takes_over_is_told_until_one_has() {
    let config = |level: &str, count: u32| {
        format!(
            "[supervisor]\nlog_level = \"{level}\"\n\
             [services.a]\ncommand = \"{{puppet}} stay\"\nmin_uptime = \"{count}ms\"\n"
        )
    };
    let fleet = Fleet::new(&config("info", 1));
    fleet.run("up -q").expect(0);
    let check = |level: &str, count, words: &str, last: &str| {
        fleet.configure(&config(level, count));
        let ran = fleet.run(words).expect(0);
        assert_eq!(ran.stderr.trim_end(), last, "{}", ran.stdout);
    };
    let told = || fleet.run("status").expect(0).stdout;
    check("warn", 1, "reload --dry-run", "nothing was touched");
    for _ in 0..2 {
        // It differs until another supervisor has taken it over.
        check("warn", 1, "reload", "nothing else differs");
        assert!(told().contains("(1 difference): `procman restart` takes it over"), "{}", told());
    }
    check("warn", 2, "reload", "the rest is applied");
    check("info", 2, "reload", "nothing differs");
    assert!(!told().contains("the config on disk"), "{}", told());
    // The next supervisor goes by the file, and not by what an earlier reload had taken from it.
    fleet.run("upgrade").expect(0);
    check("info", 2, "reload", "nothing differs");
    check("debug", 2, "reload", "nothing else differs");
    fleet.run("upgrade").expect(0);
    check("debug", 2, "reload", "nothing differs");
    assert!(!told().contains("the config on disk"), "{}", told());
}

#[test]
fn a_follower_is_told_of_what_scaling_removed_and_the_config_never_had() {
    let fleet = Fleet::new(
        "[services.tick]\ncommand = \"{puppet} out hello stay\"\nmin_uptime = \"1ms\"\nreplicas = 2\n",
    );
    fleet.run("up -q").expect(0);
    wait_until("it has written", || (fleet.read("logs/tick-2.out.log") == "hello\n").then_some(()));
    let mut follower = fleet.spawn("logs -f");
    let mut lines = BufReader::new(follower.stdout.take().unwrap()).lines().map(Result::unwrap);
    assert!(lines.any(|line| line == "tick-2 | hello"));
    fleet.run("scale tick=1").expect(0);
    let removed = lines.find(|line| line.contains("removed: ")).unwrap();
    assert!(
        removed.starts_with("tick-2 |") && removed.contains("there is no such service any more"),
        "{removed}"
    );
    let _ = (follower.kill(), follower.wait());
}

#[test]
fn lines_that_a_daemon_did_not_take_are_told_with_its_name_the_cause_and_what_has_them() {
    let fleet = Fleet::new(
        "[supervisor]\nsyslog_socket = \"dev-log\"\njournald_socket = \"journal\"\n\
         [services.a]\ncommand = \"{puppet} out hello wait-for go out more stay\"\nmin_uptime = \"1ms\"\n\
         stdout = [\"file\", \"syslog\", \"journald\"]\nstderr = \"null\"\n\
         [services.b]\ncommand = \"{puppet} wait-for go out more stay\"\nmin_uptime = \"1ms\"\nstdout = \"syslog\"\n",
    );
    let daemon = UnixDatagram::bind(fleet.path().join("dev-log")).unwrap();
    let _journal = UnixDatagram::bind(fleet.path().join("journal")).unwrap();
    fleet.run("up -q").expect(0);
    wait_until("it has written", || (fleet.read("logs/a.out.log") == "hello\n").then_some(()));
    assert_eq!(fleet.service("a").notes, Vec::<String>::new());
    let socket = fleet.path().join("dev-log");
    drop(daemon);
    // A child that another test is forking at this moment may have it for a while.
    wait_until("nobody listens", || UnixDatagram::unbound().unwrap().connect(&socket).is_err().then_some(()));
    fs::write(fleet.path().join("go"), "").unwrap();
    let notes_of = |name: &str| {
        wait_until("it is noted", || Some(fleet.service(name).notes).filter(|notes| !notes.is_empty()))
    };
    let lost = format!("lost 1 line (5 B) on the way to syslog on {}: ", socket.display());
    let [of_a, of_b] = ["a", "b"].map(notes_of).map(|notes| notes.join("\n"));
    assert!(of_a.starts_with(&lost) && of_a.contains("Connection refused"), "{of_a}");
    assert!(of_a.ends_with("; its log file has all of it") && !of_a.contains('\n'), "{of_a}");
    assert!(of_b.starts_with(&lost) && of_b.ends_with("(os error 111)"), "{of_b}");
    assert_eq!(fleet.read("logs/a.out.log"), "hello\nmore\n");
    assert_eq!(fleet.service("a").dropped_lines, 1);
}
