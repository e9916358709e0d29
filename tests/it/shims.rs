//! procman called by the names of supervisor's programs. What it says as supervisorctl is held against supervisorctl itself
//! by `tests/differential`.

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpListener;
use std::os::fd::OwnedFd;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread;

use nix::pty::openpty;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use procman::protocol::status::Status;
use procman::protocol::xmlrpc::fault::FaultCode;
use procman::protocol::xmlrpc::message::{Call, encode_answer};
use procman::protocol::xmlrpc::value::Value;
use procman::vocab::state::State;
use tempfile::TempDir;

use crate::harness::{Ran, procman, wait_until};

/// `procman shims` with its directory, which is new unless `before` put something there.
fn shims(before: impl FnOnce(&Path)) -> (TempDir, Ran) {
    let dir = tempfile::tempdir().unwrap();
    before(dir.path());
    let ran = Ran::of(&Command::new(procman()).arg("shims").arg(dir.path()).output().unwrap());
    (dir, ran)
}

fn called(dir: &TempDir, words: &str) -> Command {
    let mut command = Command::new(dir.path().join("supervisorctl"));
    command.args(words.split_whitespace()).current_dir(dir.path()).env_remove("PROCMAN_CONFIG");
    command.stdin(Stdio::null());
    command
}

fn ran(dir: &TempDir, words: &str) -> Ran {
    Ran::of(&called(dir, words).output().unwrap())
}

#[test]
fn the_names_are_links_to_this_procman_and_what_is_there_stays() {
    let (dir, made) = shims(|_| ());
    made.expect(0);
    for name in ["supervisorctl", "supervisord"] {
        assert_eq!(fs::canonicalize(dir.path().join(name)).unwrap(), procman().canonicalize().unwrap());
    }
    Ran::of(&Command::new(procman()).arg("shims").arg(dir.path()).output().unwrap()).expect(0);

    let (dir, refused) = shims(|dir| fs::write(dir.join("supervisord"), "theirs").unwrap());
    refused.expect(5).says(&["something else is there, and it stays"]);
    assert!(!dir.path().join("supervisorctl").exists());
    let (dir, refused) = shims(|dir| symlink("/usr/bin/true", dir.join("supervisorctl")).unwrap());
    refused.expect(5);
    assert_eq!(fs::read_link(dir.path().join("supervisorctl")).unwrap(), Path::new("/usr/bin/true"));
}

#[test]
fn wrong_words_and_files_are_refused_as_by_supervisorctl() {
    let (dir, _) = shims(|_| ());
    fs::write(dir.path().join("none.conf"), "[supervisord]\n").unwrap();
    let plugin = "[supervisorctl]\n[ctlplugin:x]\nsupervisor.ctl_factory = my.plugin:make\n";
    fs::write(dir.path().join("plugin.conf"), plugin).unwrap();
    for (words, said) in [
        ("-x", "Error: option -x not recognized\nFor help, use "),
        ("-s nowhere status", "Error: invalid value for -s 'nowhere': value 'nowhere' is not a URL"),
        ("-c no.conf status", "Error: could not find config file no.conf"),
        ("-c none.conf status", "Error: .ini file does not include supervisorctl section"),
        ("-c plugin.conf status", "Error: [ctlplugin:x] needs the Python plugin my.plugin:make"),
    ] {
        ran(&dir, words).expect(2).says(&[said]);
    }
    assert!(ran(&dir, "-h").expect(0).stdout.contains("-s/--serverurl URL"));
}

#[test]
fn nobody_there_is_told_by_the_exit_code_whatever_config_says_where() {
    let (dir, _) = shims(|_| ());
    let said = ran(&dir, "-s unix:///no/such/socket pid").expect(7).stdout;
    assert_eq!(said, "unix:///no/such/socket no such file\n");
    fs::write(dir.path().join("supervisord.conf"), "[supervisorctl]\nserverurl=unix://%(here)s/s.sock\n")
        .unwrap();
    let said = ran(&dir, "status").expect(4).stdout;
    assert_eq!(
        said,
        format!("unix://{}/s.sock no such file\n", dir.path().canonicalize().unwrap().display())
    );
    fs::remove_file(dir.path().join("supervisord.conf")).unwrap();
    fs::write(dir.path().join("services.toml"), "[services.a]\ncommand = \"true\"\n").unwrap();
    assert!(ran(&dir, "status").expect(4).stdout.ends_with("procman.sock no such file\n"));
}

