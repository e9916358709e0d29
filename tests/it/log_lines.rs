//! Lines as services write them: very long, without an end, no text, or meant for a terminal.

use std::io::{BufRead, BufReader, Read};
use std::process::{Command, Stdio};

use serde_json::Value;

use crate::harness::{Fleet, procman, wait_until};
use crate::log_targets::get;

const LONG: usize = 100_000_000;

/// `procman WORDS`, unless it takes more memory than a line of [`LONG`] bytes would.
fn in_little_memory(fleet: &Fleet, words: &str) -> Command {
    let mut command = Command::new("sh");
    let script = format!("ulimit -v 90000 2>/dev/null; exec {} {words}", procman().display());
    command.args(["-c", &script]).current_dir(fleet.path()).env("NO_COLOR", "1").stdin(Stdio::null());
    command
}

#[test]
fn a_line_of_100_mb_is_kept_and_read_whole_in_little_memory() {
    let fleet = Fleet::new(
        "[services.a]\ncommand = ['sh', '-c', 'while ! test -e go; do sleep 0.02; done; \
         head -c 100000000 /dev/zero | tr \"\\000\" x; echo; echo after; exec sleep 600']\nmin_uptime = \"1ms\"\n",
    );
    fleet.run("up -q").expect(0);
    let mut follower = in_little_memory(&fleet, "logs a -f --raw").stdout(Stdio::piped()).spawn().unwrap();
    std::fs::write(fleet.path().join("go"), "").unwrap();
    let expected = [vec![b'x'; LONG], b"\nafter\n".to_vec()].concat();
    let is_whole = |text: &[u8]| assert!(text == expected, "{} bytes are not what was written", text.len());
    let mut followed = vec![0; expected.len()];
    follower.stdout.take().unwrap().read_exact(&mut followed).unwrap();
    let _ = (follower.kill(), follower.wait());
    is_whole(&followed);
    drop(followed);
    for words in ["logs a --raw", "logs a -n 2"] {
        let read = in_little_memory(&fleet, words).output().unwrap();
        assert!(read.status.success(), "{words}: {}", String::from_utf8_lossy(&read.stderr));
        is_whole(&read.stdout);
    }
    let last = in_little_memory(&fleet, "logs a --json -n 1").output().unwrap().stdout;
    assert!(String::from_utf8(last).unwrap().contains("\"line\":\"after\"}"));
    if cfg!(target_os = "linux") {
        let status = std::fs::read_to_string(format!("/proc/{}/status", fleet.supervisor_pid())).unwrap();
        let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")?.trim().strip_suffix(" kB"));
        let peak_kb: u64 = peak.unwrap().parse().unwrap();
        assert!(peak_kb < 60_000, "the supervisor took {peak_kb} kB");
    }
}

#[test]
fn a_line_whose_end_does_not_come_is_shown_all_the_same() {
    let fleet = Fleet::new(
        "[services.a]\ncommand = ['sh', '-c', 'printf \"hello\\npassword: \"; exec sleep 600']\nmin_uptime = \"1ms\"\n",
    );
    fleet.run("up -q").expect(0);
    wait_until("it asks", || (fleet.read("logs/a.out.log") == "hello\npassword: ").then_some(()));
    assert_eq!(fleet.run("logs a").expect(0).stdout, "hello\npassword: \n");
    assert_eq!(fleet.run("logs a --raw -n 1").expect(0).stdout, "password: ");
    let mut follower = fleet.spawn("logs a -f");
    let mut seen = [0; 16];
    follower.stdout.take().unwrap().read_exact(&mut seen).unwrap();
    assert_eq!(&seen, b"hello\npassword: ");
    let _ = (follower.kill(), follower.wait());
}

