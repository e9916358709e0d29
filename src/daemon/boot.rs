use std::collections::hash_map::RandomState;
use std::fs::{self, File};
use std::hash::{BuildHasher, Hasher};
use std::io::{self, Write};
use std::path::PathBuf;
use std::sync::Arc;

use tokio::runtime;
use tokio::sync::oneshot;

use super::causes::askers::Asker;
use super::causes::recorder::Recorder;
use super::channels;
use super::diary::Diary;
use super::engine::{Ended, Engine, Parts};
use super::guardianship::Hire;
use super::holdings::Holdings;
use super::http::legacy::servers::{Declared, Unserved};
use super::http::router;
use super::http::serve::{self, Door};
use super::mailbox::{Awaited, Mailbox, Message, Reply};
use super::mending;
use super::past::Past;
use super::proven::{Proven, prove};
use super::roster::Roster;
use super::signals;
use crate::config::environment::Environment;
use crate::config::problem::Problems;
use crate::machine;
use crate::machine::dice::Dice;
use crate::protocol;
use crate::protocol::command::{Command, Fate, Order};
use crate::protocol::event::What;
use crate::rundir::applied::Applied;
use crate::rundir::cgroups;
use crate::rundir::enabled;
use crate::rundir::leftovers;
use crate::rundir::lock;
use crate::rundir::paths::{Paths, Unusable};
use crate::rundir::roles;
use crate::spec::fleet::Fleet;
use crate::sys::cgroup::Home;
use crate::sys::estate::Estate;
use crate::sys::fork::Signals;
use crate::sys::tree::Reach;
use crate::sys::{clock, exit, limits};
use crate::vocab::identity::Identity;
use crate::vocab::selection::Selection;

/// What a supervisor is started with.
#[derive(Debug)]
pub struct Boot {
    /// The config file, absolute.
    pub path: PathBuf,
    /// Which text is read for it.
    pub config: Config,
    /// Where its files lie.
    pub paths: Paths,
    /// The environment that the config expands in and services inherit.
    pub environment: Environment,
    /// Its guardian, if it has one.
    pub guardian: Option<Identity>,
    /// Where the services' pipes are held open beyond the end of a supervisor, shared with its guardian.
    pub estate: Estate,
    /// Signals that are held back until they can be heard.
    pub held: Option<Signals>,
    /// How to get another guardian.
    pub hire: Hire,
    /// Which services are started unasked.
    pub start: Start,
}

/// Which config a supervisor takes over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Config {
    /// What the file says.
    File,
    /// What the supervisor before it acted on; the file if that is not to be had.
    AsApplied,
}

/// What a supervisor starts unasked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Start {
    /// Nothing: somebody will ask.
    Nothing,
    /// What the supervisor before it had up or was to have up.
    AsBefore,
    /// These, with all that they need; every service with `autostart` when nothing narrows it.
    Services(Selection),
}

/// Why a supervisor cannot start.
#[derive(Debug, thiserror::Error)]
pub enum BootError {
    /// The config is not right.
    #[error("{0}")]
    Config(Problems),
    /// The state directory cannot be used.
    #[error(transparent)]
    StateDirectory(#[from] Unusable),
    /// Another supervisor is alive.
    #[error("cannot start: another supervisor holds {}", .lock.display())]
    AnotherAlive {
        /// The lock that it holds.
        lock: PathBuf,
    },
    /// Another supervisor is alive whose run directory was taken away.
    #[error(
        "cannot start: the supervisor of this config ({identity}) is alive without its lock and socket\nhint: `procman restart --emergency` replaces it"
    )]
    AnotherLost {
        /// Its process.
        identity: Identity,
    },
    /// A server that the config declares cannot be.
    #[error(transparent)]
    Server(#[from] Unserved),
    /// The system refused something that a supervisor cannot do without.
    #[error("cannot {what}: {source}")]
    System {
        /// What it was asked for.
        what: String,
        /// Why it refused.
        source: io::Error,
    },
}