/// Answers as a supervisor that asks for a password would, on a port of its own, until the test is over; gives its URL.
fn supervisor() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let mut reader = BufReader::new(stream.try_clone().unwrap());
            let (mut head, mut length) = (String::new(), 0);
            loop {
                let mut line = String::new();
                reader.read_line(&mut line).unwrap();
                if line.trim().is_empty() {
                    break;
                }
                if let Some(("content-length", number)) = line.to_lowercase().split_once(": ") {
                    length = number.trim().parse().unwrap();
                }
                head.push_str(&line);
            }
            let mut body = vec![0; length];
            reader.read_exact(&mut body).unwrap();
            let answer = answer(&head, &body);
            (&stream).write_all(answer.as_bytes()).unwrap();
        }
    });
    url
}

fn answer(head: &str, body: &[u8]) -> String {
    // me:secret
    if !head.to_lowercase().contains("authorization: basic bwu6c2vjcmv0") {
        return "HTTP/1.1 401 Unauthorized\r\nContent-Length: 0\r\n\r\n".to_owned();
    }
    if head.starts_with("GET /logtail/a/stdout ") {
        return "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n6\r\nline 1\r\n8\r\n\nline 2\n\r\n0\r\n\r\n"
            .to_owned();
    }
    if head.starts_with("GET ") {
        return "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n".to_owned();
    }
    let call = Call::decode(body).unwrap();
    let info = Value::members([
        ("group", "g".into()),
        ("name", "a".into()),
        ("state", 20.into()),
        ("statename", "RUNNING".into()),
        ("description", "pid 7, uptime 0:00:03".into()),
        ("pid", 7.into()),
    ]);
    let answer = match call.method.as_str() {
        "supervisor.getVersion" => Ok("3.0".into()),
        "supervisor.getAllProcessInfo" => Ok(vec![info].into()),
        "supervisor.stopProcess" => Ok(true.into()),
        _ => Err(FaultCode::BadName.with("a")),
    };
    let document = encode_answer(&answer);
    format!(
        "HTTP/1.1 200 OK\r\nContent-Type: text/xml\r\nContent-Length: {}\r\n\r\n{document}",
        document.len()
    )
}

/// `status` of that supervisor.
fn status() -> String {
    format!("{:33}RUNNING   pid 7, uptime 0:00:03\n", "g:a")
}

#[test]
fn a_supervisor_that_wants_a_password_is_asked_over_tcp_and_followed() {
    let (dir, _) = shims(|_| ());
    let url = supervisor();
    let refused = ran(&dir, &format!("-s {url} status")).expect(1).stdout;
    assert!(
        refused.starts_with("Server requires authentication\nerror: <class 'xmlrpc.client.ProtocolError'>")
    );
    let login = format!("-s {url} -u me -p secret");
    assert_eq!(ran(&dir, &format!("{login} status")).expect(0).stdout, status());
    let all = format!("{login} stop g:a x:y");
    assert_eq!(ran(&dir, &all).expect(0).stdout, "g:a: stopped\nx:y: stopped\n");
    let started = ran(&dir, &format!("{login} start a")).expect(1).stdout;
    assert_eq!(started, "a: ERROR (no such process)\n");
    let tail = ran(&dir, &format!("{login} tail -f a")).expect(0);
    assert_eq!(tail.stdout, "==> Press Ctrl-C to exit <==\nline 1\nline 2\n");
    ran(&dir, &format!("{login} tail -f b"))
        .expect(0)
        .says(&[&format!("{url}/logtail/b/stdout Cannot read, status code 404\n")]);
}

#[test]
fn lines_on_standard_input_are_done_one_after_another() {
    let (dir, _) = shims(|_| ());
    let config =
        format!("[supervisorctl]\nserverurl={}\nusername=me\npassword=secret\nprompt=sv\n", supervisor());
    fs::write(dir.path().join("supervisord.conf"), config).unwrap();
    let mut child = called(&dir, "").stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(b"bogus\n\nstop g:a\n").unwrap();
    let said = Ran::of(&child.wait_with_output().unwrap()).expect(0).stdout;
    assert_eq!(said, format!("{}sv> *** Unknown syntax: bogus\nsv> sv> g:a: stopped\nsv> \n", status()));
}

