//! One supervisor with one client, in a directory of their own.

use std::fs;
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::LazyLock;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use procman::client::rpc::{Address, Remote};
use procman::protocol::xmlrpc::message::{Answer, Call};
use procman::protocol::xmlrpc::value::Value;
use procman::rundir::leftovers;
use procman::rundir::paths::Paths;
use regex::Regex;
use tempfile::TempDir;

/// Which supervisor.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Server {
    Supervisord,
    Procman,
}

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
    /// A method of XML-RPC with parameters of text; `true` and `false` are truth values, digits are numbers.
    Call(&'static str, &'static [&'static str]),
    /// Waits until a process is in a state.
    Until(&'static str, &'static str),
    /// Waits until a file has this text.
    Written(&'static str, &'static str),
    /// Makes a file with this text.
    File(&'static str, &'static str),
    /// The mode of a file, once it is there.
    Mode(&'static str),
    /// What stands in a file.
    Shown(&'static str),
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
    supervisord: Option<Child>,
    client: PathBuf,
    socket: PathBuf,
    /// Where supervisor's programs lie; `{bin}` in a config.
    programs: PathBuf,
}

impl World {
    pub(crate) fn start(server: Server, client: Client, programs: &Path, config: &str) -> Self {
        let dir = tempfile::Builder::new().prefix("df").tempdir().unwrap();
        let path = dir.path().canonicalize().unwrap();
        let procman = Path::new(env!("CARGO_BIN_EXE_procman"));
        let link = path.join("supervisorctl");
        std::os::unix::fs::symlink(procman, &link).unwrap();
        let client = match client {
            Client::Supervisorctl => programs.join("supervisorctl"),
            Client::Shim => link,
        };
        let socket = path.join("s.sock");
        let mut world = Self { dir, supervisord: None, client, socket, programs: programs.to_owned() };
        world.configure(config);
        match server {
            Server::Supervisord => {
                let mut command = world.quiet(&programs.join("supervisord"));
                world.supervisord = Some(
                    command.args(["-n", "-s", "-c"]).arg(path.join("supervisord.conf")).spawn().unwrap(),
                );
            }
            Server::Procman => {
                let mut command = world.quiet(procman);
                let status =
                    command.args(["-q", "-c", "supervisord.conf", "up", "--no-wait"]).status().unwrap();
                assert!(status.success(), "procman starts");
            }
        }
        world.wait(|| world.call("supervisor.getPID", &[]).is_ok());
        world
    }

    fn path(&self) -> PathBuf {
        self.dir.path().canonicalize().unwrap()
    }

    fn paths(&self) -> Paths {
        Paths::new(&self.path().join("supervisord.conf"), &self.path().join(".procman"))
    }

    fn configure(&self, programs: &str) {
        let text = format!("{HEAD}{programs}").replace("{bin}", self.programs.to_str().unwrap());
        fs::write(self.path().join("supervisord.conf"), text).unwrap();
    }

    fn quiet(&self, program: &Path) -> Command {
        let mut command = Command::new(program);
        command.current_dir(self.path()).env_remove("PROCMAN_CONFIG").stdin(Stdio::null());
        command.stdout(Stdio::null()).stderr(Stdio::null());
        command
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
            Step::Call(method, params) => match self.call(method, params) {
                Ok(Ok(value)) => self.plain(&format!("{:?}", sorted(value))),
                Ok(Err(fault)) => self.plain(&format!("fault {} {}", fault.code, fault.text)),
                Err(error) => self.plain(&error),
            },
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
            Step::Mode(file) => {
                let mode =
                    || fs::metadata(self.path().join(file)).map(|found| found.permissions().mode() & 0o777);
                self.wait(|| mode().is_ok());
                format!("{:o}", mode().unwrap_or_default())
            }
            Step::File(file, text) => {
                fs::write(self.path().join(file), text).unwrap();
                String::new()
            }
            Step::Shown(file) => self.plain(&fs::read_to_string(self.path().join(file)).unwrap_or_default()),
            Step::Config(programs) => {
                self.configure(programs);
                String::new()
            }
            Step::Gone => self.wait(|| !self.socket.exists()).to_string(),
        }
    }

    fn ctl(&self, words: &str, lines: &str) -> String {
        let mut command = Command::new(&self.client);
        command.args(["-c", "supervisord.conf"]).args(words.split_whitespace()).current_dir(self.path());
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        child.stdin.take().unwrap().write_all(lines.as_bytes()).unwrap();
        let output = child.wait_with_output().unwrap();
        let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        self.plain(&format!("{out}{err}exit {}", output.status.code().unwrap_or(-1)))
    }

    fn call(&self, method: &str, params: &[&str]) -> Result<Answer, String> {
        let value = |text: &&str| match (*text, text.parse::<i64>()) {
            ("true", _) => Value::Bool(true),
            ("false", _) => Value::Bool(false),
            (_, Ok(number)) => Value::Int(number),
            (text, Err(_)) => Value::from(text),
        };
        let call = Call { method: method.to_owned(), params: params.iter().map(value).collect() };
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
                (r"pid:[1-9]\d*", "pid:N"),
                (r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d,\d{3}", "TIME"),
                (r"uptime \d+:\d\d:\d\d", "uptime T"),
                (r"[A-Z][a-z]{2} \d\d \d\d:\d\d [AP]M", "TIME"),
                (r"file: \S+ line: \d+", "file: F line: N"),
                (r"(?m)^[1-9]\d*$", "N"),
                (r#"\("(pid|start|stop|now)", Int\([1-9]\d*\)\)"#, "($1, N)"),
                (r"---supervisor-\w+\.log", "---supervisor-X.log"),
            ];
            rules.map(|(rule, plain)| (Regex::new(rule).unwrap(), plain)).into()
        });
        let text = text.replace(self.socket.to_str().unwrap(), "SOCKET");
        let text = text.replace(self.path().to_str().unwrap(), "DIR");
        RULES.iter().fold(text, |text, (rule, plain)| rule.replace_all(&text, *plain).into_owned())
    }
}

/// A value with the members of its structs in one order, for they have none.
fn sorted(value: Value) -> Value {
    match value {
        Value::Struct(mut members) => {
            members.sort_by(|(one, _), (other, _)| one.cmp(other));
            Value::Struct(members.into_iter().map(|(name, value)| (name, sorted(value))).collect())
        }
        Value::Array(elements) => Value::Array(elements.into_iter().map(sorted).collect()),
        other => other,
    }
}

impl Drop for World {
    /// Ends what the test started, by pid, however the test ended.
    fn drop(&mut self) {
        if let Some(mut supervisord) = self.supervisord.take() {
            let _ = kill(Pid::from_raw(i32::try_from(supervisord.id()).unwrap()), Signal::SIGTERM);
            let deadline = Instant::now() + PATIENCE;
            while supervisord.try_wait().is_ok_and(|ended| ended.is_none()) && Instant::now() < deadline {
                std::thread::sleep(Duration::from_millis(20));
            }
            let _ = supervisord.kill();
            let _ = supervisord.wait();
            return;
        }
        let mut down = self.quiet(Path::new(env!("CARGO_BIN_EXE_procman")));
        let _ = down.args(["-q", "-c", "supervisord.conf", "down", "--timeout", "10s"]).status();
        let paths = self.paths();
        let services = leftovers::all(&paths, None).into_iter().map(|it| it.identity);
        for identity in services.chain(leftovers::marked(&paths.instance)) {
            let _ = kill(Pid::from_raw(identity.pid.as_raw()), Signal::SIGKILL);
        }
    }
}
