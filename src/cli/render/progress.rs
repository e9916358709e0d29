use std::io::IsTerminal;
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};

use crate::cli::context::{Context, Talk};
use crate::protocol::event::{Event, ServiceChange, What};
use crate::vocab::measure::Brief;
use crate::vocab::state::{Health, State};

/// Tells what happens while a command is under way: plain lines, with a live last line on a terminal.
pub(in crate::cli) struct Progress {
    live: Option<ProgressBar>,
    talk: Talk,
    started: Instant,
}

impl Progress {
    pub(in crate::cli) fn new(context: &Context, doing: &'static str) -> Self {
        let is_live = context.talk >= Talk::Usual && std::io::stderr().is_terminal();
        let live = is_live.then(|| {
            let bar = ProgressBar::new_spinner().with_message(doing);
            if let Ok(style) = ProgressStyle::with_template("{spinner} {msg} ({elapsed})") {
                bar.set_style(style);
            }
            bar.enable_steady_tick(Duration::from_millis(100));
            bar
        });
        Self { live, talk: context.talk, started: Instant::now() }
    }

    pub(in crate::cli) fn tell(&self, event: &Event) {
        let What::Service(change) = &event.what else { return };
        if self.talk == Talk::Quiet || (!is_notable(change) && self.talk < Talk::More) {
            return;
        }
        let line = format!("  {} ({})", words(change), Brief(self.started.elapsed()));
        match &self.live {
            Some(bar) => bar.println(line),
            None => crate::cli::output::say(&line),
        }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        if let Some(bar) = &self.live {
            bar.finish_and_clear();
        }
    }
}

/// Changes of state are told; of waiting and starting only that it takes longer, or fails.
fn is_notable(change: &ServiceChange) -> bool {
    match change.state {
        State::Running if change.second.is_some() => true,
        State::Running => change.previous != State::Running || change.health == Health::Unhealthy,
        State::Stopped | State::Exited | State::Fatal => change.state != change.previous,
        State::Backoff => change.reason.is_some(),
        State::Stopping => change.reason.is_some(),
        State::Starting => false,
    }
}

/// A change in a line.
pub(in crate::cli) fn words(change: &ServiceChange) -> String {
    let pid = change.pid.map_or_else(String::new, |pid| format!(" (pid {pid})"));
    let reason = change.reason.clone().or_else(|| crash(change));
    let reason = reason.map_or_else(String::new, |reason| format!(": {reason}"));
    let second = change.second.map_or_else(String::new, |pid| format!(", beside it pid {pid}"));
    format!("{} {}{pid}{second}{reason}", change.service, change.state)
}

/// How the run ended that another one follows at once, though nobody asked it to end.
fn crash(change: &ServiceChange) -> Option<String> {
    let exit =
        change.exit.filter(|_| change.previous == State::Running && change.state == State::Starting)?;
    let words = change.last_words.as_ref().map_or_else(String::new, |words| format!(": {words}"));
    Some(format!("the run before {exit}{words}"))
}
