//! A private fleet in a temporary directory: its config, its procman commands, and an end that leaves nothing.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::atomic::{AtomicU16, Ordering};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use procman::protocol::status::{ServiceView, Status};
use procman::rundir::paths::Paths;
use procman::vocab::state::State;
use tempfile::{NamedTempFile, TempDir};

/// How long a condition may take to come true; only a failing test ever waits so long.
pub(crate) const DEADLINE: Duration = Duration::from_secs(30);

/// The binary under test.
pub(crate) fn procman() -> &'static Path {
    Path::new(env!("CARGO_BIN_EXE_procman"))
}

/// The child that obeys.
pub(crate) fn puppet() -> PathBuf {
    let puppet = procman().parent().unwrap().join("examples/puppet");
    assert!(
        puppet.exists(),
        "the puppet is not built: `cargo test` builds it, or `cargo build --example puppet`"
    );
    puppet
}

/// A port that nobody listens on, below the range from which the kernel gives ports to clients, and given to no other test
/// of this process.
pub(crate) fn free_port() -> u16 {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    let start = 20_000 + u16::try_from(std::process::id() % 80).unwrap() * 150;
    loop {
        let port = start + NEXT.fetch_add(1, Ordering::Relaxed) % 12_000;
        if TcpListener::bind(("127.0.0.1", port)).is_ok() && TcpListener::bind(("0.0.0.0", port)).is_ok() {
            return port;
        }
    }
}

