//! SIGHUP to the supervisor of a file of supervisord's.

use std::path::Path;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::harness::{is_alive, wait_until};
use crate::supervisord::Drop;

#[test]
fn sighup_starts_everything_again_by_the_file_as_it_is_then_and_a_bad_one_is_left_alone() {
    let program =
        |name: &str, more: &str| format!("[program:{name}]\ncommand={{puppet}} stay\nstartsecs=0\n{more}");
    let it = Drop::new(&format!(
        "[supervisord]\nlogfile=%(here)s/own.log\n{}{}",
        program("kept", ""),
        program("dropped", "")
    ));
    it.run("up -q").expect(0);
    let (before, supervisor) = (it.pid_of("kept").unwrap(), it.supervisor().unwrap());
    let hang_up = || kill(Pid::from_raw(supervisor), Signal::SIGHUP).unwrap();
    it.write("supervisord.conf", "[supervisord]\n[program:kept]\nstartsecs=often\n");
    hang_up();
    let own_log = || it.fleet.read("own.log");
    wait_until("it is refused", || {
        own_log().contains("cannot restart; everything stays as it is").then_some(())
    });
    assert_eq!(it.pid_of("kept"), Some(before));
    it.write(
        "supervisord.conf",
        &format!("[supervisord]\nlogfile=%(here)s/own.log\n{}{}", program("kept", ""), program("new", "")),
    );
    hang_up();
    let is_new = || it.pid_of("new").is_some() && it.pid_of("kept").is_some_and(|pid| pid != before);
    wait_until("everything is started again", || is_new().then_some(()));
    assert_eq!(it.pid_of("dropped"), None);
    assert_eq!(it.supervisor(), Some(supervisor));
}

#[test]
fn sighup_stops_nothing_where_a_process_that_lives_would_not_start_again() {
    if !Path::new("/usr/bin/python3").exists() {
        return println!("skipped: there is no /usr/bin/python3");
    }
    let config = |kept: &str| {
        format!(
            "[supervisord]\nlogfile=%(here)s/own.log\n[program:kept]\ncommand={kept}\nstartsecs=0\n\
             [program:script]\ncommand=/usr/bin/python3 -u main.py\nstartsecs=0\n\
             [program:missing]\ncommand=/no/such/program\nstartretries=0\n"
        )
    };
    let it = Drop::new(&config("{puppet} stay"));
    let script = "import time\ntime.sleep(1000)\n";
    it.write("main.py", script);
    it.run("up -q").expect(1);
    let pids = || ["kept", "script"].map(|name| it.pid_of(name));
    let (before, supervisor) = (pids(), it.supervisor().unwrap());
    assert!(before.iter().all(Option::is_some), "{before:?}");
    let hang_up = || kill(Pid::from_raw(supervisor), Signal::SIGHUP).unwrap();
    let own_log = || it.fleet.read("own.log");
    let is_refused = |why: &str| {
        hang_up();
        wait_until(why, || own_log().contains(why).then_some(()));
        assert_eq!(pids(), before, "{why}");
    };
    it.write("supervisord.conf", &config("/no/such/command"));
    is_refused("kept: there is no program `/no/such/command`");
    // What did not change is started again as well.
    it.write("supervisord.conf", &config("{puppet} stay"));
    it.write("main.py", "import time\n\nwhile True\n    time.sleep(1)\n");
    is_refused("main.py: line 3: ");
    assert_eq!(own_log().matches("cannot restart; everything stays as it is").count(), 2, "{}", own_log());
    it.write("main.py", script);
    hang_up();
    wait_until("both are started again, whatever becomes of the one that is missing", || {
        let is_new = |(old, new): (&Option<i64>, &Option<i64>)| new.is_some() && old != new;
        before.iter().zip(&pids()).all(is_new).then_some(())
    });
}

#[test]
fn who_asks_the_pid_of_the_pidfile_to_end_is_heard_also_while_no_supervisor_can_hear_it() {
    let it = Drop::new(
        "[supervisord]\npidfile=%(here)s/own.pid\nlogfile=%(here)s/own.log\n\
         [program:a]\ncommand={puppet} stay\nstartsecs=0\n",
    );
    let ask = |signal: Signal| {
        let pid = wait_until("there is a pidfile", || it.fleet.read("own.pid").trim().parse().ok());
        kill(Pid::from_raw(pid), signal).unwrap();
        pid
    };
    for signal in [Signal::SIGTERM, Signal::SIGINT, Signal::SIGQUIT] {
        // The first supervisor is not there yet.
        let mut first = it.fleet.spawn("-c supervisord.conf up -n");
        assert_eq!(ask(signal), i32::try_from(first.id()).unwrap());
        assert_eq!(first.wait().unwrap().code(), Some(0), "{signal}");
        // Neither is the next one.
        it.run("up -q").expect(0);
        let service = it.pid_of("a");
        kill(Pid::from_raw(it.supervisor().unwrap()), Signal::SIGKILL).unwrap();
        let guardian = ask(signal);
        wait_until("the whole has ended", || (!is_alive(guardian)).then_some(()));
        assert!(service.is_some_and(|pid| !is_alive(i32::try_from(pid).unwrap())));
        assert_eq!(it.fleet.read("own.pid"), "", "the pidfile goes with it");
    }
}
