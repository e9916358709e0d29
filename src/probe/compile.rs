use std::collections::BTreeMap;
use std::fs::File;
use std::io;
use std::path::PathBuf;

use tokio::io::AsyncReadExt;
use tokio::net::unix::pipe::Receiver;

use crate::spec::service::User;
use crate::sys::handover::Handover;
use crate::sys::signal;
use crate::sys::spawn::{Launch, SpawnError, spawn};
use crate::vocab::identity::Identity;
use crate::vocab::rlimits::Rlimits;
use crate::vocab::signal::Signal;

/// A Python as services start it. Those that start the same one ask it together: it takes longer to start than to compile.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Interpreter {
    pub(super) program: PathBuf,
    /// Its name and the words before its options.
    pub(super) words: Vec<String>,
    pub(super) directory: PathBuf,
    pub(super) environment: BTreeMap<String, String>,
    pub(super) user: Option<User>,
    pub(super) umask: Option<u32>,
    pub(super) nice: Option<i32>,
}

/// Why there is no word on scripts, or what they suffer from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Trouble {
    /// They would not start.
    Problem(String),
    /// Nobody knows.
    Remark(String),
}

/// An interpreter says no more than this about all of them.
const ANSWER_BYTES_MAX: u64 = 256 * 1024;

/// Whether Python understands scripts. They are compiled in memory, so that no file is written, and nothing of them is run.
/// Each answer is a line: `fine`, or `bad` and what is wrong with which line, apart by unit separators.
const COMPILE: &str = r"
import sys
for p in sys.argv[1:]:
    try:
        with open(p, 'rb') as f:
            compile(f.read(), p, 'exec', 0, True)
        r = ['fine']
    except SyntaxError as e:
        r = ['bad', 'line %s: %s' % (e.lineno, e.msg), (e.text or '').strip()]
    except (OSError, ValueError) as e:
        r = ['bad', str(e)]
    line = '\x1f'.join(' '.join(part.split()) for part in r) + '\n'
    sys.stdout.buffer.write(line.encode('utf-8', 'replace'))
    sys.stdout.buffer.flush()
";

/// Asks an interpreter about scripts, as it is told them; an answer for each.
pub(super) async fn compile(interpreter: &Interpreter, files: &[String]) -> Vec<Result<(), Trouble>> {
    let text = match answers(interpreter, files).await {
        Ok(text) => text,
        Err(trouble) => return vec![Err(trouble); files.len()],
    };
    let mut lines = text.lines();
    files.iter().map(|_| verdict(lines.next())).collect()
}

fn verdict(line: Option<&str>) -> Result<(), Trouble> {
    let mut parts = line.into_iter().flat_map(|line| line.split('\x1f'));
    match (parts.next(), parts.next(), parts.next()) {
        (Some("fine"), ..) => Ok(()),
        (Some("bad"), Some(what), Some(line)) if !line.is_empty() => {
            Err(Trouble::Problem(format!("{what}: `{line}`")))
        }
        (Some("bad"), Some(what), _) => Err(Trouble::Problem(what.to_owned())),
        (Some(_) | None, ..) => {
            Err(Trouble::Remark("its interpreter does not say whether it is right".to_owned()))
        }
    }
}

async fn answers(interpreter: &Interpreter, files: &[String]) -> Result<String, Trouble> {
    let remark = |error: io::Error| Trouble::Remark(format!("could not be checked: {error}"));
    let (reader, writer) = io::pipe().map_err(remark)?;
    let reader = Receiver::from_owned_fd(reader.into()).map_err(remark)?;
    let nowhere = File::options().write(true).open("/dev/null").map_err(remark)?;
    // Isolated: what is asked needs no site and no module of the service, and is answered in milliseconds.
    let options = ["-I", "-S", "-c", COMPILE].map(str::to_owned);
    let words = interpreter.words.iter().skip(1).cloned();
    let arguments: Vec<String> = words.chain(options).chain(files.iter().cloned()).collect();
    let launch = Launch {
        rlimits: Rlimits::default(),
        program: &interpreter.program,
        argument_zero: interpreter.words.first().map_or("python3", String::as_str),
        arguments: &arguments,
        environment: &interpreter.environment,
        directory: &interpreter.directory,
        handover: Handover::Nothing,
        stdout: writer.into(),
        stderr: nowhere.into(),
        umask: interpreter.umask,
        nice: interpreter.nice,
        credentials: interpreter.user.as_ref().map(|user| user.credentials.clone()),
        cgroup: None,
    };
    let process = spawn(&launch).map_err(|error| match error {
        SpawnError::NoProcess { .. } | SpawnError::Unseen { .. } => Trouble::Remark(error.to_string()),
        SpawnError::Directory { .. } | SpawnError::Program { .. } => Trouble::Problem(error.to_string()),
    })?;
    let _ended = Ended(process);
    // Its answer ends when nobody has the other end of the pipe any more.
    drop(launch);
    let mut text = String::new();
    reader.take(ANSWER_BYTES_MAX).read_to_string(&mut text).await.map_err(remark)?;
    Ok(text)
}

/// A process that ends with whoever waits for it. Whoever made it reaps it, as any orphan.
struct Ended(Identity);

impl Drop for Ended {
    fn drop(&mut self) {
        // One that has answered has ended, or is about to.
        let _ = signal::send(self.0, Signal::KILL);
    }
}
