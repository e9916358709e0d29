use std::collections::BTreeMap;
use std::io;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};

use nix::sys::signal::{SigHandler, Signal, kill};
use nix::sys::stat::{Mode, umask};
use nix::sys::wait::waitpid;

use super::cgroup::Cgroup;
use super::handover::Handover;
use super::os;
use super::process::{self, Process};
use crate::vocab::credentials::Credentials;
use crate::vocab::identity::{Identity, Pid, StartTime};
use crate::vocab::rlimits::Rlimits;

/// A process to be made. It gets a session and a group of its own, no terminal, an empty signal mask and the default
/// dispositions, and no descriptor of ours but those that it is handed.
#[derive(Debug)]
pub struct Launch<'a> {
    /// The file to execute, absolute.
    pub program: &'a Path,
    /// What it is told its name is.
    pub argument_zero: &'a str,
    /// Its other arguments.
    pub arguments: &'a [String],
    /// Its whole environment.
    pub environment: &'a BTreeMap<String, String>,
    /// Its working directory.
    pub directory: &'a Path,
    /// What it is given beside its output.
    pub handover: Handover<'a>,
    /// Its standard output.
    pub stdout: OwnedFd,
    /// Its standard error.
    pub stderr: OwnedFd,
    /// What the system holds it to, where that is not what we are held to.
    pub rlimits: Rlimits,
    /// Its file mode creation mask, if not ours.
    pub umask: Option<u32>,
    /// Its nice value, if not ours.
    pub nice: Option<i32>,
    /// Who it runs as, if not as we do.
    pub credentials: Option<Credentials>,
    /// The cgroup that is made for it to be born in, if it gets one. Where that is refused it is made outside of one.
    pub cgroup: Option<&'a Cgroup>,
}