/// Waits until `condition` gives something, or fails saying what was awaited.
pub(crate) fn wait_until<T>(awaited: &str, mut condition: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + DEADLINE;
    loop {
        if let Some(found) = condition() {
            return found;
        }
        assert!(Instant::now() < deadline, "{awaited}: not within {DEADLINE:?}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// Whether a process lives (a zombie does not).
pub(crate) fn is_alive(pid: i32) -> bool {
    let pid = procman::vocab::identity::Pid::new(pid).unwrap();
    procman::sys::process::read(pid).is_some_and(|process| process.is_alive())
}

/// Gives a program another path. A link, where both lie on one file system: a file that was just written can be open for
/// writing in a child that another test is forking at this moment, and then cannot be executed (ETXTBSY).
fn provide(program: &Path, at: &Path) {
    if fs::hard_link(program, at).is_ok() {
        return;
    }
    fs::copy(program, at).unwrap();
    wait_until("the copy can be executed", || {
        Command::new(at).args(["exit", "0"]).status().is_ok().then_some(())
    });
}

/// A process that a test started beside its fleet. It ends with the test, however that ends.
pub(crate) struct Beside(pub(crate) Child);

impl Beside {
    pub(crate) fn start(command: &mut Command) -> Self {
        Self(command.stdin(Stdio::null()).spawn().unwrap())
    }

    pub(crate) fn pid(&self) -> i32 {
        i32::try_from(self.0.id()).unwrap()
    }

    pub(crate) fn is_alive(&self) -> bool {
        is_alive(self.pid())
    }
}

impl Drop for Beside {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A fleet of its own.
pub(crate) struct Fleet {
    dir: TempDir,
}

/// What a command printed, and how it ended.
pub(crate) struct Ran {
    pub(crate) code: i32,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Ran {
    pub(crate) fn of(output: &Output) -> Self {
        Self {
            code: output.status.code().unwrap_or(-1),
            stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        }
    }

    /// Fails unless the command ended with this code.
    #[track_caller]
    pub(crate) fn expect(self, code: i32) -> Self {
        assert_eq!(self.code, code, "\n--- stdout\n{}\n--- stderr\n{}", self.stdout, self.stderr);
        self
    }

    /// Fails unless standard error has each of these.
    #[track_caller]
    pub(crate) fn says(self, words: &[&str]) -> Self {
        for word in words {
            assert!(self.stderr.contains(word), "`{word}` is not in\n{}", self.stderr);
        }
        self
    }
}

/// A procman command that runs on, and whose talk can be read meanwhile.
pub(crate) struct Talker {
    child: Child,
    talk: NamedTempFile,
}

impl Talker {
    /// Waits until it has said this.
    pub(crate) fn wait_for(&self, said: &str) {
        wait_until(&format!("it says `{said}`"), || {
            fs::read_to_string(self.talk.path()).unwrap().contains(said).then_some(())
        });
    }

    /// Presses Ctrl-C.
    pub(crate) fn interrupt(&self) {
        kill(Pid::from_raw(i32::try_from(self.child.id()).unwrap()), Signal::SIGINT).unwrap();
    }

    /// Waits for its end.
    pub(crate) fn end(self) -> Ran {
        let ran = Ran::of(&self.child.wait_with_output().unwrap());
        Ran { stderr: fs::read_to_string(self.talk.path()).unwrap(), ..ran }
    }
}

impl Fleet {
    /// A fleet with this config; `{puppet}` stands for the child that obeys.
    pub(crate) fn new(config: &str) -> Self {
        let fleet = Self { dir: tempfile::Builder::new().prefix("pm").tempdir().unwrap() };
        provide(&puppet(), &fleet.puppet());
        fleet.configure(config);
        fleet
    }

    /// Replaces the config file.
    pub(crate) fn configure(&self, config: &str) {
        let config = config.replace("{puppet}", self.puppet().to_str().unwrap());
        fs::write(self.config(), config).unwrap();
    }

    /// The fleet's own file of the puppet. An emergency restart ends whoever runs the very file that a service declares,
    /// so two fleets must not share one.
    pub(crate) fn puppet(&self) -> PathBuf {
        self.path().join("puppet")
    }

    pub(crate) fn path(&self) -> PathBuf {
        self.dir.path().canonicalize().unwrap()
    }

    pub(crate) fn config(&self) -> PathBuf {
        self.path().join("services.toml")
    }

    /// Where the supervisor's files lie.
    pub(crate) fn paths(&self) -> Paths {
        Paths::new(&self.config(), &self.path().join(".procman"))
    }

    /// A procman command line on this fleet.
    pub(crate) fn command(&self, words: &str) -> Command {
        let mut command = Command::new(procman());
        command.args(words.split_whitespace()).current_dir(self.path()).stdin(Stdio::null());
        command.env_remove("PROCMAN_CONFIG").env("NO_COLOR", "1");
        command
    }

    /// Runs a procman command to its end.
    pub(crate) fn run(&self, words: &str) -> Ran {
        Ran::of(&self.command(words).output().unwrap())
    }

    /// Starts a procman command and leaves it running.
    pub(crate) fn spawn(&self, words: &str) -> Child {
        self.command(words).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
    }

    /// Starts a procman command whose talk goes into a file.
    pub(crate) fn talker(&self, words: &str) -> Talker {
        let talk = NamedTempFile::new_in(self.path()).unwrap();
        let child =
            self.command(words).stdout(Stdio::piped()).stderr(talk.reopen().unwrap()).spawn().unwrap();
        Talker { child, talk }
    }

    /// The status, whatever the exit code.
    pub(crate) fn status(&self) -> Status {
        let ran = self.run("status --json");
        serde_json::from_str(&ran.stdout)
            .unwrap_or_else(|error| panic!("{error}\n{}\n{}", ran.stdout, ran.stderr))
    }

    pub(crate) fn service(&self, name: &str) -> ServiceView {
        self.status().services.into_iter().find(|service| service.name.as_str() == name).unwrap()
    }

    pub(crate) fn pid(&self, name: &str) -> i32 {
        self.service(name).pid.unwrap_or_else(|| panic!("{name} has no process")).as_raw()
    }

    /// Waits until a service is in a state.
    pub(crate) fn wait_for_state(&self, name: &str, state: State) -> ServiceView {
        wait_until(&format!("{name} is {state}"), || Some(self.service(name)).filter(|it| it.state == state))
    }

    pub(crate) fn supervisor_pid(&self) -> i32 {
        self.status().supervisor.pid.unwrap().as_raw()
    }

    /// The supervisor that answers, if one does.
    pub(crate) fn supervisor_pid_if_any(&self) -> Option<i32> {
        let status = serde_json::from_str::<Status>(&self.run("status --json").stdout).ok()?;
        status.supervisor.pid.map(|pid| pid.as_raw()).filter(|_| status.supervisor.running)
    }

    /// How many lines each run of the puppet's `count` has written at least (at most one more), by `RUN-PID`.
    pub(crate) fn counted(&self) -> BTreeMap<String, u64> {
        let files = fs::read_dir(self.path().join("counted")).into_iter().flatten().flatten();
        let read = |file: fs::DirEntry| {
            let count = fs::read_to_string(file.path()).ok()?.parse().unwrap_or(0);
            Some((file.file_name().into_string().ok()?, count))
        };
        files.filter_map(read).collect()
    }

    /// Waits a moment until no process of the fleet is alive. A guardian lets go of its lock, which `down` waits for, just
    /// before it is gone.
    pub(crate) fn wait_until_nothing_lives(&self) {
        wait_until("nothing is alive", || self.processes().is_empty().then_some(()));
    }

    /// Every living process of a service, of whatever run.
    pub(crate) fn family(&self, service: &str) -> BTreeSet<i32> {
        let found = procman::rundir::leftovers::find(&self.paths().instance, None).into_iter();
        found.filter(|it| it.service.as_str() == service).map(|it| it.identity.pid.as_raw()).collect()
    }

    /// Kills the supervisor and the guardian that would bring it back, and waits until both are gone.
    pub(crate) fn behead(&self) {
        let supervisor = self.status().supervisor;
        let pids: Vec<i32> =
            supervisor.guardian.into_iter().chain(supervisor.pid).map(|pid| pid.as_raw()).collect();
        // A supervisor that sees its guardian die gets another.
        kill(Pid::from_raw(supervisor.pid.unwrap().as_raw()), Signal::SIGSTOP).unwrap();
        for pid in &pids {
            kill(Pid::from_raw(*pid), Signal::SIGKILL).unwrap();
        }
        wait_until("the supervisor is dead", || pids.iter().all(|pid| !is_alive(*pid)).then_some(()));
    }

    /// A file of the fleet's directory as text; empty if there is none.
    pub(crate) fn read(&self, file: &str) -> String {
        fs::read(self.path().join(file))
            .map(|bytes| String::from_utf8_lossy(&bytes).into_owned())
            .unwrap_or_default()
    }

    /// Every living process that carries this fleet's tag, or is its supervisor or guardian.
    pub(crate) fn processes(&self) -> BTreeSet<i32> {
        let paths = self.paths();
        let journal = procman::rundir::journal::Journal::read(&paths.journal).ok().flatten();
        let leftovers = procman::rundir::leftovers::all(&paths, journal.as_ref());
        let supervisors = procman::rundir::leftovers::marked(&paths.instance);
        let services = leftovers.iter().map(|it| it.identity);
        services.chain(supervisors).map(|identity| identity.pid.as_raw()).collect()
    }
}

impl Drop for Fleet {
    /// Ends what the test started, by pid, however the test ended.
    fn drop(&mut self) {
        let _ = self.run("down --timeout 10s");
        for pid in self.processes() {
            let _ = kill(Pid::from_raw(pid), Signal::SIGKILL);
        }
    }
}
