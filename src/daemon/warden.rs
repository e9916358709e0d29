use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::unix::AsyncFd;

use super::causes::classify::Memory;
use super::causes::ends::Ended;
use super::charge::Charge;
use super::last_words;
use super::mailbox::{Mailbox, Message};
use super::reins::{Order, Reins};
use crate::logs::pump::Pump;
use crate::machine::blame::Blame;
use crate::machine::event::End;
use crate::spec::policy::{Asked, Stop};
use crate::sys::cgroup::Cgroup;
use crate::sys::clock;
use crate::sys::exit::{self, ExitWatch, OpenError};
use crate::sys::process::{self, Process};
use crate::sys::signal;
use crate::vocab::identity::{Identity, Pid};
use crate::vocab::outcome::Outcome;
use crate::vocab::signal::Signal;

/// The engine's hold on one run's process. Dropping it leaves the process as it is.
#[derive(Debug)]
pub struct Warden {
    reins: Arc<Reins>,
    charge: Arc<Charge>,
}

/// How the rest of a tree is ended once its main process has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Manner {
    /// It was not asked to end: what it leaves must not stand in the way of the next run.
    AtOnce,
    /// It was asked: the rest is asked too, and has until the machine's patience ends.
    Asking(Signal),
}

/// How long a tree may take to vanish after SIGKILL before it is reported as left.
const KILLED_TREE_MAX: Duration = Duration::from_secs(5);

/// While processes are waited for that cannot be watched one by one, they are looked for this often.
const LOOK_AGAIN: Duration = Duration::from_millis(5);

/// A process that cannot be watched is looked at this often.
const UNWATCHED_PAUSE: Duration = Duration::from_millis(50);

/// So often, [`LOOK_AGAIN`] apart, it is asked how another's child ended before that counts as unknown.
const REAPED_LOOKS_MAX: u32 = 10;

/// Why a run ended is looked for in so many last lines of its standard error.
const LINES_LOOKED_AT: usize = 200;

impl Warden {
    /// Watches a process from here on, and tells the engine of its end when its whole tree is gone.
    pub fn watch(charge: Charge, pump: Pump, mailbox: Mailbox) -> Self {
        pump.begin_run(charge.tag.service.clone());
        let (reins, charge) = (Arc::new(Reins::default()), Arc::new(charge));
        let (manner, asked) = (Manner::AtOnce, None);
        let watch = Watch { charge: Arc::clone(&charge), reins: Arc::clone(&reins), pump, manner, asked };
        tokio::spawn(watch.run(mailbox));
        Self { reins, charge }
    }

    /// What it watches.
    pub fn charge(&self) -> &Arc<Charge> {
        &self.charge
    }

    /// Asks the main process, or its group, to end, and the rest of its tree once that has.
    pub fn stop(&self, stop: Stop) {
        self.reins.give(Order::Stop(stop));
    }

    /// Ends the whole tree with SIGKILL.
    pub fn kill(&self) {
        self.reins.give(Order::Kill);
    }

    /// Sends a signal to the main process.
    pub fn signal(&self, signal: Signal) {
        self.reins.give(Order::Signal(signal));
    }

    /// Watches another process of the run in the place of its main one.
    pub(super) fn follow(&self, main: Identity) {
        self.charge.lead.follow(main);
        self.reins.give(Order::Follow);
    }
}

/// Whom a signal reaches that asks a run to end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Reached {
    Process(Identity),
    /// By its number.
    Group(i32),
}

impl Reached {
    /// The group of a main process that is gone is nobody's.
    fn by(asks: Asked, main: Identity) -> Self {
        let found = || process::read(main.pid).filter(|found| found.identity == main);
        match asks {
            Asked::Main => Self::Process(main),
            Asked::Group => found().map_or(Self::Process(main), |found| Self::Group(found.group)),
        }
    }
}

struct Watch {
    charge: Arc<Charge>,
    reins: Arc<Reins>,
    pump: Pump,
    manner: Manner,
    /// Who was asked to end, and how.
    asked: Option<(Reached, Stop)>,
}

impl Watch {
    async fn run(mut self, mailbox: Mailbox) {
        // A supervisor that ends hears no more of what services say: the next one does, and goes on from there.
        let Some(outcome) = self.until_main_ends(&mailbox).await else { return };
        // A task is as large as the largest part of it: what a run needs once, at its end, is no part of those that wait.
        Box::pin(self.finish(outcome, mailbox)).await;
    }

