use super::charge::Charge;
use super::engine::Engine;
use super::warden::Warden;
use crate::machine::event::Event;
use crate::sys::process::{self, Process};
use crate::vocab::identity::{Identity, Pid};
use crate::vocab::run::RunId;

/// Why a process that a run names as its main one is not followed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Refusal {
    /// Nobody has that pid, or who had it has ended.
    Gone,
    /// Nothing proves it to be of the run: it descends from no process of it, is in no session, group or cgroup of it, and
    /// does not carry its tag.
    Stranger(Identity),
}

impl Refusal {
    /// In words that go on after what it named.
    pub(super) fn words(self) -> &'static str {
        match self {
            Self::Gone => "there is no such process, or it has ended",
            Self::Stranger(_) => "nothing proves that it is a process of this run",
        }
    }
}

impl Engine {
    /// One of a run's own processes says which is the main one (`MAINPID` of sd_notify(3)). That is followed if it is proven
    /// to be of the run; else it is noted, once.
    pub(super) fn hear_of_main(&mut self, run: RunId, named: Pid) {
        let Some(charge) = self.wardens.get(&run).map(Warden::charge) else { return };
        if charge.lead.is_over() {
            return;
        }
        let found = if charge.lead.main().pid == named { Ok(None) } else { proven(charge, named).map(Some) };
        let (service, notebook) = (charge.tag.service.clone(), charge.notebook.clone());
        match found {
            Ok(main) => {
                if notebook.relent() {
                    self.note_refusal(run, service, None);
                }
                if let Some(main) = main {
                    self.follow(run, main);
                }
            }
            Err(why) => {
                if notebook.refuse((named, why)) {
                    self.note_refusal(run, service, Some((named, why)));
                }
            }
        }
    }

    /// The machine is told first: it follows nobody out of a run that was sent SIGKILL.
    fn follow(&mut self, run: RunId, main: Identity) {
        self.feed(Event::HandedOver { run, main });
        let live = self.fleet.service_of(run).and_then(|service| service.live(run));
        let is_followed = live.is_some_and(|live| live.identity == main);
        let Some(warden) = self.wardens.get(&run).filter(|_| is_followed) else { return };
        let before = warden.charge().lead.main();
        tracing::info!(service = %warden.charge().tag.service, %before, %main, "another process is its main one");
        warden.follow(main);
        self.leaders.send_modify(|leaders| {
            leaders.remove(&before.pid);
            leaders.insert(main.pid);
        });
        // The one before may be a zombie that nobody else waits for.
        self.reap();
    }
}

/// The process with this pid, if it lives and is one of the run's tree. A stranger stays one: it is not looked for again and
/// again, however often it is named.
fn proven(charge: &Charge, named: Pid) -> Result<Identity, Refusal> {
    let found = process::read(named).filter(Process::is_alive).ok_or(Refusal::Gone)?;
    let main = found.identity;
    let stranger = Refusal::Stranger(main);
    if charge.notebook.has_refused(&(named, stranger)) {
        return Err(stranger);
    }
    let is_in_tree = charge.tree().iter().any(|process| process.identity == main);
    if is_in_tree { Ok(main) } else { Err(stranger) }
}