#[test]
fn at_a_terminal_names_are_completed_and_lines_are_kept() {
    let (dir, _) = shims(|_| ());
    let history: PathBuf = dir.path().join("history");
    let config = format!(
        "[supervisorctl]\nserverurl={}\nusername=me\npassword=secret\nhistory_file=%(here)s/history\n",
        supervisor()
    );
    fs::write(dir.path().join("supervisord.conf"), config).unwrap();
    let pty = openpty(None, None).unwrap();
    let end = |fd: &OwnedFd| Stdio::from(fd.try_clone().unwrap());
    let mut command = called(&dir, "");
    command.stdin(end(&pty.slave)).stdout(end(&pty.slave)).stderr(Stdio::null()).env("TERM", "xterm");
    let mut child = command.spawn().unwrap();
    drop((command, pty.slave));
    let mut terminal = fs::File::from(pty.master);
    let mut shown = String::new();
    let mut until = |words: &str, terminal: &mut fs::File| {
        while !shown.contains(words) {
            let mut bytes = [0; 4096];
            let count = terminal.read(&mut bytes).unwrap_or_else(|error| panic!("{error} after\n{shown}"));
            shown.push_str(&String::from_utf8_lossy(&bytes[..count]));
        }
        shown.clear();
    };
    until("supervisor> ", &mut terminal);
    terminal.write_all(b"sto\t").unwrap();
    until("stop ", &mut terminal);
    terminal.write_all(b"g:a\t\r").unwrap();
    until("g:a: stopped", &mut terminal);
    wait_until("the line is kept", || {
        fs::read_to_string(&history).unwrap_or_default().contains("stop g:a").then_some(())
    });
    terminal.write_all(b"quit\r").unwrap();
    assert!(child.wait().unwrap().success());
}

/// A supervisor that is started by the name of supervisord, and ended with the test.
struct Started {
    dir: TempDir,
}

impl Started {
    fn new(config: &str) -> Self {
        let (dir, made) = shims(|dir| fs::write(dir.join("supervisord.conf"), config).unwrap());
        made.expect(0);
        Self { dir }
    }

    fn supervisord(&self, words: &str) -> Command {
        let mut command = Command::new(self.dir.path().join("supervisord"));
        command.args(words.split_whitespace()).current_dir(self.dir.path()).stdin(Stdio::null());
        command.env_remove("PROCMAN_CONFIG");
        command
    }

    fn run(&self, words: &str) -> Ran {
        Ran::of(&self.supervisord(words).output().unwrap())
    }

    fn status(&self) -> Option<Status> {
        let mut procman = Command::new(procman());
        procman.args(["-c", "supervisord.conf", "status", "--json"]).current_dir(self.dir.path());
        serde_json::from_slice(&procman.output().unwrap().stdout).ok()
    }

    fn wait_until_it_runs(&self) -> Status {
        wait_until("the program runs", || {
            self.status().filter(|status| status.services.iter().all(|it| it.state == State::Running))
        })
    }

    fn read(&self, file: &str) -> String {
        fs::read_to_string(self.dir.path().join(file)).unwrap_or_default()
    }
}

impl Drop for Started {
    fn drop(&mut self) {
        let mut procman = Command::new(procman());
        procman
            .args(["-q", "-c", "supervisord.conf", "down", "--timeout", "10s"])
            .current_dir(self.dir.path());
        let _ = procman.output();
    }
}

const SLEEPER: &str = "\
[supervisord]
pidfile=%(here)s/of-the-file.pid
[program:sleeper]
command=sh -c 'echo \"<$PROCMAN_SUPERVISORD>\"; exec sleep 600'
startsecs=0
stdout_logfile=%(here)s/sleeper.log
";

