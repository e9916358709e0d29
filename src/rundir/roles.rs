use crate::sys::process;
use crate::vocab::identity::{Identity, Pid, StartTime};

/// How a guardian is told of the supervisor that it is to guard: one that is its child, and one that started it. The
/// supervisor's identity follows, as PID:START, and then what both share.
pub const GUARD: &str = "--guard";
/// See [`GUARD`].
pub const WATCH: &str = "--watch";

/// Which of these, who carry the mark of a supervisor of one fleet, is the supervisor and no guardian, without any lock to go
/// by. A guardian that was started for a living supervisor names it on its command line; any other supervisor was forked or
/// started by its guardian and is its child; one of whom neither is true has lost its guardian, and is alone.
pub fn supervisor_among(marked: &[Identity]) -> Option<Identity> {
    let is_marked = |identity: &Identity| marked.contains(identity);
    let charge = |guardian: &Identity| charge_of(&process::arguments(guardian.pid));
    let named = marked.iter().filter_map(charge).find(is_marked);
    let is_child = |identity: &&Identity| {
        let parent = process::read(identity.pid).map(|process| process.parent);
        marked.iter().any(|other| parent == Some(other.pid.as_raw()))
    };
    let child = || marked.iter().find(is_child).copied();
    let youngest = || marked.iter().max_by_key(|identity| (identity.started, identity.pid)).copied();
    named.or_else(child).or_else(youngest)
}

/// The supervisor that a guardian with this command line was started for.
fn charge_of(arguments: &[String]) -> Option<Identity> {
    let at = arguments.iter().position(|word| word == GUARD || word == WATCH)?;
    let mut numbers = arguments.get(at + 1)?.split(':');
    let pid = Pid::new(numbers.next()?.parse().ok()?)?;
    Some(Identity { pid, started: StartTime(numbers.next()?.parse().ok()?) })
}

#[cfg(test)]
mod tests {
    use super::{charge_of, supervisor_among};
    use crate::sys::process;
    use crate::vocab::identity::{Identity, Pid, StartTime};
    use std::process::{Child, Command, Stdio};

    #[test]
    fn a_guardian_says_whom_it_was_started_for() {
        let words = |line: &str| line.split(' ').map(str::to_owned).collect::<Vec<_>>();
        let found = Identity { pid: Pid::new(7).unwrap(), started: StartTime(9) };
        assert_eq!(charge_of(&words("procman supervise --config f --watch 7:9:1:2:3:4")), Some(found));
        assert_eq!(charge_of(&words("procman supervise --guard 7:9:1:2:3:4")), Some(found));
        for other in [
            "procman supervise --config f",
            "procman --under 7:9:1:2:3:4",
            "procman --watch",
            "procman --watch x:9",
        ] {
            assert_eq!(charge_of(&words(other)), None, "{other}");
        }
    }

    /// A process that waits, called with these words.
    fn waits(words: &[&str]) -> (Child, Identity) {
        let script = ["-c", "read line; :", "procman"];
        let child = Command::new("/bin/sh").args(script).args(words).stdin(Stdio::piped()).spawn().unwrap();
        let pid = Pid::new(i32::try_from(child.id()).unwrap()).unwrap();
        (child, process::identify(pid).unwrap())
    }

    #[test]
    fn the_one_that_a_younger_guardian_names_is_the_supervisor_and_a_child_of_its_guardian_is() {
        let (mut supervisor, old) = waits(&[]);
        let named = format!("{}:{}:1:2:3:4", old.pid, old.started.0);
        let (mut guardian, young) = waits(&["--watch", &named]);
        let deadline = std::time::Instant::now() + std::time::Duration::from_secs(10);
        while process::arguments(young.pid).len() < 5 {
            assert!(std::time::Instant::now() < deadline);
            std::thread::yield_now();
        }
        assert_eq!(supervisor_among(&[old, young]), Some(old));
        assert_eq!(supervisor_among(&[young]), Some(young), "whom it names is not there");
        assert_eq!(supervisor_among(&[process::own(), old]), Some(old), "a child of the other");
        assert_eq!(supervisor_among(&[]), None);
        for child in [&mut supervisor, &mut guardian] {
            child.kill().unwrap();
            child.wait().unwrap();
        }
    }
}