    async fn finish(mut self, outcome: Outcome, mailbox: Mailbox) {
        // Its cgroup goes with its tree.
        let memory = self.memory(outcome);
        let left = self.clear_tree().await;
        let run = self.charge.tag.run;
        let reaped = exit::reap(self.charge.lead.main().pid);
        let outcome = if outcome == Outcome::Unknown { reaped.unwrap_or(outcome) } else { outcome };
        let drained = last_words::drained(self.pump.end_run(self.charge.tag.service.clone())).await;
        // By the pump's time, whatever the run wrote stands before its end, and what comes after it behind.
        let unix_ms = drained.as_ref().map_or_else(clock::unix_ms, |drained| drained.unix_ms);
        let stderr = self.charge.beginning.lines_of_run(drained.as_ref(), LINES_LOOKED_AT);
        let last_words = last_words::last_of(&stderr);
        let end = End { outcome, last_words, left, taken: None, blame: Blame::Nothing };
        mailbox.send(Message::Ended(Ended { run, unix_ms, end, stderr, memory })).await;
    }

    /// What the cgroup tells of memory, of a run that may have been killed for it.
    fn memory(&self, outcome: Outcome) -> Memory {
        let cgroup = self.charge.cgroup.as_ref().filter(|_| outcome == Outcome::Signal(Signal::KILL));
        match cgroup.and_then(Cgroup::has_killed_for_memory) {
            Some(true) => Memory::KilledInCgroup,
            Some(false) => Memory::KilledNobody,
            None => Memory::NotTold,
        }
    }

    /// Waits for the end of the main process, which stays a zombie: while it does, its pid and group are nobody else's. One
    /// whose last word was that another is the main process is not the end. None if there is nobody to hear that word.
    async fn until_main_ends(&mut self, mailbox: &Mailbox) -> Option<Outcome> {
        loop {
            let main = self.charge.lead.main();
            let Some(outcome) = self.until_it_ends(main).await else { continue };
            Box::pin(mailbox.ask(Message::HearAll)).await?;
            if self.charge.lead.ends_with(main) {
                return Some(outcome);
            }
        }
    }

    /// Waits for the end of a process, as long as it is the main one.
    async fn until_it_ends(&mut self, main: Identity) -> Option<Outcome> {
        let watch = match ExitWatch::open(main) {
            Ok(watch) => watch.into_async(),
            // It is gone already, and was not our child: else it would be a zombie that can be opened.
            Err(OpenError::Gone) => return Some(Outcome::Unknown),
            Err(OpenError::Os(error)) => Err(error),
        };
        match watch {
            Ok(watch) => self.until_watch_tells(main, &watch).await,
            Err(error) => {
                tracing::warn!(run = %self.charge.tag.run, %error, "cannot watch; looking again and again");
                Box::pin(self.until_it_looks_ended(main)).await
            }
        }
    }

    async fn until_watch_tells(&mut self, main: Identity, watch: &AsyncFd<ExitWatch>) -> Option<Outcome> {
        let mut looks = 0;
        while self.charge.lead.main() == main {
            tokio::select! {
                biased;
                ready = watch.readable() => match (watch.get_ref().peek(), ready) {
                    // Of another's child the kernel tells how it ended when that has reaped it, a moment after its end.
                    (Some(Outcome::Unknown), _) if looks < REAPED_LOOKS_MAX => {
                        looks += 1;
                        tokio::time::sleep(LOOK_AGAIN).await;
                    }
                    (Some(outcome), _) => return Some(outcome),
                    (None, Ok(mut guard)) => guard.clear_ready(),
                    (None, Err(_)) => return Box::pin(self.until_it_looks_ended(main)).await,
                },
                order = self.reins.next() => self.obey(order),
            }
        }
        None
    }

    /// For a system that gives no descriptor to watch by: its descriptors have run out, or it forbids them.
    async fn until_it_looks_ended(&mut self, main: Identity) -> Option<Outcome> {
        while process::is_alive(main) {
            tokio::select! {
                () = tokio::time::sleep(UNWATCHED_PAUSE) => (),
                order = self.reins.next() => self.obey(order),
            }
            if self.charge.lead.main() != main {
                return None;
            }
        }
        Some(Outcome::Unknown)
    }

    fn obey(&mut self, order: Order) {
        let main = self.charge.lead.main();
        match order {
            Order::Signal(signal) => self.send(main, signal),
            Order::Stop(stop) => {
                self.manner = Manner::Asking(stop.signal);
                self.ask(main, stop);
            }
            Order::Kill => {
                self.manner = Manner::AtOnce;
                self.send(main, Signal::KILL);
            }
            // What the one before was asked, it is asked as well, unless that has reached it: twice can mean haste.
            Order::Follow => {
                let is_reached = |before: Reached, stop: Stop| before == Reached::by(stop.asks, main);
                if let Some((_, stop)) = self.asked.filter(|(before, stop)| !is_reached(*before, *stop)) {
                    self.ask(main, stop);
                }
            }
        }
    }

    fn ask(&mut self, main: Identity, stop: Stop) {
        self.asked = Some((Reached::by(stop.asks, main), stop));
        match stop.asks {
            Asked::Main => self.send(main, stop.signal),
            Asked::Group => self.send_group(main, stop.signal),
        }
        // A stopped process (SIGSTOP) takes no signal but SIGKILL until it goes on.
        self.send(main, Signal::CONT);
    }

