//! One supervisord with one client, in a directory of their own.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::LazyLock;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use procman::client::rpc::{Address, Remote};
use procman::protocol::xmlrpc::message::{Answer, Call};
use procman::protocol::xmlrpc::value::Value;
use regex::Regex;
use tempfile::TempDir;

/// Which client.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Client {
    Supervisorctl,
    Shim,
}

/// What is done to a world. Each step leaves an entry in the transcript, which has to be the same everywhere.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Step {
    /// A call of supervisorctl.
    Ctl(&'static str),
    /// One whose lines come in the order in which processes are done.
    Unordered(&'static str),
    /// One that reads these lines.
    Typed(&'static str, &'static str),
    /// Waits until a process is in a state.
    Until(&'static str, &'static str),
    /// Waits until a file has this text.
    Written(&'static str, &'static str),
    /// Replaces the programs of the config.
    Config(&'static str),
    /// Waits until nobody answers.
    Gone,
}

/// How long a step may wait for something; what takes longer never happens.
const PATIENCE: Duration = Duration::from_secs(25);

/// What stands in front of the programs of every config.
const HEAD: &str = "\
[unix_http_server]
file=%(here)s/s.sock
[supervisord]
logfile=%(here)s/supervisord.log
pidfile=%(here)s/supervisord.pid
childlogdir=%(here)s
[rpcinterface:supervisor]
supervisor.rpcinterface_factory = supervisor.rpcinterface:make_main_rpcinterface
[supervisorctl]
serverurl=unix://%(here)s/s.sock
";

pub(crate) struct World {
    dir: TempDir,
    supervisord: Child,
    client: PathBuf,
    socket: PathBuf,
}

impl World {
    pub(crate) fn start(client: Client, programs: &Path, config: &str) -> Self {
        let dir = tempfile::Builder::new().prefix("df").tempdir().unwrap();
        let path = dir.path().canonicalize().unwrap();
        let link = path.join("supervisorctl");
        std::os::unix::fs::symlink(env!("CARGO_BIN_EXE_procman"), &link).unwrap();
        let client = match client {
            Client::Supervisorctl => programs.join("supervisorctl"),
            Client::Shim => link,
        };
        let file = path.join("supervisord.conf");
        fs::write(&file, format!("{HEAD}{config}")).unwrap();
        let mut supervisord = Command::new(programs.join("supervisord"));
        supervisord.args(["-n", "-s", "-c"]).arg(file).current_dir(&path).stdin(Stdio::null());
        let supervisord = supervisord.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        let world = Self { dir, supervisord, client, socket: path.join("s.sock") };
        assert!(world.wait(|| world.call("supervisor.getPID", &[]).is_ok()), "supervisord answers");
        world
    }

    fn path(&self) -> PathBuf {
        self.dir.path().canonicalize().unwrap()
    }

    fn configure(&self, programs: &str) {
        fs::write(self.path().join("supervisord.conf"), format!("{HEAD}{programs}")).unwrap();
    }

    /// Does a step and says what came of it, without what differs by nature: pids, times, paths.
    pub(crate) fn run(&self, step: Step) -> String {
        match step {
            Step::Ctl(words) => self.ctl(words, ""),
            Step::Unordered(words) => {
                let said = self.ctl(words, "");
                let mut lines: Vec<&str> = said.lines().collect();
                lines.sort_unstable();
                lines.join("\n")
            }
            Step::Typed(words, lines) => self.ctl(words, lines),
            Step::Until(name, state) => {
                let state_of = || match self.call("supervisor.getProcessInfo", &[name]) {
                    Ok(Ok(info)) => info.member("statename").and_then(Value::as_str).map(str::to_owned),
                    Ok(Err(_)) | Err(_) => None,
                };
                let came = self.wait(|| state_of().as_deref() == Some(state));
                format!("{came}, {:?}", state_of())
            }
            Step::Written(file, text) => {
                let file = self.path().join(file);
                self.wait(|| fs::read_to_string(&file).is_ok_and(|found| found.contains(text))).to_string()
            }
            Step::Config(programs) => {
                self.configure(programs);
                String::new()
            }
            Step::Gone => self.wait(|| !self.socket.exists()).to_string(),
        }
    }

    fn ctl(&self, words: &str, lines: &str) -> String {
        let mut command = Command::new(&self.client);
        command.args(["-c", "supervisord.conf", "-s", &format!("unix://{}", self.socket.display())]);
        command.args(words.split_whitespace()).current_dir(self.path());
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        child.stdin.take().unwrap().write_all(lines.as_bytes()).unwrap();
        let output = child.wait_with_output().unwrap();
        let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        self.plain(&format!("{out}{err}exit {}", output.status.code().unwrap_or(-1)))
    }

    fn call(&self, method: &str, params: &[&str]) -> Result<Answer, String> {
        let params = params.iter().map(|text| Value::from(*text)).collect();
        let call = Call { method: method.to_owned(), params };
        let remote = Remote { address: Address::Unix(self.socket.clone()), credentials: None };
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(remote.call(&call)).map_err(|error| error.to_string())
    }

    /// Whether something came true in time.
    fn wait(&self, condition: impl Fn() -> bool) -> bool {
        let deadline = Instant::now() + PATIENCE;
        while !condition() {
            if Instant::now() > deadline {
                return false;
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        true
    }

    fn plain(&self, text: &str) -> String {
        static RULES: LazyLock<Vec<(Regex, &str)>> = LazyLock::new(|| {
            let rules = [
                (r"pid \d+", "pid N"),
                (r"uptime \d+:\d\d:\d\d", "uptime T"),
                (r"[A-Z][a-z]{2} \d\d \d\d:\d\d [AP]M", "TIME"),
                (r"file: \S+ line: \d+", "file: F line: N"),
                (r"(?m)^[1-9]\d*$", "N"),
            ];
            rules.map(|(rule, plain)| (Regex::new(rule).unwrap(), plain)).into()
        });
        let text = text.replace(self.socket.to_str().unwrap(), "SOCKET");
        let text = text.replace(self.path().to_str().unwrap(), "DIR");
        RULES.iter().fold(text, |text, (rule, plain)| rule.replace_all(&text, *plain).into_owned())
    }
}

impl Drop for World {
    /// Ends what the test started, by pid, however the test ended.
    fn drop(&mut self) {
        let _ = kill(Pid::from_raw(i32::try_from(self.supervisord.id()).unwrap()), Signal::SIGTERM);
        let deadline = Instant::now() + PATIENCE;
        while self.supervisord.try_wait().is_ok_and(|ended| ended.is_none()) && Instant::now() < deadline {
            std::thread::sleep(Duration::from_millis(20));
        }
        let _ = self.supervisord.kill();
        let _ = self.supervisord.wait();
    }
}
