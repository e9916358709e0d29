use std::collections::BTreeSet;
use std::time::Duration;

use super::switchboard::News;
use crate::daemon::mailbox::{Mailbox, Message};
use crate::spec::listener::EventType;
use crate::sys::clock;

/// A clock that was set is noticed within this time.
const SLEEP_MAX: Duration = Duration::from_secs(60);

/// Tells the engine when the wall clock comes to another slice of these ticks, for ever. A slice that was missed is not
/// made up for.
pub(in crate::daemon) async fn tell(ticks: BTreeSet<EventType>, mailbox: Mailbox) {
    let periods: Vec<(EventType, u64)> =
        ticks.into_iter().filter_map(|tick| Some((tick, tick.period_s()?))).collect();
    let Some(shortest) = periods.iter().map(|(_, period)| *period).min() else { return };
    let mut before = clock::unix_ms() / 1000;
    loop {
        let into_slice = Duration::from_millis(clock::unix_ms() % (shortest * 1000));
        tokio::time::sleep((Duration::from_secs(shortest) - into_slice).min(SLEEP_MAX)).await;
        let seconds = clock::unix_ms() / 1000;
        for (tick, period) in &periods {
            if seconds / period != before / period {
                mailbox.send(Message::ToListeners(News::Tick(*tick, seconds - seconds % period))).await;
            }
        }
        before = seconds;
    }
}
