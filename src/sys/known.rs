use std::collections::BTreeMap;
use std::time::Duration;

use super::os;
use super::process::{self, Process};
use crate::vocab::identity::Pid;

/// What looks at processes have read, so that the next one reads only what may have changed. A process that has not run
/// since is as it was: to fork, to open or close a descriptor, to end, or to take on another name, it would have had to run,
/// and the kernel counts that in nanoseconds. To ask for that count costs a twentieth of reading what it does not change.
/// What others do to a process that sleeps may be as old as its last run: its memory may have been swapped out, and it has
/// another parent when its own has ended, which is for the reader to see.
#[derive(Debug, Default)]
pub struct Known {
    /// Each in a place of its own: up to half of a tree's nodes is empty.
    entries: BTreeMap<Pid, Box<Entry>>,
    look: u64,
}

#[derive(Debug)]
struct Entry {
    /// How long it had run before it was read; none where that does not tell.
    ran: Option<Duration>,
    /// The last look that met it.
    met: u64,
    process: Process,
    sockets: Option<Vec<(i32, u64)>>,
    about: Option<About>,
}

/// What is told of a process to people.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct About {
    /// Its command line.
    pub command: String,
    /// Its effective user.
    pub user: Option<u32>,
}

impl Known {
    /// Begins a look: what one look has met is not asked again in it. Who was not met in the look before is forgotten.
    pub fn begin_look(&mut self) {
        let before = self.look;
        self.entries.retain(|_, entry| entry.met == before);
        self.look += 1;
    }

    /// The process with this pid; none when there is none, or when this user may not see it.
    pub fn read(&mut self, pid: Pid) -> Option<Process> {
        self.entry(pid).map(|entry| entry.process)
    }

    /// The same, whatever was known of it.
    pub fn read_afresh(&mut self, pid: Pid) -> Option<Process> {
        let process = process::read(pid);
        match (self.entry(pid), process) {
            (Some(entry), Some(process)) => entry.process = process,
            (Some(_), None) | (None, _) => drop(self.entries.remove(&pid)),
        }
        process
    }

    /// Its sockets, each with the descriptor that leads to it and what tells it from others, as
    /// [`Listener`](super::listeners::Listener) has it.
    pub fn sockets(&mut self, pid: Pid) -> &[(i32, u64)] {
        let Some(entry) = self.entry(pid) else { return &[] };
        entry.sockets.get_or_insert_with(|| os::process::sockets(pid).collect())
    }

    /// What is told of it.
    pub fn about(&mut self, pid: Pid) -> Option<&About> {
        let entry = self.entry(pid)?;
        let about = || About { command: process::arguments(pid).join(" "), user: process::user(pid) };
        Some(entry.about.get_or_insert_with(about))
    }

    fn entry(&mut self, pid: Pid) -> Option<&mut Entry> {
        let look = self.look;
        if self.entries.get(&pid).is_none_or(|entry| entry.met != look) {
            // It is asked before the process is read, so that what happens in between is seen by the next look.
            let ran = os::process::ran(pid).filter(|ran| tells(*ran));
            match self.entries.get_mut(&pid) {
                Some(entry) if ran.is_some() && entry.ran == ran => entry.met = look,
                Some(_) | None => match process::read(pid) {
                    Some(process) => {
                        let entry = Entry { ran, met: look, process, sockets: None, about: None };
                        self.entries.insert(pid, Box::new(entry));
                    }
                    None => drop(self.entries.remove(&pid)),
                },
            }
        }
        self.entries.get_mut(&pid).map(AsMut::as_mut)
    }
}

/// A kernel that counts in ticks does not see who runs between two of them.
fn tells(ran: Duration) -> bool {
    !ran.subsec_nanos().is_multiple_of(1_000_000)
}

#[cfg(test)]
mod tests {
    use super::Known;
    use crate::sys::process;
    use crate::vocab::identity::Pid;
    use std::io::{BufRead, BufReader, Write};
    use std::process::{Child, ChildStdout, Command, Stdio};

    /// A shell that does what it is told, and says when that is done.
    struct Shell {
        child: Child,
        answers: BufReader<ChildStdout>,
    }

    impl Shell {
        fn new() -> Self {
            let mut command = Command::new("/bin/sh");
            let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
            let answers = BufReader::new(child.stdout.take().unwrap());
            let mut shell = Self { child, answers };
            shell.tell(":");
            shell
        }

        fn pid(&self) -> Pid {
            Pid::new(i32::try_from(self.child.id()).unwrap()).unwrap()
        }

        fn tell(&mut self, what: &str) -> String {
            writeln!(self.child.stdin.as_ref().unwrap(), "{what}; echo done").unwrap();
            let mut answer = String::new();
            self.answers.read_line(&mut answer).unwrap();
            answer
        }
    }

    impl Drop for Shell {
        fn drop(&mut self) {
            let _ = self.child.kill();
            let _ = self.child.wait();
        }
    }

    /// What a look knows of a process is what the system says of it, whatever it did since the look before.
    #[test]
    fn a_process_that_did_anything_since_the_last_look_is_read_again() {
        let mut shell = Shell::new();
        let mut known = Known::default();
        for act in [":", "exec 7</dev/null", "trap : USR1", "x=1", ":", "exec 7<&-", "umask 022"] {
            shell.tell(act);
            known.begin_look();
            assert_eq!(known.read(shell.pid()), process::read(shell.pid()), "{act}");
        }
    }

    #[test]
    fn sockets_are_known_as_they_are_opened_and_closed() {
        let mut known = Known::default();
        let own = process::own_pid();
        let mut held = |inode: u64| {
            known.begin_look();
            known.sockets(own).iter().any(|(_, other)| *other == inode)
        };
        for _ in 0..50 {
            let (end, other) = std::os::unix::net::UnixStream::pair().unwrap();
            let inode = inode_of(&end);
            assert!(held(inode) || cfg!(target_os = "macos"));
            drop(end);
            assert!(!held(inode));
            drop(other);
        }
    }

    fn inode_of(socket: &std::os::unix::net::UnixStream) -> u64 {
        use std::os::fd::AsFd;
        use std::os::unix::fs::MetadataExt;
        std::fs::File::from(socket.as_fd().try_clone_to_owned().unwrap()).metadata().unwrap().ino()
    }

    #[test]
    fn a_process_that_sleeps_is_not_read_again_and_one_that_ended_is_gone() {
        let mut shell = Shell::new();
        let (mut known, pid) = (Known::default(), shell.pid());
        assert!(known.read(pid).is_some());
        // A shell that has just begun may still run between two looks.
        let deadline = std::time::Instant::now() + std::time::Duration::from_secs(10);
        loop {
            known.read(pid).unwrap();
            known.about(pid).unwrap();
            known.begin_look();
            let kept = known.entry(pid).unwrap();
            if kept.about.is_some() || kept.ran.is_none() {
                break;
            }
            assert!(std::time::Instant::now() < deadline, "the shell waits for its next word");
        }
        shell.child.kill().unwrap();
        shell.child.wait().unwrap();
        known.begin_look();
        assert_eq!(known.read(pid), None);
        known.begin_look();
        known.begin_look();
        assert!(known.entries.is_empty(), "who is not met is forgotten");
    }
}
