use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;

use crate::spec::policy::Stop;
use crate::vocab::signal::Signal;

/// What a warden is told.
#[derive(Debug, Clone, Copy)]
pub(super) enum Order {
    Stop(Stop),
    Kill,
    Signal(Signal),
    /// Another process is the main one.
    Follow,
}

/// The orders of one warden on their way. Each run has a queue, and most stay empty for days: one of tokio's channels takes
/// 1.3 KB before the first message. This one has no bound, and needs none: the machine gives a run two orders in its life,
/// and people's signals and changes of main processes are few.
#[derive(Debug, Default)]
pub(super) struct Reins {
    waiting: Mutex<VecDeque<Order>>,
    bell: Notify,
}

impl Reins {
    pub(super) fn give(&self, order: Order) {
        self.waiting().push_back(order);
        self.bell.notify_one();
    }

    /// The next order. Whoever stops waiting for it takes none along.
    pub(super) async fn next(&self) -> Order {
        loop {
            let order = self.waiting().pop_front();
            match order {
                Some(order) => return order,
                None => self.bell.notified().await,
            }
        }
    }

    /// A queue is whole between any two of its calls.
    fn waiting(&self) -> MutexGuard<'_, VecDeque<Order>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::{Order, Reins};
    use crate::vocab::signal::Signal;
    use std::time::Duration;

    fn is(order: &Order, expected: Signal) -> bool {
        matches!(order, Order::Signal(signal) if *signal == expected)
    }

    #[tokio::test]
    async fn orders_come_in_turn_whether_somebody_waits_or_not() {
        let reins = Reins::default();
        reins.give(Order::Signal(Signal::HUP));
        reins.give(Order::Signal(Signal::USR1));
        assert!(is(&reins.next().await, Signal::HUP));
        assert!(is(&reins.next().await, Signal::USR1));
        let told = async {
            tokio::task::yield_now().await;
            reins.give(Order::Signal(Signal::TERM));
        };
        assert!(is(&tokio::join!(reins.next(), told).0, Signal::TERM));
    }

    #[tokio::test]
    async fn who_stops_waiting_takes_no_order_along() {
        let reins = Reins::default();
        let waited = tokio::time::timeout(Duration::from_millis(1), reins.next()).await;
        assert!(waited.is_err());
        reins.give(Order::Kill);
        assert!(matches!(reins.next().await, Order::Kill));
    }
}
