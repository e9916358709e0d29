use std::fs::File;
use std::io;
use std::path::Path;
use std::thread;
use std::time::Duration;

use super::upgrade::{self, Partner, Program};
use super::watch::Watch;
use crate::rundir::paths::{Paths, Unusable};
use crate::rundir::pidfile::PidFile;
use crate::rundir::upgrade::Note;
use crate::sys::estate::{Estate, Numbers};
use crate::sys::fork::{Side, Signals};
use crate::sys::limits::TooLow;
use crate::sys::{clock, exit, limits, memory, process};
use crate::vocab::identity::Identity;
use crate::vocab::moment::Moment;
use crate::vocab::outcome::Outcome;
use crate::vocab::rlimits::Least;

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
    /// What it leaves to the next one.
    pub estate: Estate,
    /// Signals that are held back until it can hear them; none if none are.
    pub held: Option<Signals>,
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
    #[error(
        "cannot start: another supervisor is alive\nhint: `procman status` shows it, `procman down` ends it"
    )]
    AnotherAlive,
    /// The config asks for more than processes may have here.
    #[error(transparent)]
    TooLow(#[from] TooLow),
    /// The system refused.
    #[error("cannot start the guardian: {0}")]
    System(#[from] io::Error),
}

impl Post {
    /// The post of a supervisor that a guardian tries out.
    ///
    /// # Errors
    /// What both would share is not there, and the system has no descriptors for another.
    pub fn under(guardian: Partner) -> io::Result<Self> {
        let Partner { identity, estate } = guardian;
        let estate = Estate::shared_or_new(Some(estate))?;
        Ok(Self { guardian: identity, turn: Turn::Successor, estate, held: None })
    }
}

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
    /// A supervisor that lives already.
    pub charge: Option<Charge>,
    /// Where the guardian's pid is written while it is one.
    pub pid_file: Option<&'a Path>,
    /// What its processes may have at least.
    pub least: &'a Least,
}

/// A supervisor that lives when its guardian begins.
#[derive(Debug)]
pub enum Charge {
    /// Its child, from before it became this program.
    Child(Partner),
    /// The one that started it, having lost its guardian, with the pipe on which that says its last word.
    Orphan(Partner, File),
}

impl Charge {
    fn estate(&self) -> Numbers {
        match self {
            Self::Child(supervisor) | Self::Orphan(supervisor, _) => supervisor.estate,
        }
    }
}

/// Becomes two processes: a guardian, which is this one and stays in here, and a supervisor, for which this returns. A
/// supervisor that dies is followed by another; one that ends in peace ends its guardian; one that asks for it is followed
/// by the procman on disk, or by another of its own kind when that does not become ready. The guardian does nothing else:
/// it holds no state but a share in what supervisors leave to each other, which it never looks at; it serves nobody, and
/// reaps what its supervisors leave it (as their subreaper, on Linux).
///
/// # Errors
/// [`NoGuardian`]; nothing was started then.
pub fn guard(paths: &Paths, beginning: Beginning<'_>) -> Result<Role, NoGuardian> {
    limits::raise_to(beginning.least)?;
    paths.prepare()?;
    limits::raise_open_files();
    let watch = Watch::begin(paths)?;
    let pid_file = beginning.pid_file.and_then(|path| {
        let complain = |error| tracing::error!(%error, path = %path.display(), "cannot write the pid");
        PidFile::write(path, process::own().pid).map_err(complain).ok()
    });
    let role = stand(watch, beginning);
    if let (Some(pid_file), Ok(Role::Over(_)) | Err(_)) = (pid_file, &role) {
        pid_file.remove();
    }
    role
}

fn stand(mut watch: Watch<'_>, beginning: Beginning<'_>) -> Result<Role, NoGuardian> {
    let Beginning { program, ready, mut charge, pid_file: _, least: _ } = beginning;
    // Where orphans cannot be adopted they go to init, which reaps them as well.
    let _ = exit::adopt_orphans();
    let guardian = process::own();
    let mut quick_deaths = 0;
    let mut turn = if charge.is_some() { Turn::Successor } else { Turn::First };
    let estate = Estate::shared_or_new(charge.as_ref().map(Charge::estate))?;
    loop {
        let born = clock::now();
        let outcome = match watch.supervisor(charge.take()) {
            Ok(Side::Child) => {
                let held = Some(watch.leave()?);
                return Ok(Role::Supervisor(Post { guardian, turn, estate, held }));
            }
            Ok(Side::Parent(supervisor)) => {
                // Whoever waits hears the first supervisor, or that it has ended.
                *ready = None;
                memory::let_go_of_unused();
                watch.until_it_ends(supervisor)
            }
            Err(error) if turn == Turn::First => return Err(error.into()),
            // No process can be made at the moment; the services live meanwhile.
            Err(_) => Outcome::Unknown,
        };
        match (outcome, turn) {
            (Outcome::Code(0), _) => return Ok(Role::Over(0)),
            (Outcome::Code(code), _) if code == i32::from(upgrade::CODE) => {
                charge = replace(&mut watch, program, guardian, &estate).map(Charge::Child);
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
fn replace(watch: &mut Watch<'_>, program: &Program, guardian: Identity, estate: &Estate) -> Option<Partner> {
    let paths = watch.paths();
    match upgrade::try_out(program, paths, guardian, estate) {
        Ok(candidate) => {
            note(paths, &Note::Done);
            watch.pass_on(candidate);
            let error = upgrade::become_guardian(program, candidate, estate);
            tracing::warn!(%error, "the guardian stays of the version that it is");
            Some(Partner { identity: candidate, estate: estate.numbers() })
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