/// Starts a supervisor in this process and runs it until it ends. `ready` is written to when it is ready, if somebody waits
/// for that. Says how it ended.
///
/// # Errors
/// [`BootError`], which is also written to `ready`. No service was started then; strays may have been ended.
pub fn run(boot: Boot, mut ready: Option<File>) -> Result<Ended, BootError> {
    end_at_panics();
    let result = start(boot, &mut ready);
    if let (Err(error), Some(ready)) = (&result, &mut ready) {
        // Whoever started this may be gone; then nobody has to know.
        let _ = write!(ready, "{error}");
    }
    result
}

/// A task that panics would end alone, and its run would never be heard of again. The whole supervisor ends, and the next
/// one goes on from the journal.
fn end_at_panics() {
    std::panic::set_hook(Box::new(|panic| {
        tracing::error!(%panic, "a fault of procman itself; please report it");
        std::process::abort();
    }));
}

fn start(boot: Boot, ready: &mut Option<File>) -> Result<Ended, BootError> {
    let Proven { applied, fleet, roster } = prove(&boot)?;
    let fleet = fleet.overruled(&enabled::read(&boot.paths));
    let paths = boot.paths.clone();
    paths.prepare()?;
    signals::ignore_what_is_for_others().map_err(system("ignore a signal"))?;
    let lock = lock::take(&paths).map_err(|source| Unusable::Io { path: paths.own_dir.clone(), source })?;
    let lock = lock.ok_or_else(|| BootError::AnotherAlive { lock: paths.lock.clone() })?;
    let others = leftovers::marked(&paths.instance);
    let others = others.into_iter().filter(|identity| Some(*identity) != boot.guardian);
    if let Some(identity) = roles::supervisor_among(&others.collect::<Vec<_>>()) {
        return Err(BootError::AnotherLost { identity });
    }
    keep_applied(&paths, &applied);
    limits::raise_open_files();
    let reach = match exit::adopt_orphans() {
        Ok(()) => Reach::Near,
        Err(error) => {
            tracing::debug!(%error, "orphans of services go to init, and are looked for everywhere");
            Reach::Anywhere
        }
    };
    let cgroups = cgroups(&paths);
    let runtime = runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(system("start its event loop"))?;
    let over = runtime.block_on(supervise(
        boot,
        Ground {
            fleet: Arc::new(fleet),
            roster: Arc::new(roster),
            applied,
            paths: paths.clone(),
            reach,
            cgroups,
        },
        ready,
    ))?;
    clean_up(&paths, over.fate);
    drop(lock);
    Ok(over)
}

/// Keeps a copy for a successor. One that cannot be written leaves the copy before it, or none: then the file is read.
pub(super) fn keep_applied(paths: &Paths, applied: &Applied) {
    if let Err(error) = applied.write(paths) {
        tracing::warn!(%error, path = %paths.applied.display(), "cannot keep a copy of the config");
    }
}

/// Where the runs have their cgroups: where the supervisor before this one had them, if it left any, else in our own. Without
/// them a tree is told by its members' parents, session, group and environment.
fn cgroups(paths: &Paths) -> Option<Home> {
    let made = cgroups::find(paths).map_or_else(|| Home::make(&paths.instance), Ok);
    match made {
        Ok(home) => {
            cgroups::note(paths, &home);
            Some(home)
        }
        Err(why) => {
            tracing::debug!(%why, "services have no cgroups of their own");
            None
        }
    }
}

/// What a supervisor stands on once the config is proven and the lock is its own.
struct Ground {
    fleet: Arc<Fleet>,
    roster: Arc<Roster>,
    applied: Applied,
    paths: Paths,
    reach: Reach,
    cgroups: Option<Home>,
}