/// Why no process was made.
#[derive(Debug, thiserror::Error)]
pub enum SpawnError {
    /// The working directory is not there, or closed to us.
    #[error("cannot enter the directory {}: {source}", .directory.display())]
    Directory {
        /// The directory.
        directory: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The system has no process to give: its limits are reached.
    #[error("cannot make a process: {source} (limits of processes, descriptors or memory are reached)")]
    NoProcess {
        /// Why.
        source: io::Error,
    },
    /// The program cannot be executed, or the process not be prepared for it.
    #[error("cannot run {}: {source}", .program.display())]
    Program {
        /// The program.
        program: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// Nothing can be known of the process that was made, so it was ended at once: who is not known cannot be stopped later.
    #[error("cannot look at the process that was made, which was ended: {source}")]
    Unseen {
        /// Why.
        source: io::Error,
    },
}

/// Makes a process. It is our child: whoever calls this reaps it (`sys::exit::reap`).
pub fn spawn(launch: &Launch<'_>) -> Result<Identity, SpawnError> {
    leave_room(&launch.stdout).map_err(|source| SpawnError::NoProcess { source })?;
    let pid = pid_of(os::child::make(launch)?);
    match process::look(pid) {
        Ok(found) => Ok(identity(pid, found)),
        Err(source) => {
            end_unseen(pid, launch.cgroup);
            Err(SpawnError::Unseen { source })
        }
    }
}

/// So many descriptors stay free beside those of processes: by them we look at these, watch them, and hear who asks.
const DESCRIPTORS_FREE: usize = 8;

/// Makes sure that another process does not take the last descriptors.
fn leave_room(some: &OwnedFd) -> io::Result<()> {
    let free: io::Result<Vec<OwnedFd>> = (0..DESCRIPTORS_FREE).map(|_| some.try_clone()).collect();
    free.map(drop)
}

/// A child that we have not reaped has its pid to itself.
fn end_unseen(pid: Pid, cgroup: Option<&Cgroup>) {
    let pid = nix::unistd::Pid::from_raw(pid.as_raw());
    let _ = kill(pid, Signal::SIGKILL);
    let _ = cgroup.map(Cgroup::kill);
    let _ = waitpid(pid, None);
    let _ = cgroup.map(Cgroup::remove);
}

/// A child that we have not reaped has its pid to itself, so its start time can be read after the fact.
pub(super) fn identity_of(raw: i32) -> Identity {
    let pid = pid_of(raw);
    identity(pid, process::read(pid))
}

fn identity(pid: Pid, found: Option<Process>) -> Identity {
    found.map_or(Identity { pid, started: StartTime(0) }, |found| found.identity)
}

fn pid_of(raw: i32) -> Pid {
    let pid = Pid::new(raw);
    assert!(pid.is_some(), "a child has a positive pid, not {raw}");
    pid.unwrap_or(Pid::FIRST)
}

/// Takes on what a service runs with: mask, nice value, and last of all, since it gives rights away, the user.
pub fn take_on(mask: Option<u32>, nice: Option<i32>, credentials: Option<&Credentials>) -> io::Result<()> {
    if let Some(mask) = mask {
        // The type of mode_t differs between systems.
        umask(Mode::from_bits_truncate(mask as libc::mode_t));
    }
    if let Some(nice) = nice {
        os::rest::set_nice(nice)?;
    }
    if let Some(credentials) = credentials {
        os::rest::set_groups(&credentials.groups)?;
        os::rest::set_group(credentials.gid)?;
        os::rest::set_user(credentials.uid)?;
    }
    Ok(())
}

/// A signal that our own ancestors left ignored (`nohup`, a shell's `&`) acts on a service as usual.
pub(super) fn reset_signals() {
    for signal in Signal::iterator() {
        // SAFETY: the default disposition runs no code of ours. SIGKILL and SIGSTOP refuse, which changes nothing.
        let _ = unsafe { nix::sys::signal::signal(signal, SigHandler::SigDfl) };
    }
}

#[cfg(test)]
mod tests {
    use super::{Handover, Launch, SpawnError, spawn};
    use crate::sys::exit::{self, ExitWatch};
    use crate::sys::process;
    use crate::vocab::outcome::Outcome;
    use crate::vocab::rlimits::Rlimits;
    use std::collections::BTreeMap;
    use std::fs::File;
    use std::os::fd::AsFd;
    use std::os::unix::fs::PermissionsExt;
    use std::path::Path;
    use std::time::{Duration, Instant};

    fn launch<'a>(
        arguments: &'a [String],
        environment: &'a BTreeMap<String, String>,
        out: File,
    ) -> Launch<'a> {
        Launch {
            program: Path::new("/bin/sh"),
            argument_zero: "sh",
            arguments,
            environment,
            directory: Path::new("/"),
            rlimits: Rlimits::default(),
            handover: Handover::Nothing,
            stdout: out.try_clone().unwrap().into(),
            stderr: out.into(),
            umask: Some(0o027),
            nice: None,
            credentials: None,
            cgroup: None,
        }
    }

    fn end_of(identity: crate::vocab::identity::Identity) -> Outcome {
        let watch = ExitWatch::open(identity).unwrap();
        let deadline = Instant::now() + Duration::from_secs(10);
        loop {
            if let Some(outcome) = watch.peek() {
                assert!(!process::is_alive(identity));
                assert_eq!(watch.peek(), Some(outcome), "a zombie stays until it is reaped");
                assert_eq!(exit::reap(identity.pid), Some(outcome));
                return outcome;
            }
            assert!(Instant::now() < deadline);
            std::thread::yield_now();
        }
    }

