use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use nix::unistd::{AccessFlags, access};
use tokio::io::AsyncReadExt;
use tokio::net::unix::pipe::Receiver;

use crate::spec::script::{Language, Script, script_of};
use crate::spec::service::Service;
use crate::sys::limits::Rlimits;
use crate::sys::signal;
use crate::sys::spawn::{Credentials, Launch, SpawnError, spawn};
use crate::vocab::identity::Identity;
use crate::vocab::measure::Brief;
use crate::vocab::signal::Signal;

/// What can be told of a start before there is one.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Foresight {
    /// Why it would fail, each in words that go on after the service's name.
    pub problems: Vec<String>,
    /// What could not be told.
    pub remarks: Vec<String>,
}

/// How long an interpreter may take over a script. Shorter than any client waits for its answer.
const LIMIT: Duration = Duration::from_secs(4);

/// An interpreter says no more than this.
const ANSWER_BYTES_MAX: u64 = 64 * 1024;

/// Whether Python understands a script. It is compiled in memory, so that no file is written, and nothing of it is run.
const COMPILE: &str = r"
import sys
p = sys.argv[1]
try:
    with open(p, 'rb') as f:
        compile(f.read(), p, 'exec', 0, True)
    r = ['fine']
except SyntaxError as e:
    r = ['bad', 'line %s: %s' % (e.lineno, e.msg), (e.text or '').strip()]
except (OSError, ValueError) as e:
    r = ['bad', str(e), '']
sys.stdout.buffer.write('\n'.join(r).encode('utf-8', 'replace'))
";

/// Looks at all that a start of this service needs, in this environment, and starts nothing: its directory, program and
/// script, its log files, and for Python whether the script can be compiled, as the service's user. Takes four seconds at
/// most; what takes longer is a remark and no problem, since a slow disk is no broken program.
pub async fn foresee(service: &Service, environment: &BTreeMap<String, String>) -> Foresight {
    let mut found = Foresight::default();
    found
        .problems
        .extend([&service.logs.stdout, &service.logs.stderr].into_iter().filter_map(|it| closed_log(it)));
    if !service.directory.is_dir() {
        found.problems.push(format!("the directory {} does not exist", service.directory.display()));
        return found;
    }
    let search = environment.get("PATH").map(String::as_str);
    let Some(program) = service.command.resolve(&service.directory, search) else {
        found.problems.push(format!("there is no program `{}`", service.command.program()));
        return found;
    };
    let words: Vec<String> = std::iter::once(service.command.program())
        .chain(service.command.arguments().iter().map(String::as_str))
        .map(str::to_owned)
        .collect();
    let Some(script) = script_of(&words) else { return found };
    let file = service.directory.join(&script.file);
    if let Some(problem) = closed_script(service, &file) {
        found.problems.push(problem);
    } else if script.language == Language::Python && file.extension().is_some_and(|it| it == "py") {
        let compile = Compile { service, environment, program, words: &words, script: &script };
        match tokio::time::timeout(LIMIT, compile.run()).await {
            Ok(Ok(())) => (),
            Ok(Err(Trouble::Problem(problem))) => {
                found.problems.push(format!("{}: {problem}", file.display()))
            }
            Ok(Err(Trouble::Remark(remark))) => found.remarks.push(format!("{}: {remark}", file.display())),
            Err(_) => {
                found.remarks.push(format!("{} was not compiled within {}", file.display(), Brief(LIMIT)));
            }
        }
    }
    found
}

/// A file that is there must be writable; one that is not is made, so its nearest directory must be.
fn closed_log(file: &Path) -> Option<String> {
    let nearest = file.ancestors().find(|it| it.exists())?;
    let is_writable = access(nearest, AccessFlags::W_OK).is_ok() && (nearest != file || file.is_file());
    let what = if nearest == file { "file" } else { "directory" };
    (!is_writable).then(|| format!("its log {what} {} cannot be written", nearest.display()))
}

/// Whether another user may read it is seen by trying as that user.
fn closed_script(service: &Service, file: &Path) -> Option<String> {
    match fs::metadata(file) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            Some(format!("the script {} does not exist", file.display()))
        }
        Ok(found) if found.is_file() && service.user.is_none() => {
            File::open(file).err().map(|error| format!("cannot read the script {}: {error}", file.display()))
        }
        Ok(_) | Err(_) => None,
    }
}

/// The interpreter of a service asked about its script.
struct Compile<'a> {
    service: &'a Service,
    environment: &'a BTreeMap<String, String>,
    program: PathBuf,
    words: &'a [String],
    script: &'a Script,
}

enum Trouble {
    Problem(String),
    Remark(String),
}

