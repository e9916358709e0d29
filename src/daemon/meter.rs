use std::collections::BTreeMap;
use std::time::Duration;

use super::engine::Engine;
use super::mailbox::Message;
use crate::machine::event::Event;
use crate::machine::phase::Live;
use crate::sys::process::Process;
use crate::vocab::moment::Moment;
use crate::vocab::run::RunId;

impl Engine {
    /// Measures the tree of a run. Everybody else has a turn between the looks at many runs.
    pub(super) fn measure(&self, run: RunId) {
        let Some(charge) = self.wardens.get(&run).map(|warden| warden.charge().clone()) else { return };
        let mailbox = self.mailbox.clone();
        tokio::spawn(async move {
            let memory_bytes = memory_of(&charge.tree());
            mailbox.send(Message::Machine(Event::Measured { run, memory_bytes })).await;
        });
    }
}

fn memory_of(tree: &[Process]) -> u64 {
    tree.iter().map(|process| process.usage.memory_bytes).sum()
}

/// Measures what trees use. CPU is a difference between two looks, so it remembers the look before.
#[derive(Debug, Default)]
pub struct Meter {
    looks: BTreeMap<RunId, Look>,
}

/// What a tree uses.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Use {
    /// In percent of one core.
    pub cpu_percent: f64,
    /// Resident bytes of all its processes; shared pages count once for each.
    pub memory_bytes: u64,
}

#[derive(Debug, Clone, Copy)]
struct Look {
    at: Moment,
    cpu: Duration,
    percent: f64,
}

/// A shorter time than this between two looks says little: the kernel counts CPU in ticks of 10 ms.
const SPAN_MIN: Duration = Duration::from_secs(1);

impl Meter {
    /// What this tree uses; CPU since the look before if that is at least a second old, else as it was said then, and
    /// since the start of the run at the first look.
    pub fn measure(&mut self, live: Live, tree: &[Process], now: Moment) -> Use {
        let Live { run, since, .. } = live;
        let cpu = tree.iter().map(|process| process.usage.cpu).sum::<Duration>();
        let memory_bytes = memory_of(tree);
        let before = self.looks.get(&run).copied();
        let start = before.map_or((since, Duration::ZERO), |look| (look.at, look.cpu));
        let cpu_percent = match before {
            Some(look) if now.since(look.at) < SPAN_MIN => look.percent,
            Some(_) | None => {
                let percent = percent(cpu.saturating_sub(start.1), now.since(start.0));
                self.looks.insert(run, Look { at: now, cpu, percent });
                percent
            }
        };
        Use { cpu_percent, memory_bytes }
    }

    /// Forgets every run but those.
    pub fn keep_only(&mut self, is_live: impl Fn(RunId) -> bool) {
        self.looks.retain(|run, _| is_live(*run));
    }
}

fn percent(cpu: Duration, span: Duration) -> f64 {
    if span.is_zero() {
        return 0.0;
    }
    (cpu.as_secs_f64() / span.as_secs_f64() * 1000.0).round() / 10.0
}