    #[test]
    fn a_child_starts_clean_and_its_end_is_seen_before_it_is_reaped() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("out");
        let script = "umask; pwd; env | grep -v -e ^PWD -e ^OLDPWD -e ^SHLVL -e ^_=; \
                      test $(ps -o sid= -p $$) -eq $$ || exit 4; exit 3";
        let arguments = ["-c", script].map(str::to_owned);
        let environment = BTreeMap::from(
            [("A", "b c"), ("PATH", "/usr/bin:/bin")].map(|(k, v)| (k.to_owned(), v.to_owned())),
        );
        let child = spawn(&launch(&arguments, &environment, File::create(&path).unwrap())).unwrap();
        assert_eq!(end_of(child), Outcome::Code(3));
        let text = std::fs::read_to_string(&path).unwrap();
        assert_eq!(text, "0027\n/\nA=b c\nPATH=/usr/bin:/bin\n");
    }

    #[test]
    fn a_script_that_names_no_interpreter_is_run_by_sh_and_gets_no_other_descriptor() {
        let dir = tempfile::tempdir().unwrap();
        let (script, path) = (dir.path().join("script"), dir.path().join("out"));
        std::fs::write(&script, "echo \"$1\"; for n in 3 4 5 6 7 8 9; do true >&$n; done; echo end").unwrap();
        std::fs::set_permissions(&script, std::fs::Permissions::from_mode(0o700)).unwrap();
        let arguments = ["a b".to_owned()];
        let environment = BTreeMap::new();
        let out = File::create(&path).unwrap();
        let child = spawn(&Launch { program: &script, ..launch(&arguments, &environment, out) }).unwrap();
        end_of(child);
        let text = std::fs::read_to_string(&path).unwrap();
        let refused = text.lines().filter(|line| line.contains("ad file descriptor")).count();
        assert!(text.starts_with("a b\n") && text.ends_with("end\n") && refused == 7, "{text}");
    }

    #[test]
    fn what_keeps_a_child_from_being_made_is_named() {
        let environment = BTreeMap::new();
        let null = || File::create("/dev/null").unwrap();
        let no_directory = Launch { directory: Path::new("/no/such"), ..launch(&[], &environment, null()) };
        assert!(matches!(spawn(&no_directory), Err(SpawnError::Directory { .. })));
        let no_program = Launch { program: Path::new("/no/such"), ..launch(&[], &environment, null()) };
        assert!(matches!(spawn(&no_program), Err(SpawnError::Program { .. })));
    }

    #[test]
    fn a_child_finds_what_it_is_handed_from_descriptor_3_on_and_its_own_pid() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("out");
        let texts = ["first", "second"];
        let files = texts.map(|text| {
            let path = dir.path().join(text);
            std::fs::write(&path, text).unwrap();
            File::open(path).unwrap()
        });
        let script = "cat <&3; echo; cat <&4; echo; test $LISTEN_PID = $$ && echo $A; exit 3";
        let arguments = ["-c", script].map(str::to_owned);
        let environment = BTreeMap::from([("A".to_owned(), "b c".to_owned())]);
        let fds = files.iter().map(AsFd::as_fd).collect();
        let handover = Handover::FromThreeWithPid(fds, "LISTEN_PID");
        let launch = launch(&arguments, &environment, File::create(&path).unwrap());
        let child = spawn(&Launch { handover, ..launch }).unwrap();
        assert_eq!(end_of(child), Outcome::Code(3));
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "first\nsecond\nb c\n");
    }

    #[test]
    fn as_many_as_are_handed_over_are_there() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("out");
        let null = File::open("/dev/null").unwrap();
        let arguments = ["-c", "exec ls /dev/fd"].map(str::to_owned);
        let environment = BTreeMap::new();
        let handover = Handover::FromThree(vec![null.as_fd(); 4]);
        let launch = launch(&arguments, &environment, File::create(&path).unwrap());
        assert_eq!(end_of(spawn(&Launch { handover, ..launch }).unwrap()), Outcome::Code(0));
        let found = std::fs::read_to_string(&path).unwrap();
        let mut numbers: Vec<i32> = found.split_whitespace().map(|word| word.parse().unwrap()).collect();
        numbers.sort_unstable();
        // Behind them come that by which ls looks, and what the test itself was started with.
        assert_eq!(numbers[..7], [0, 1, 2, 3, 4, 5, 6], "{found}");
    }
}