impl Compile<'_> {
    async fn run(&self) -> Result<(), Trouble> {
        let remark = |error: io::Error| Trouble::Remark(format!("could not be checked: {error}"));
        let (reader, writer) = io::pipe().map_err(remark)?;
        let reader = Receiver::from_owned_fd(reader.into()).map_err(remark)?;
        let nowhere = File::options().write(true).open("/dev/null").map_err(remark)?;
        let arguments = self.arguments();
        let launch = Launch {
            stdin: None,
            rlimits: Rlimits::default(),
            program: &self.program,
            argument_zero: self.service.command.program(),
            arguments: &arguments,
            environment: self.environment,
            directory: &self.service.directory,
            stdout: writer.into(),
            stderr: nowhere.into(),
            umask: self.service.umask,
            nice: self.service.nice,
            credentials: self.service.user.as_ref().map(|user| Credentials {
                uid: user.uid,
                gid: user.gid,
                groups: user.groups.clone(),
            }),
        };
        let process = spawn(&launch).map_err(|error| match error {
            SpawnError::NoProcess { .. } => Trouble::Remark(error.to_string()),
            SpawnError::Directory { .. } | SpawnError::Program { .. } => Trouble::Problem(error.to_string()),
        })?;
        let _ended = Ended(process);
        // Its answer ends when nobody has the other end of the pipe any more.
        drop(launch);
        let mut text = String::new();
        reader.take(ANSWER_BYTES_MAX).read_to_string(&mut text).await.map_err(remark)?;
        let mut lines = text.lines();
        match (lines.next(), lines.next(), lines.next()) {
            (Some("fine"), ..) => Ok(()),
            (Some("bad"), Some(what), Some(line)) => Err(Trouble::Problem(format!("{what}: `{line}`"))),
            (Some("bad"), Some(what), None) => Err(Trouble::Problem(what.to_owned())),
            (Some(_) | None, ..) => {
                Err(Trouble::Remark("its interpreter does not say whether it is right".to_owned()))
            }
        }
    }

    /// The interpreter as the service starts it, isolated: what is asked needs no site and no module of the service, and is
    /// answered in milliseconds.
    fn arguments(&self) -> Vec<String> {
        let before = self.words[1..=self.script.interpreter].iter().map(String::as_str);
        let after = ["-I", "-S", "-c", COMPILE, &self.script.file];
        before.chain(after).map(str::to_owned).collect()
    }
}

/// A process that ends with whoever waits for it. Whoever made it reaps it, as any orphan.
struct Ended(Identity);

impl Drop for Ended {
    fn drop(&mut self) {
        // One that has answered has ended, or is about to.
        let _ = signal::send(self.0, Signal::KILL);
    }
}

#[cfg(test)]
mod tests {
    use super::{Foresight, foresee};
    use crate::spec::graph::Needs;
    use crate::spec::log::{Logs, Rotation};
    use crate::spec::policy::{Backoff, PortConflict, RestartPolicy, Stop};
    use crate::spec::service::{Command, Service};
    use crate::vocab::name::ServiceName;
    use std::collections::{BTreeMap, BTreeSet};
    use std::fs;
    use std::path::Path;
    use std::time::Duration;

    fn service(directory: &Path, line: &str) -> Service {
        Service {
            name: ServiceName::parse("api").unwrap(),
            group: None,
            command: Command::new(line.split_whitespace().map(str::to_owned).collect()).unwrap(),
            directory: directory.to_owned(),
            env: BTreeMap::new(),
            ports: Vec::new(),
            on_port_conflict: PortConflict::Wait,
            preflight: true,
            depends_on: Needs::new(),
            ready: None,
            live: None,
            restart: RestartPolicy::Always,
            hooks: crate::spec::hooks::Hooks::new(),
            watch: None,
            limits: crate::spec::limits::Limits::default(),
            backoff: Backoff::default(),
            stop: Stop::default(),
            success_exit_codes: BTreeSet::from([0]),
            min_uptime: Duration::from_secs(1),
            autostart: true,
            priority: 0,
            reload_signal: None,
            user: None,
            umask: None,
            nice: None,
            logs: Logs {
                stdout: directory.join("logs/api.out.log"),
                stderr: directory.join("logs/api.err.log"),
                rotation: Rotation::default(),
            },
        }
    }

    fn seen(service: &Service) -> Foresight {
        let environment = BTreeMap::from([("PATH".to_owned(), "/usr/bin:/bin".to_owned())]);
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(foresee(service, &environment))
    }

    #[test]
    fn what_a_start_would_fail_by_is_told_and_what_cannot_be_told_is_no_problem() {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path();
        fs::write(root.join("good.py"), "import nowhere\nraise SystemExit(3)\n").unwrap();
        fs::write(root.join("bad.py"), "import sys\n\ndef main(:\n    pass\n").unwrap();
        let interpreter = root.join("python3");
        fs::write(&interpreter, "").unwrap();
        let check = |line: &str, problems: &[&str]| {
            let found = seen(&service(root, line));
            assert_eq!(found.problems.len(), problems.len(), "{line}: {found:?}");
            for (found, expected) in found.problems.iter().zip(problems) {
                assert!(found.contains(expected), "{line}: {found}");
            }
        };
        check("sleep 9", &[]);
        check("no-such-program", &["there is no program `no-such-program`"]);
        check("sh ./gone.sh", &["gone.sh does not exist"]);
        if Path::new("/usr/bin/python3").exists() {
            check("python3 -u good.py x", &[]);
            check("python3 -u bad.py", &["bad.py: line 3: "]);
            check("env A=1 python3 bad.py", &["def main(:"]);
            check("python3 gone.py", &["gone.py does not exist"]);
            check("python3 -m bad", &[]);
        }
        assert!(!root.join("__pycache__").exists(), "nothing is written");
        let mute = root.join("bin/python3");
        fs::create_dir(root.join("bin")).unwrap();
        std::os::unix::fs::symlink("/bin/true", &mute).unwrap();
        let found = seen(&service(root, &format!("{} bad.py", mute.display())));
        assert!(found.problems.is_empty() && found.remarks.len() == 1, "{found:?}");
    }

    #[test]
    fn a_place_that_is_not_as_it_should_be_is_told() {
        let dir = tempfile::tempdir().unwrap();
        let gone = Service { directory: dir.path().join("gone"), ..service(dir.path(), "sleep 9") };
        assert!(seen(&gone).problems[0].contains("gone does not exist"));
        fs::create_dir_all(dir.path().join("logs/api.err.log")).unwrap();
        let found = seen(&service(dir.path(), "sleep 9"));
        assert!(found.problems[0].contains("api.err.log cannot be written"), "{found:?}");
    }
}
