use std::fs::File;
use std::io;
use std::thread;
use std::time::Duration;

use super::upgrade::{self, Partner, Program};
use crate::rundir::paths::{Paths, Unusable};
use crate::rundir::upgrade::Note;
use crate::sys::fork::{self, Side, Signals};
use crate::sys::letterbox::Letterbox;
use crate::sys::lock::FileLock;
use crate::sys::stash::Stash;
use crate::sys::{clock, exit, limits, memory, process, signal};
use crate::vocab::identity::Identity;
use crate::vocab::moment::Moment;
use crate::vocab::outcome::Outcome;
use crate::vocab::signal::Signal;

/// What a process is to do once it was guarded.
#[derive(Debug)]
pub enum Role {
    /// Be the supervisor.
    Supervisor(Post),
    /// End: the supervisor did, in peace, with this exit code.
    Over(u8),
}

/// What a supervisor under a guardian knows of its place.
#[derive(Debug)]
pub struct Post {
    /// Its guardian.
    pub guardian: Identity,
    /// Whether another came before it.
    pub turn: Turn,
    /// Where it keeps the services' pipes open beyond its own end.
    pub stash: Option<Stash>,
    /// The listening sockets that are held for services, for this supervisor and the next.
    pub letterbox: Option<Letterbox>,
}

/// What supervisors leave to each other, and their guardian has a share in.
#[derive(Debug)]
pub(super) struct Estate {
    /// The services' pipes.
    pub(super) stash: Stash,
    /// The held sockets.
    pub(super) letterbox: Letterbox,
}

/// Whether a supervisor is the first under its guardian.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Turn {
    /// It is.
    First,
    /// The one before it died.
    Successor,
}

