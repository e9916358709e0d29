//! What a reload touches, what it says before, and what `status` says of a file that is not what runs.

use std::collections::BTreeMap;

use procman::vocab::state::State;

use crate::harness::Fleet;

/// A fleet of three declared services, one of them with replicas; and what can be edited in it.
fn config(log: &str, command: &str, replicas: u32) -> String {
    format!(
        "[defaults]\nmin_uptime = \"20ms\"\n\
         [services.a]\ncommand = \"{{puppet}} stay\"\nlog = {{ max_size = \"{log}\" }}\nenv_file = \"a.env\"\n\
         [services.b]\ncommand = \"{{puppet}} {command} stay\"\n\
         [services.c]\ncommand = \"{{puppet}} stay\"\nreplicas = {replicas}\n\
         [services.down]\ncommand = \"{{puppet}} {command} stay\"\nautostart = false\n"
    )
}

impl Fleet {
    fn pids(&self) -> BTreeMap<String, i32> {
        let services = self.status().services.into_iter();
        services.filter_map(|it| Some((it.name.to_string(), it.pid?.as_raw()))).collect()
    }

    /// Edits the file, looks at what a reload would do, and does that: exactly these have another process afterwards.
    #[track_caller]
    fn check_reload(&self, text: &str, lines: &[&str], touched: &[&str]) {
        let before = self.pids();
        self.configure(text);
        let dry = self.run("reload --dry-run").expect(0);
        assert_eq!(dry.stdout.lines().collect::<Vec<_>>(), lines);
        assert_eq!(self.pids(), before, "a dry run touches nothing");
        let change = self.status().supervisor.config_changed.unwrap();
        assert_eq!(change.differences, lines);
        assert_eq!(self.run("reload").expect(0).stdout, dry.stdout);
        self.run("wait a b c --for ready --timeout 20s").expect(0);
        let after = self.pids();
        let names = before.keys().chain(after.keys());
        let differ: std::collections::BTreeSet<&str> =
            names.filter(|name| before.get(*name) != after.get(*name)).map(String::as_str).collect();
        assert_eq!(differ.into_iter().collect::<Vec<_>>(), touched);
        assert_eq!(self.status().supervisor.config_changed, None);
    }
}

#[test]
fn a_reload_touches_what_differs_and_says_so_before() {
    let fleet = Fleet::new("");
    std::fs::write(fleet.path().join("a.env"), "A=1\n").unwrap();
    fleet.configure(&config("1MB", "", 2));
    fleet.run("up").expect(0);
    assert_eq!(fleet.status().supervisor.config_changed, None);
    fleet.check_reload(&config("2MB", "", 2), &["~ a: log changed (applies as it runs)"], &[]);
    let lines =
        ["~ b: command changed (is restarted)", "~ down: command changed (applies at its next start)"];
    fleet.check_reload(&config("2MB", "out x", 2), &lines, &["b"]);
    fleet.check_reload(&config("2MB", "out x", 3), &["+ c-3 (is started)"], &["c-3"]);
    fleet.check_reload(
        &config("2MB", "out x", 1),
        &["- c-2 (is stopped)", "- c-3 (is stopped)"],
        &["c-2", "c-3"],
    );
    // A comment differs in nothing, and the same text with another env file does.
    fleet.configure(&format!("# as it was\n{}", config("2MB", "out x", 1)));
    assert_eq!(fleet.status().supervisor.config_changed, None);
    std::fs::write(fleet.path().join("a.env"), "A=22\n").unwrap();
    let change = fleet.status().supervisor.config_changed.unwrap();
    assert_eq!(change.differences, ["~ a: env changed (is restarted)"]);
}

#[test]
fn a_file_that_differs_is_compared_with_what_runs_at_each_look() {
    let fleet = Fleet::new("");
    std::fs::write(fleet.path().join("a.env"), "A=1\n").unwrap();
    fleet.configure(&config("1MB", "", 1));
    fleet.run("up").expect(0);
    fleet.configure(&config("1MB", "out x", 1));
    let differences = || fleet.status().supervisor.config_changed.unwrap().differences;
    let (down, b) = ("~ down: command changed (applies at its next start)", "~ b: command changed");
    assert_eq!(differences(), [format!("{b} (is restarted)"), down.to_owned()]);
    fleet.run("stop b").expect(0);
    assert_eq!(differences(), [format!("{b} (applies at its next start)"), down.to_owned()]);
    fleet.run("scale c=2").expect(0);
    assert_eq!(differences()[0], "- c-2 (is stopped)");
}

#[test]
fn a_file_with_a_problem_changes_nothing_and_status_says_that_it_is_broken() {
    let fleet = Fleet::new("");
    std::fs::write(fleet.path().join("a.env"), "A=1\n").unwrap();
    fleet.configure(&config("1MB", "", 1));
    fleet.run("up").expect(0);
    let before = fleet.pids();
    fleet.configure(&(config("9MB", "out x", 2) + "comand = \"x\"\n"));
    fleet.run("reload").expect(2).says(&["comand"]);
    assert_eq!(fleet.pids(), before);
    let change = fleet.status().supervisor.config_changed.unwrap();
    assert!(change.problems.unwrap().contains("unknown key `comand`"));
    let table = fleet.run("status").expect(0).stdout;
    assert!(table.contains("the config on disk has problems, and is not what runs"), "{table}");
    fleet.configure(&config("9MB", "out x", 1));
    let table = fleet.run("status").expect(0).stdout;
    assert!(table.contains("the config on disk is not what runs (3 differences)"), "{table}");
    assert_eq!(fleet.service("a").state, State::Running);
}