async fn supervise(boot: Boot, ground: Ground, ready: &mut Option<File>) -> Result<Ended, BootError> {
    let Ground { fleet, roster, applied, paths, reach, cgroups } = ground;
    let past = Past::read(&paths, &fleet);
    let (mailbox, inbox) = Mailbox::new();
    let (pump, heard) =
        channels::start_pump(&paths, &boot.estate.stash).map_err(system("start the log pump"))?;
    let (door, listeners) = Door::open(paths.socket.clone()).map_err(system("bind the control socket"))?;
    let declared = match boot.config {
        Config::File => Declared::bind_all(&roster.servers).await?,
        Config::AsApplied => Declared::bind_later(&roster.servers),
    };
    signals::forward(&mailbox, boot.held.as_ref()).map_err(system("catch signals"))?;
    let recorder = Recorder::start(paths.clone(), Arc::clone(&fleet), past.runs())
        .map_err(system("start to record ends"))?;
    let mut engine = Engine::new(Parts {
        fleet: machine::fleet::Fleet::with_dice(Arc::clone(&fleet), past.last_run, dice()),
        diary: Diary::new(paths.journal.clone(), clock::boot_id(), past.takeovers),
        paths,
        recorder: recorder.clone(),
        reach,
        environment: boot.environment,
        guardian: boot.guardian,
        applied,
        stash: boot.estate.stash,
        holdings: Holdings::recover(boot.estate.letterbox),
        cgroups,
        roster,
        hire: boot.hire,
        pump,
        heard,
        door,
        mailbox: mailbox.clone(),
        inbox,
    });
    engine.declare(&fleet);
    past.end_strays();
    engine.cgroups.iter().for_each(Home::sweep);
    let start = past.what_to_start(boot.start);
    let over = past.take_over(&mut engine);
    engine.begin(&fleet, over).await;
    let (end, ending) = oneshot::channel();
    let server = tokio::spawn(serve::serve(listeners, router::router(mailbox.clone()), ending));
    let serving = declared.serve(&mailbox);
    tokio::spawn(mending::keep_whole(engine.paths.clone(), mailbox.clone()));
    say_ready(ready);
    engine.log_begin();
    if let Some(selection) = start {
        tokio::spawn(bring_up(mailbox.clone(), selection));
    }
    // The runtime looks for events before it polls the future that it blocks on, and not before it runs a task.
    let ran = tokio::spawn(engine.run()).await.map_err(std::io::Error::other);
    let (ended, pump) = ran.map_err(system("run the engine"))?;
    mailbox.publish(protocol::event::Event { unix_ms: clock::unix_ms(), what: What::Ended });
    drop(end);
    let _ = tokio::join!(server, serving.end());
    pump.close();
    recorder.close();
    tracing::info!("supervisor ended");
    Ok(ended)
}

/// A seed that no other supervisor has: the standard library's hashes have one from the system.
fn dice() -> Dice {
    Dice::new(RandomState::new().build_hasher().finish())
}

async fn bring_up(mailbox: Mailbox, services: Selection) {
    let (reply, Awaited { report, .. }) = Reply::to(Asker::NOBODY);
    let order = Order { services, ..Order::default() };
    mailbox.send(Message::Command(mailbox.ticket(), Command::Up(order), reply)).await;
    let failed = report.await.map(|report| report.results).unwrap_or_default();
    for result in failed.into_iter().filter(|result| result.reason.is_some()) {
        tracing::error!(service = %result.service, reason = result.reason, "did not come up");
    }
}

fn say_ready(ready: &mut Option<File>) {
    if let Some(mut ready) = ready.take() {
        let _ = ready.write_all(b"ready\n");
    }
}

fn system(what: &str) -> impl FnOnce(io::Error) -> BootError + '_ {
    move |source| BootError::System { what: what.to_owned(), source }
}

/// Nothing of a supervisor that ended in peace is left but its log; one that left its services alive leaves the journal.
fn clean_up(paths: &Paths, fate: Fate) {
    match fate {
        Fate::Leave | Fate::Upgrade => drop(fs::remove_file(&paths.socket)),
        Fate::Stop => leftovers::remove_files(paths),
    }
}

#[cfg(test)]
mod tests {
    use super::end_at_panics;
    use std::os::unix::process::ExitStatusExt;
    use std::process::Command;

    #[test]
    fn a_panic_in_one_thread_ends_the_whole_process_by_sigabrt() {
        const CHILD: &str = "PROCMAN_TEST_PANICS";
        if std::env::var_os(CHILD).is_some() {
            end_at_panics();
            let _ = std::thread::spawn(|| std::fs::read("/no/such").unwrap()).join();
            return;
        }
        let mut child = Command::new(std::env::current_exe().unwrap());
        child.args([
            "--exact",
            "daemon::boot::tests::a_panic_in_one_thread_ends_the_whole_process_by_sigabrt",
        ]);
        let ended = child.env(CHILD, "1").output().unwrap();
        assert_eq!(ended.status.signal(), Some(nix::sys::signal::Signal::SIGABRT as i32), "{ended:?}");
    }
}