    fn send(&self, to: Identity, signal: Signal) {
        if let Err(error) = signal::send(to, signal) {
            tracing::debug!(%to, %signal, %error, "signal not sent");
        }
    }

    fn send_group(&self, main: Identity, signal: Signal) {
        if let Err(error) = signal::send_group(main, signal) {
            tracing::debug!(to = %main, %signal, %error, "signal not sent to the group");
        }
    }

    /// Ends what is left of the tree; returns what could not be ended, in words.
    async fn clear_tree(&mut self) -> Vec<String> {
        if self.manner == Manner::AtOnce {
            // While the main process is a zombie its group is its own, and one call reaches all of it.
            let _ = signal::send_group(self.charge.lead.main(), Signal::KILL);
            self.kill_cgroup();
        }
        let mut asked: BTreeMap<Identity, Signal> = BTreeMap::new();
        let mut killing_since: Option<tokio::time::Instant> = None;
        loop {
            let refused = process::refused_looks();
            let rest = self.rest().await;
            let is_all = refused == process::refused_looks();
            if rest.is_empty() && is_all && !self.has_unseen() {
                self.remove_cgroup();
                return Vec::new();
            }
            let signal = match self.manner {
                Manner::AtOnce => Signal::KILL,
                Manner::Asking(signal) => signal,
            };
            for process in &rest {
                // SIGKILL is sent on every look: one that forks as it is killed is caught in a later round.
                if signal == Signal::KILL || asked.get(&process.identity) != Some(&signal) {
                    self.send(process.identity, signal);
                    asked.insert(process.identity, signal);
                }
            }
            if self.manner == Manner::AtOnce {
                self.kill_cgroup();
                let since = *killing_since.get_or_insert_with(tokio::time::Instant::now);
                if since.elapsed() > KILLED_TREE_MAX {
                    return self.words_for(&rest);
                }
            }
            self.until_something_changes(&rest).await;
        }
    }

    /// The living processes of the tree other than the main one; those that are our own zombie children are reaped.
    async fn rest(&self) -> Vec<Process> {
        let members = self.charge.tree_among_others().await;
        let main = self.charge.lead.main();
        let (zombies, living): (Vec<Process>, Vec<Process>) = members
            .into_iter()
            .filter(|process| process.identity != main)
            .partition(|process| !process.is_alive());
        for zombie in zombies {
            exit::reap(zombie.identity.pid);
        }
        living
    }

    /// Reaches all who are in the cgroup at once, and whom they fork as they are killed.
    fn kill_cgroup(&self) {
        if let Some(Err(error)) = self.charge.cgroup.as_ref().map(Cgroup::kill) {
            tracing::debug!(run = %self.charge.tag.run, %error, "cannot kill its cgroup as a whole");
        }
    }

    /// Whether there is somebody in the cgroup, which is asked for when nobody of the tree can be seen.
    fn has_unseen(&self) -> bool {
        self.charge.cgroup.as_ref().is_some_and(Cgroup::is_populated)
    }

    fn remove_cgroup(&self) {
        if let Some(Err(error)) = self.charge.cgroup.as_ref().map(Cgroup::remove) {
            tracing::debug!(run = %self.charge.tag.run, %error, "cannot remove its cgroup");
        }
    }

    fn words_for(&self, rest: &[Process]) -> Vec<String> {
        match &self.charge.cgroup {
            Some(cgroup) if rest.is_empty() => {
                vec![format!("a process that cannot be seen from here, in {}", cgroup.path().display())]
            }
            Some(_) | None => rest.iter().map(words).collect(),
        }
    }

    /// Waits until one of them ends, an order comes, or it is time to look again.
    async fn until_something_changes(&mut self, rest: &[Process]) {
        let first = rest.first().and_then(|process| ExitWatch::open(process.identity).ok());
        let watch = first.and_then(|watch| watch.into_async().ok());
        let pause = match (&watch, self.manner) {
            (Some(_), Manner::Asking(_)) => Duration::from_millis(200),
            (Some(_) | None, Manner::AtOnce | Manner::Asking(_)) => LOOK_AGAIN,
        };
        let ended = async {
            match &watch {
                Some(watch) => drop(watch.readable().await),
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            () = ended => (),
            () = tokio::time::sleep(pause) => (),
            order = self.reins.next() => match order {
                Order::Kill => self.manner = Manner::AtOnce,
                Order::Stop(stop) => self.manner = Manner::Asking(stop.signal),
                Order::Signal(_) | Order::Follow => (),
            },
        }
    }
}

fn words(process: &Process) -> String {
    let pid: Pid = process.identity.pid;
    format!("pid {pid} ({})", process::arguments(pid).join(" "))
}