#[test]
fn who_follows_is_told_when_an_old_line_without_an_end_arrived_and_then_of_its_rest_alone() {
    let fleet = Fleet::new(
        "[services.a]\ncommand = ['sh', '-c', 'echo hello; printf \"password: \"; \
         while ! test -e go; do sleep 0.02; done; echo right; exec sleep 600']\nmin_uptime = \"1ms\"\n",
    );
    fleet.run("up -q").expect(0);
    let parse = |line: &str| serde_json::from_str::<Value>(line).unwrap();
    let mut asked = wait_until("it has asked for more than a second", || {
        let asked = fleet.run("logs a --json -n 1").expect(0).stdout;
        let asked = (!asked.is_empty()).then(|| parse(&asked)).filter(|it| it["line"] == "password: ")?;
        let arrived: jiff::Timestamp = asked["time"].as_str()?.parse().ok()?;
        (jiff::Timestamp::now().duration_since(arrived).as_millis() > 1100).then_some(asked)
    });
    asked["partial"] = true.into();
    let mut follower = fleet.spawn("logs a -f --json -n 1");
    let mut lines = BufReader::new(follower.stdout.take().unwrap()).lines().map(Result::unwrap);
    let mut socket = get(&fleet, "/v1/logs?services=a&follow=true&lines=1").lines().map_while(Result::ok);
    let mut told = || {
        let of_socket = socket.find(|line| line.starts_with('{')).unwrap();
        [parse(&lines.next().unwrap()), parse(&of_socket)]
    };
    assert_eq!(told(), [asked.clone(), asked]);
    std::fs::write(fleet.path().join("go"), "").unwrap();
    for rest in told() {
        assert_eq!((rest["line"].as_str(), rest.get("partial")), (Some("right"), None));
    }
    let _ = (follower.kill(), follower.wait());
}

#[test]
fn what_is_no_text_and_what_drives_terminals_is_shown_harmless_and_kept_as_it_is() {
    let fleet = Fleet::new(
        "[services.a]\ncommand = ['sh', '-c', 'printf \"\\033[31mred\\377\\007\\r\\n\"; exec sleep 600']\nmin_uptime = \"1ms\"\n",
    );
    fleet.run("up -q").expect(0);
    let line = b"\x1b[31mred\xff\x07\r\n";
    let file = fleet.path().join("logs/a.out.log");
    wait_until("it is written", || (std::fs::read(&file).ok()? == line).then_some(()));
    let shown = "\\u{1b}[31mred\u{fffd}\\u{7}\n";
    assert_eq!(fleet.run("logs a").expect(0).stdout, shown);
    assert_eq!(fleet.run("logs a --color always").expect(0).stdout, shown);
    assert_eq!(fleet.command("logs a --raw").output().unwrap().stdout, line);
    let json: serde_json::Value = serde_json::from_str(&fleet.run("logs a --json").expect(0).stdout).unwrap();
    assert_eq!(json["line"], "\x1b[31mred\u{fffd}\x07\r");
}

#[test]
fn services_have_colours_of_their_own_unless_no_colour_is_wanted() {
    let fleet = Fleet::new(
        "[services.a]\ncommand = \"{puppet} out one stay\"\nmin_uptime = \"1ms\"\n\
         [services.b]\ncommand = \"{puppet} out two stay\"\nmin_uptime = \"1ms\"\n",
    );
    fleet.run("up -q").expect(0);
    wait_until("both have written", || {
        (!fleet.read("logs/a.out.log").is_empty() && !fleet.read("logs/b.out.log").is_empty()).then_some(())
    });
    let shown = |words: &str, variables: &[(&str, &str)]| {
        let mut command = fleet.command(words);
        command.env_remove("NO_COLOR").envs(variables.iter().copied());
        String::from_utf8(command.output().unwrap().stdout).unwrap()
    };
    let plain = |text: &str| text.lines().filter(|line| ["a | one", "b | two"].contains(line)).count() == 2;
    let coloured =
        |text: &str| text.contains("\x1b[36ma |\x1b[0m one") && text.contains("\x1b[32mb |\x1b[0m two");
    assert!(plain(&shown("logs", &[])), "a pipe gets no colours");
    assert!(coloured(&shown("logs", &[("CLICOLOR_FORCE", "1")])));
    assert!(plain(&shown("logs", &[("CLICOLOR_FORCE", "1"), ("NO_COLOR", "1")])));
    assert!(coloured(&shown("logs --color always", &[("NO_COLOR", "1")])));
    assert!(plain(&shown("logs --color never", &[("CLICOLOR_FORCE", "1")])));
}

