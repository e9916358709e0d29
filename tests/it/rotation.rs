//! Log files set aside on request, and compressed.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use crate::harness::{Fleet, wait_until};

#[test]
fn logs_are_set_aside_on_request_and_read_on_when_they_are_compressed() {
    let fleet = Fleet::new(
        "[defaults]\nmin_uptime = \"1ms\"\nlog = { compress = \"gzip\", rotate = \"daily\", max_total = \"1GB\" }\n\
         [services.a]\ncommand = \"{puppet} lines 500 err oops stay\"\n\
         [services.b]\ncommand = \"{puppet} out 'no end' stay\"\nstderr = \"stdout\"\n",
    );
    fleet.run("logs --rotate-now").expect(4);
    fleet.run("up -q").expect(0);
    wait_until("the lines are written", || (fleet.read("logs/a.err.log") == "oops\n").then_some(()));
    let mode = |file: &str| {
        fs::metadata(fleet.path().join(file)).map(|found| found.permissions().mode() & 0o777).ok()
    };
    assert_eq!(mode("logs/a.out.log"), Some(0o640));
    let said = fleet.run("logs --rotate-now a").expect(0).stdout;
    assert_eq!(said.matches("set aside").count(), 2, "{said}");
    let again = fleet.run("logs --rotate-now a --json").expect(0).stdout;
    let again: serde_json::Value = serde_json::from_str(&again).unwrap();
    assert_eq!(again["results"][1]["outcome"], "empty");
    wait_until("it is compressed", || fleet.path().join("logs/a.out.log.1.gz").exists().then_some(()));
    wait_until("and what it was made of is gone", || {
        (!fleet.path().join("logs/a.out.log.1").exists()).then_some(())
    });
    assert_eq!(mode("logs/a.out.log.1.gz"), Some(0o640));
    let all = fleet.run("logs a --stdout -n 1000").expect(0).stdout;
    assert_eq!(all.lines().count(), 500);
    assert_eq!(fleet.run("logs a --stdout -n 2").expect(0).stdout, "line 000000000498\nline 000000000499\n");
    assert_eq!(
        fleet.run("logs a --since 1h --grep 00012[34]").expect(0).stdout,
        "line 000000000123\nline 000000000124\n"
    );
    fleet.run("logs --rotate-now nobody").expect(2).says(&["nobody"]);
    fleet.run("logs --rotate-now -f").expect(2);
}

#[test]
fn a_stream_whose_file_is_no_file_is_told_of_when_it_is_to_be_set_aside() {
    let fleet = Fleet::new(
        "[services.a]\ncommand = \"{puppet} out hello stay\"\nmin_uptime = \"1ms\"\nstderr = \"stdout\"\n",
    );
    let obstacle = fleet.path().join("logs/a.out.log");
    fs::create_dir_all(obstacle.join("x")).unwrap();
    fleet.run("up -q").expect(0);
    wait_until("it is said", || {
        let ran = fleet.run("logs --rotate-now");
        (ran.code == 1 && ran.stdout.contains("directory")).then_some(())
    });
    fs::remove_dir_all(&obstacle).unwrap();
    wait_until("the line is there", || (fleet.read("logs/a.out.log") == "hello\n").then_some(()));
    fleet.run("logs --rotate-now").expect(0);
    assert_eq!(fleet.read("logs/a.out.log.1"), "hello\n");
}