#[test]
fn supervisord_starts_in_the_background_with_the_pidfile_and_the_log_that_its_options_name() {
    let it = Started::new(SLEEPER);
    let said = it.run("-c supervisord.conf -j own.pid -l own.log -t -u root -d /tmp").expect(0);
    assert!(said.stderr.contains("user: the services run as this user"), "{}", said.stderr);
    let guardian = it.wait_until_it_runs().supervisor.guardian.unwrap();
    assert_eq!(it.read("own.pid"), format!("{guardian}\n"));
    assert!(it.read("own.log").contains("supervisord started with pid"));
    wait_until("the program knows nothing of it", || (it.read("sleeper.log") == "<>\n").then_some(()));

    it.run("").expect(2).says(&["Error: Another program is already listening"]);
    let guardian = Pid::from_raw(guardian.as_raw());
    fs::rename(it.dir.path().join("own.log"), it.dir.path().join("own.log.1")).unwrap();
    kill(guardian, Signal::SIGUSR2).unwrap();
    kill(guardian, Signal::SIGHUP).unwrap();
    wait_until("the log goes on in a new file", || (!it.read("own.log").is_empty()).then_some(()));
    assert_eq!(it.wait_until_it_runs().supervisor.guardian.map(|pid| pid.as_raw()), Some(guardian.as_raw()));
    kill(guardian, Signal::SIGTERM).unwrap();
    wait_until("the pidfile is gone", || (!it.dir.path().join("own.pid").exists()).then_some(()));
    assert!(!it.dir.path().join("of-the-file.pid").exists());
}

#[test]
fn supervisord_stays_in_the_foreground_when_asked_to() {
    let it = Started::new(SLEEPER);
    let mut child = it.supervisord("-n -s").spawn().unwrap();
    it.wait_until_it_runs();
    assert_eq!(it.read("of-the-file.pid"), format!("{}\n", child.id()));
    kill(Pid::from_raw(i32::try_from(child.id()).unwrap()), Signal::SIGTERM).unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(0));
    assert!(!it.dir.path().join("of-the-file.pid").exists());
}

#[test]
fn supervisord_refuses_in_its_own_words_and_starts_nothing() {
    let it = Started::new("[supervisord]\n[program:a]\ncommand=sleep 1\nstartsecs=often\n");
    assert_eq!(it.run("-v").expect(0).stdout, "4.3.0\n");
    for (words, said) in [
        ("-x", "Error: option -x not recognized\nFor help, use "),
        ("start", "Error: positional arguments are not supported: ['start']"),
        ("-c no.conf", "Error: could not find config file no.conf"),
        ("-c supervisord.conf", "invalid literal for int() with base 10: 'often'"),
    ] {
        it.run(words).expect(2).says(&[said]);
    }
    fs::write(it.dir.path().join("fragment.conf"), "[program:a]\ncommand=sleep 1\n").unwrap();
    it.run("-n -c fragment.conf").expect(2).says(&["Error: .ini file does not include supervisord section"]);
    assert!(!it.dir.path().join(".procman").exists());
}

#[test]
fn what_has_no_directory_begins_where_supervisord_is_started() {
    let it = Started::new("");
    let path = |name: &str| it.dir.path().canonicalize().unwrap().join(name);
    fs::create_dir(path("app")).unwrap();
    let config = "[supervisord]\n[program:here]\ncommand=sh -c 'pwd && exec sleep 600'\nstartsecs=0\nstdout_logfile=here.out\n\
         [program:there]\ncommand=sh -c 'pwd && exec sleep 600'\nstartsecs=0\nstdout_logfile=there.out\ndirectory=/tmp\n";
    fs::write(path("supervisord.conf"), config).unwrap();
    let mut supervisord = it.supervisord("-c ../supervisord.conf");
    Ran::of(&supervisord.current_dir(path("app")).output().unwrap()).expect(0);
    let here = format!("{}\n", path("app").display());
    wait_until("it tells", || (it.read("app/here.out") == here).then_some(()));
    wait_until("the other tells", || (it.read("app/there.out") == "/tmp\n").then_some(()));
}

#[test]
fn limits_that_are_lower_than_the_file_asks_for_are_raised_and_others_stay_as_they_were() {
    let config = |minfds: &str| {
        format!(
            "[supervisord]\n{minfds}\n[program:told]\ncommand=sh -c 'ulimit -Sn && exec sleep 600'\nstartsecs=0\n\
             stdout_logfile=%(here)s/told.out\n"
        )
    };
    for (minfds, expected) in [("minfds=700", "700\n"), ("minfds=100", "300\n")] {
        let it = Started::new(&config(minfds));
        let line = "ulimit -Sn 300 && exec ./supervisord -c supervisord.conf";
        let mut shell = Command::new("sh");
        shell.args(["-c", line]).current_dir(it.dir.path()).stdin(Stdio::null()).env_remove("PROCMAN_CONFIG");
        Ran::of(&shell.output().unwrap()).expect(0);
        wait_until(minfds, || (it.read("told.out") == expected).then_some(()));
    }
}