#[test]
fn a_reader_that_does_not_read_costs_its_service_nothing() {
    let fleet = Fleet::new(
        "[services.a]\ncommand = \"{puppet} out first wait-for go lines 300000 touch done stay\"\nmin_uptime = \"1ms\"\n",
    );
    fleet.run("up -q").expect(0);
    let mut readers: Vec<_> = (0..3).map(|_| fleet.spawn("logs a -f")).collect();
    for reader in &mut readers {
        reader.stdout.as_mut().unwrap().read_exact(&mut [0; 6]).unwrap();
    }
    std::fs::write(fleet.path().join("go"), "").unwrap();
    wait_until("the service has written all", || fleet.path().join("done").exists().then_some(()));
    for mut reader in readers {
        drop(reader.stdout.take());
        assert!(reader.wait().unwrap().success(), "a reader whose own reader leaves ends quietly");
    }
}

#[test]
fn what_a_tired_person_types_is_understood_or_answered_with_what_to_write() {
    let fleet = Fleet::new("[services.api]\ncommand = \"{puppet} out hello stay\"\nmin_uptime = \"1ms\"\n");
    fleet.run("up -q").expect(0);
    wait_until("it says hello", || (fleet.read("logs/api.out.log") == "hello\n").then_some(()));
    for words in [
        ["-n", "all"],
        ["--tail", "5"],
        ["--since", "-5m"],
        ["--since", "5m ago"],
        ["--since", "yesterday"],
        ["--until", "now"],
    ] {
        let output = fleet.command("logs api").args(words).output().unwrap();
        assert_eq!(String::from_utf8_lossy(&output.stdout), "hello\n", "{words:?}");
    }
    let check = |words: &str, said: &[&str]| drop(fleet.run(&format!("logs {words}")).expect(2).says(said));
    check("nope", &["cannot show logs: no service is called `nope`; there are api"]);
    check("-n x", &["`x` is no number of lines: write \"20\" or \"all\""]);
    check("-n -5", &["`-5` is no number of lines"]);
    check("--since soon", &["`soon` is not a time: write \"5m\" (ago)"]);
    check("--since 5m --until 10m", &["--until is not after --since"]);
    check("--grep [", &["\n    [\n    ^\n", "unclosed character class", "write a backslash"]);
}

#[test]
fn the_last_words_of_a_run_are_told_wherever_its_standard_error_goes() {
    let ways = [
        ("json", "log = { envelope = \"json\" }"),
        ("stamp", "log = { envelope = \"timestamp\" }"),
        ("joined", "stderr = \"stdout\""),
        ("both", "stderr = \"stdout\"\nstdout = \"inherit\""),
        ("inherit", "stderr = \"inherit\""),
        ("none", "stderr = \"null\""),
    ];
    let service = |(name, options): &(&str, &str)| {
        format!(
            "[services.{name}]\ncommand = [\"sh\", \"-c\", \"echo fine >&2; echo 'ModuleNotFoundError: No module named x' >&2; exit 1\"]\n\
             restart = \"never\"\nmin_uptime = \"1ms\"\n{options}\n"
        )
    };
    let fleet = Fleet::new(&ways.iter().map(service).collect::<String>());
    fleet.run("up -q");
    for (name, _) in ways {
        let words = "ModuleNotFoundError: No module named x";
        let told = || Some(fleet.service(name).reason?).filter(|reason| reason.ends_with(words));
        wait_until("its last words are in the status", told);
        let why = fleet.run(&format!("why {name}")).expect(0).stdout;
        assert!(why.contains(&format!("    fine\n    {words}")), "{name}: {why}");
    }
}
