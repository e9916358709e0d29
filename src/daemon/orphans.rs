use std::collections::BTreeSet;
use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::sync::watch;

use crate::sys::process::Process;
use crate::sys::tree;
use crate::vocab::identity::Pid;

/// Looks at who has come to the supervisor when its parents ended. The end of a run asks for one that comes after it, and the
/// list of the supervisor's children is as long as there are services: when a thousand end at once, one look serves all who
/// asked before it.
#[derive(Debug, Default)]
pub(super) struct Orphans(Mutex<Looks>);

#[derive(Debug, Default)]
struct Looks {
    asked: u64,
    /// The last look came after so many had asked.
    answered: u64,
    found: Vec<Process>,
}

impl Orphans {
    /// The supervisor's children that lead no run, by a look that is taken after this was called.
    pub(super) async fn look(&self, leaders: &watch::Receiver<BTreeSet<Pid>>) -> Vec<Process> {
        let number = self.ask();
        // Whoever else has something to ask at this moment does so before this goes on.
        tokio::task::yield_now().await;
        let mut looks = self.looks();
        if looks.answered < number {
            looks.found = tree::orphans(|pid| leaders.borrow().contains(&pid));
            looks.answered = looks.asked;
        }
        looks.found.clone()
    }

    fn ask(&self) -> u64 {
        let mut looks = self.looks();
        looks.asked += 1;
        looks.asked
    }

    /// What a look left is whole: nothing waits within.
    fn looks(&self) -> MutexGuard<'_, Looks> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::Orphans;
    use crate::vocab::identity::Pid;
    use std::collections::BTreeSet;
    use std::process::Command;
    use tokio::sync::watch;

    #[tokio::test]
    async fn who_asks_after_a_look_is_given_another_and_leaders_are_none() {
        let (leaders, none) = watch::channel(BTreeSet::new());
        let orphans = Orphans::default();
        let (first, second) = tokio::join!(orphans.look(&none), orphans.look(&none));
        assert_eq!(first, second);
        assert_eq!(orphans.looks().answered, 2, "one look is enough for both");
        let mut child = Command::new("sleep").arg("60").spawn().unwrap();
        let pid = Pid::new(i32::try_from(child.id()).unwrap()).unwrap();
        let has_child = |found: &[super::Process]| found.iter().any(|it| it.identity.pid == pid);
        assert!(!has_child(&first) && has_child(&orphans.look(&none).await));
        leaders.send_modify(|leaders| {
            leaders.insert(pid);
        });
        assert!(!has_child(&orphans.look(&none).await));
        child.kill().unwrap();
        child.wait().unwrap();
    }
}
