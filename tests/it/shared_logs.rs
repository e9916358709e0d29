//! Services that write one log file: every line is there, and who asks for the config is told.

use std::collections::BTreeMap;

use crate::harness::Fleet;
use crate::supervisord::Drop;

/// How often each line was read.
fn counts(text: &str) -> BTreeMap<&str, usize> {
    let mut counts = BTreeMap::new();
    text.lines().for_each(|line| *counts.entry(line).or_default() += 1);
    counts
}

/// Two services have written this, both the same lines.
fn assert_all_lines_twice(text: &str, count: usize) {
    let expected: Vec<String> = (0..count).map(|number| format!("line {number:012}")).collect();
    let found = counts(text);
    assert_eq!(found.len(), count, "{:?}", found.keys().find(|line| !line.starts_with("line ")));
    assert!(expected.iter().all(|line| found.get(line.as_str()) == Some(&2)));
}

#[test]
fn services_with_one_log_file_are_warned_of_and_lose_no_line_through_rotations() {
    let service = |name: &str| {
        format!(
            "[services.{name}]\ncommand = \"{{puppet}} lines 20000\"\nrestart = \"never\"\nmin_uptime = \"1ms\"\n\
             stdout = \"all.log\"\nlog = {{ max_size = \"50KB\", keep = 1000 }}\n"
        )
    };
    let fleet = Fleet::new(&(service("a") + &service("b") + "[services.c]\ncommand = \"{puppet} stay\"\n"));
    let warning = ["services.toml:11: `a`, `b` write one log file", "all.log", "name a file for each"];
    fleet.run("check").expect(0).says(&warning);
    fleet.run("up").expect(0).says(&warning);
    fleet.run("wait a b --for stopped").expect(0);
    assert!(fleet.path().join("all.log.5").exists());
    for asked in ["logs a b -n all --raw", "logs a -n all --raw", "logs b -n all --raw"] {
        assert_all_lines_twice(&fleet.run(asked).expect(0).stdout, 20_000);
    }
    let said = fleet.run("logs --rotate-now a b").expect(0).stdout;
    assert_eq!(said.matches("all.log: set aside\n").count(), 2, "once, which is told of both: {said}");
}

#[test]
fn programs_of_a_supervisord_conf_that_name_one_file_write_it_together() {
    let program = |name: &str| {
        format!(
            "[program:{name}]\ncommand={{puppet}} lines 20000\nautorestart=false\nstartsecs=0\nredirect_stderr=true\n\
             stdout_logfile=%(here)s/all.log\nstdout_logfile_maxbytes=50KB\nstdout_logfile_backups=1000\n"
        )
    };
    let it = Drop::new(&("[supervisord]\n".to_owned() + &program("a") + &program("b")));
    it.run("check").expect(0).says(&[
        "supervisord.conf",
        "b: stdout goes to",
        "all.log",
        "a file of its own",
    ]);
    it.run("up -q").expect(0);
    it.run("wait a b --for stopped").expect(0);
    assert!(it.fleet.path().join("all.log.5").exists());
    assert_all_lines_twice(&it.run("logs -n all --raw").expect(0).stdout, 20_000);
}
