use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use tokio::task::AbortHandle;

use super::line::Line;
use super::pool::{Pool, Told};
use super::ticks;
use super::words::{Look, Seen};
use crate::daemon::mailbox::Mailbox;
use crate::spec::fleet::Fleet;
use crate::spec::listener::{EventType, Listener};
use crate::vocab::name::ServiceName;
use crate::vocab::run::RunId;

/// Who is told of what.
#[derive(Debug, Default)]
pub struct Switchboard {
    pools: BTreeMap<String, Subscription>,
    lines: BTreeMap<RunId, (String, Line)>,
    seen: BTreeMap<ServiceName, Seen>,
    next_serial: u64,
    /// What the supervisor calls itself.
    server: String,
    clock: Option<AbortHandle>,
}

/// What reaches listeners, or comes from them.
#[derive(Debug)]
pub enum News {
    /// A run of a listener wrote this on its standard output.
    Said(RunId, Vec<u8>),
    /// The wall clock has come to another slice of a tick, which began so many seconds after 1970 UTC.
    Tick(EventType, u64),
    /// The supervisor stops everything, or is about to start it, as if it was another one.
    Supervisor(EventType),
    /// A client has something to say.
    Remote {
        /// Of which kind it is, in the client's words.
        kind: String,
        /// What it says.
        data: String,
    },
}

#[derive(Debug)]
struct Subscription {
    listener: Listener,
    pool: Pool,
}

impl Switchboard {
    /// Takes over the listeners of a fleet. Those that are as they were keep what waits for them. `server` is what the
    /// supervisor calls itself.
    pub fn declare(&mut self, fleet: &Fleet, server: &str, mailbox: &Mailbox) {
        server.clone_into(&mut self.server);
        let listeners = fleet.services().values().filter_map(|service| service.listener.as_ref());
        let mut before = std::mem::take(&mut self.pools);
        for listener in listeners {
            let kept = before.remove(&listener.pool).filter(|kept| kept.listener == *listener);
            let new = || Subscription { listener: listener.clone(), pool: Pool::new(listener) };
            self.pools.entry(listener.pool.clone()).or_insert_with(|| kept.unwrap_or_else(new));
        }
        self.lines.retain(|_, (pool, _)| self.pools.contains_key(pool));
        if let Some(clock) = self.clock.take() {
            clock.abort();
        }
        let ticks: BTreeSet<EventType> =
            self.subscribed().filter(|event| event.period_s().is_some()).collect();
        if !ticks.is_empty() {
            self.clock = Some(tokio::spawn(ticks::tell(ticks, mailbox.clone())).abort_handle());
        }
    }

    fn subscribed(&self) -> impl Iterator<Item = EventType> {
        self.pools.values().flat_map(|subscription| subscription.listener.events.iter().copied())
    }

    /// Whether anybody is told of anything.
    pub fn is_idle(&self) -> bool {
        self.pools.is_empty()
    }

    /// A run of a listener has begun.
    pub(super) fn join(&mut self, run: RunId, listener: &Listener, line: Line) {
        if let Some(subscription) = self.pools.get_mut(&listener.pool) {
            subscription.pool.join(run);
            self.lines.insert(run, (listener.pool.clone(), line));
        }
    }

    /// A run has ended.
    pub fn leave(&mut self, run: RunId) {
        let Some((name, _)) = self.lines.remove(&run) else { return };
        if let Some(subscription) = self.pools.get_mut(&name) {
            subscription.pool.leave(run);
        }
        self.deliver();
    }

    /// A run wrote something on its standard output.
    pub fn hear(&mut self, run: RunId, bytes: &[u8]) {
        let Some((name, _)) = self.lines.get(&run) else { return };
        if let Some(subscription) = self.pools.get_mut(name) {
            subscription.pool.hear(run, bytes);
        }
        self.deliver();
    }

    /// A process may look different.
    pub(super) fn look(&mut self, service: &ServiceName, look: &Look<'_>) {
        let told = self.seen.entry(service.clone()).or_insert(Seen::NEVER).told(look);
        for (event, payload) in told {
            self.tell(event, payload);
        }
    }

    /// How a process looks, of which nobody is told.
    pub(super) fn note(&mut self, service: &ServiceName, look: &Look<'_>) {
        self.seen.entry(service.clone()).or_insert(Seen::NEVER).told(look);
    }

    /// The main process that a service had last, as far as anybody was told of it.
    pub(super) fn last_pid(&self, service: &ServiceName) -> i32 {
        self.seen.get(service).map_or(0, Seen::pid)
    }

    /// Something happened.
    pub fn tell(&mut self, event: EventType, payload: String) {
        let mut pools: Vec<&mut Pool> = self
            .pools
            .values_mut()
            .filter(|subscription| subscription.listener.events.contains(&event))
            .map(|subscription| &mut subscription.pool)
            .collect();
        if pools.is_empty() {
            return;
        }
        let told = Arc::new(Told { serial: self.next_serial, event, payload });
        self.next_serial += 1;
        pools.iter_mut().for_each(|pool| pool.offer(Arc::clone(&told)));
        self.deliver();
    }

    fn deliver(&mut self) {
        for subscription in self.pools.values_mut() {
            while let Some(delivery) = subscription.pool.next_delivery(&self.server) {
                if let Some((_, line)) = self.lines.get(&delivery.run) {
                    line.send(delivery.bytes);
                }
            }
        }
    }
}

impl Drop for Switchboard {
    fn drop(&mut self) {
        self.clock.iter().for_each(AbortHandle::abort);
    }
}