/// Why there is no guardian.
#[derive(Debug, thiserror::Error)]
pub enum NoGuardian {
    /// The state directory cannot be used.
    #[error(transparent)]
    StateDirectory(#[from] Unusable),
    /// Another one lives, or its supervisor does.
    #[error("cannot start: another supervisor is alive")]
    AnotherAlive,
    /// The system refused.
    #[error("cannot start the guardian: {0}")]
    System(#[from] io::Error),
}

impl Post {
    /// The post of a supervisor that a guardian tries out, giving it the word of its letterbox.
    pub fn under(guardian: Partner, letterbox: Option<&str>) -> Self {
        let Partner { identity, stash } = guardian;
        let letterbox = letterbox.and_then(Letterbox::of_word);
        Self { guardian: identity, turn: Turn::Successor, stash: Stash::inherited(stash), letterbox }
    }
}

/// Signals that are the supervisor's, and that its guardian passes on.
const PASSED_ON: [Signal; 3] = [Signal::TERM, Signal::INT, Signal::HUP];

/// A supervisor that lived shorter than this died quickly.
const QUICK: Duration = Duration::from_secs(1);

/// So many quick deaths in a row are followed by a new supervisor at once; the pauses after that double up to the longest,
/// which is short: whatever kills supervisors, the next one is in charge within a second.
const QUICK_DEATHS_FREE: u32 = 3;
const PAUSE_FIRST: Duration = Duration::from_millis(100);
const PAUSE_LONGEST: Duration = Duration::from_millis(500);

/// What a guardian is to begin with.
#[derive(Debug)]
pub struct Beginning<'a> {
    /// How to start a newer procman.
    pub program: &'a Program,
    /// Where somebody waits for the first supervisor's word; it is left to that one.
    pub ready: &'a mut Option<File>,
    /// A supervisor that lives already: its child, from before it became this program.
    pub charge: Option<Partner>,
    /// The word of the letterbox that this process had before it became this program.
    pub letterbox: Option<&'a str>,
}

/// Becomes two processes: a guardian, which is this one and stays in here, and a supervisor, for which this returns. A
/// supervisor that dies is followed by another; one that ends in peace ends its guardian; one that asks for it is followed
/// by the procman on disk, or by another of its own kind when that does not become ready. The guardian does nothing else:
/// it holds no state but its share in the stash of the services' pipes and in a letterbox that it never opens, in which
/// supervisors leave held sockets for each other; it serves nobody, and reaps what its supervisors leave it (as their
/// subreaper, on Linux).
///
/// # Errors
/// [`NoGuardian`]; nothing was started then.
pub fn guard(paths: &Paths, beginning: Beginning<'_>) -> Result<Role, NoGuardian> {
    let Beginning { program, ready, charge, letterbox } = beginning;
    paths.prepare()?;
    limits::raise_open_files();
    FileLock::try_take(&paths.guardian)?.ok_or(NoGuardian::AnotherAlive)?.hold_for_life();
    // Where orphans cannot be adopted they go to init, which reaps them as well.
    let _ = exit::adopt_orphans();
    let guardian = process::own();
    let signals = Signals::hold(&[&PASSED_ON[..], &[Signal::CHLD]].concat())?;
    let mut quick_deaths = 0;
    let mut turn = if charge.is_some() { Turn::Successor } else { Turn::First };
    let stash = charge.and_then(|charge| Stash::inherited(charge.stash)).map_or_else(Stash::new, Ok)?;
    let letterbox = letterbox.and_then(Letterbox::of_word).map_or_else(Letterbox::new, Ok)?;
    let estate = Estate { stash, letterbox };
    let mut charge = charge.map(|charge| charge.identity);
    loop {
        let born = clock::now();
        let outcome = match charge.take().map_or_else(fork::fork_self, |charge| Ok(Side::Parent(charge))) {
            Ok(Side::Child) => {
                signals.release()?;
                let (stash, letterbox) = (Some(estate.stash), Some(estate.letterbox));
                return Ok(Role::Supervisor(Post { guardian, turn, stash, letterbox }));
            }
            Ok(Side::Parent(supervisor)) => {
                // Whoever waits hears the first supervisor, or that it has ended.
                *ready = None;
                memory::let_go_of_unused();
                until_it_ends(supervisor, &signals)
            }
            Err(error) if turn == Turn::First => return Err(error.into()),
            // No process can be made at the moment; the services live meanwhile.
            Err(_) => Outcome::Unknown,
        };
        match (outcome, turn) {
            (Outcome::Code(0), _) => return Ok(Role::Over(0)),
            (Outcome::Code(code), _) if code == i32::from(upgrade::CODE) => {
                charge = replace(paths, program, guardian, &estate);
                turn = Turn::Successor;
                continue;
            }
            // What kept the first from starting was said to whoever waits for its word; a successor is tried again.
            (Outcome::Code(code), _) if code != PANICKED && code != i32::from(NOT_STARTED) => {
                return Ok(Role::Over(u8::try_from(code).unwrap_or(1)));
            }
            (Outcome::Code(_) | Outcome::Signal(_) | Outcome::Unknown, _) => (),
        }
        turn = Turn::Successor;
        quick_deaths = if clock::now().since(born) < QUICK { quick_deaths + 1 } else { 0 };
        tracing::error!(%outcome, lived = ?lived(born), "the supervisor died; another takes over");
        thread::sleep(pause(quick_deaths));
    }
}

/// Puts the procman on disk in charge, and becomes its guardian. Returns the supervisor to guard as this program: the new
/// one when only becoming its guardian failed, none when the old one is to go on.
fn replace(paths: &Paths, program: &Program, guardian: Identity, estate: &Estate) -> Option<Identity> {
    match upgrade::try_out(program, paths, guardian, estate) {
        Ok(candidate) => {
            note(paths, &Note::Done);
            let error = upgrade::become_guardian(program, candidate, estate);
            tracing::warn!(%error, "the guardian stays of the version that it is");
            Some(candidate)
        }
        Err(why) => {
            tracing::error!(why, "the upgrade is rolled back");
            note(paths, &Note::RolledBack(why));
            None
        }
    }
}

fn note(paths: &Paths, note: &Note) {
    if let Err(error) = note.write(paths) {
        tracing::warn!(%error, "cannot note what the upgrade came to");
    }
}

/// The exit code of a successor that could not start.
pub const NOT_STARTED: u8 = 70;

/// The exit code of a Rust program that panicked.
const PANICKED: i32 = 101;

fn lived(born: Moment) -> Duration {
    clock::now().since(born)
}

/// Passes signals on to the supervisor and reaps whoever ends, until the supervisor does.
fn until_it_ends(supervisor: Identity, signals: &Signals) -> Outcome {
    loop {
        match signals.next() {
            Some(Signal::CHLD) | None => {
                let ended =
                    std::iter::from_fn(fork::reap_one).filter(|(pid, _)| *pid == supervisor.pid).last();
                if let Some((_, outcome)) = ended {
                    return outcome;
                }
            }
            // One that is just ending gets no more signals, and needs none.
            Some(passed) => drop(signal::send(supervisor, passed)),
        }
    }
}

fn pause(quick_deaths: u32) -> Duration {
    if quick_deaths <= QUICK_DEATHS_FREE {
        return Duration::ZERO;
    }
    let doublings = (quick_deaths - QUICK_DEATHS_FREE - 1).min(16);
    (PAUSE_FIRST * 2_u32.pow(doublings)).min(PAUSE_LONGEST)
}

#[cfg(test)]
mod tests {
    use super::pause;

    #[test]
    fn a_supervisor_that_keeps_dying_is_replaced_ever_more_slowly() {
        let pauses: Vec<u64> =
            (0..12).map(|deaths| u64::try_from(pause(deaths).as_millis()).unwrap()).collect();
        assert_eq!(pauses, [0, 0, 0, 0, 100, 200, 400, 500, 500, 500, 500, 500]);
        assert_eq!(pause(u32::MAX).as_millis(), 500);
    }
}
