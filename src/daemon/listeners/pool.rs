use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use super::talk::{Heard, Talk};
use crate::spec::listener::{EventType, Listener};
use crate::vocab::run::RunId;

/// Something that listeners are told of.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Told {
    /// Its number among all that anybody was told of.
    pub(super) serial: u64,
    pub(super) event: EventType,
    pub(super) payload: String,
}

/// Listeners that share their events, and what waits for them.
#[derive(Debug)]
pub(super) struct Pool {
    name: String,
    buffer_size: usize,
    waiting: VecDeque<Waiting>,
    members: BTreeMap<RunId, Member>,
    next_serial: u64,
}

#[derive(Debug, Clone)]
struct Waiting {
    /// Its number among the pool's events.
    serial: u64,
    told: Arc<Told>,
}

/// One run of a listener.
#[derive(Debug)]
struct Member {
    talk: Talk,
    doing: Doing,
}

#[derive(Debug)]
enum Doing {
    /// It has not asked for an event, or does so no more.
    Other,
    /// It waits for an event.
    Idle,
    /// It deals with one.
    Busy(Waiting),
}

/// An event on its way to a listener.
#[derive(Debug)]
pub(super) struct Delivery {
    pub(super) run: RunId,
    pub(super) bytes: Vec<u8>,
}

impl Pool {
    pub(super) fn new(listener: &Listener) -> Self {
        Self {
            name: listener.pool.clone(),
            buffer_size: listener.buffer_size,
            waiting: VecDeque::new(),
            members: BTreeMap::new(),
            next_serial: 0,
        }
    }

    /// A run begins.
    pub(super) fn join(&mut self, run: RunId) {
        self.members.insert(run, Member { talk: Talk::new(), doing: Doing::Other });
    }

    /// A run has ended; what it had in hand goes to the next.
    pub(super) fn leave(&mut self, run: RunId) {
        if let Some(Member { doing: Doing::Busy(event), .. }) = self.members.remove(&run) {
            self.put_back(event);
        }
    }

    /// Something happened.
    pub(super) fn offer(&mut self, told: Arc<Told>) {
        let serial = self.next_serial;
        self.next_serial += 1;
        self.make_room();
        self.waiting.push_back(Waiting { serial, told });
    }

    fn put_back(&mut self, event: Waiting) {
        self.make_room();
        self.waiting.push_front(event);
    }

    fn make_room(&mut self) {
        if self.waiting.len() < self.buffer_size {
            return;
        }
        if let Some(oldest) = self.waiting.pop_front() {
            let (pool, serial) = (&self.name, oldest.told.serial);
            tracing::error!("pool {pool} event buffer overflowed, discarding event {serial}");
        }
    }

    /// A member wrote something.
    pub(super) fn hear(&mut self, run: RunId, bytes: &[u8]) {
        let Some(member) = self.members.get_mut(&run) else { return };
        let mut again = Vec::new();
        for heard in member.talk.hear(bytes) {
            let next = match heard {
                Heard::Ready => Doing::Idle,
                Heard::Accepted | Heard::Rejected | Heard::Lost(_) => Doing::Other,
            };
            let in_hand = match std::mem::replace(&mut member.doing, next) {
                Doing::Busy(event) => Some(event),
                Doing::Other | Doing::Idle => None,
            };
            match &heard {
                Heard::Ready | Heard::Accepted => (),
                Heard::Rejected => {
                    tracing::warn!("{}: event was rejected", self.name);
                    again.extend(in_hand);
                }
                Heard::Lost(why) => {
                    tracing::warn!(
                        "{}: has entered the UNKNOWN state and will no longer receive events, this usually indicates the \
                         process violated the eventlistener protocol ({why})",
                        self.name
                    );
                    again.extend(in_hand);
                }
            }
        }
        for event in again {
            self.put_back(event);
        }
    }

    /// The next event for a member that waits for one, as it is sent: `server` is what the supervisor calls itself.
    pub(super) fn next_delivery(&mut self, server: &str) -> Option<Delivery> {
        let (run, member) =
            self.members.iter_mut().find(|(_, member)| matches!(member.doing, Doing::Idle))?;
        let event = self.waiting.pop_front()?;
        let told = &event.told;
        // Characters, as listeners in Python count them.
        let length = told.payload.chars().count();
        let line = format!(
            "ver:3.0 server:{server} serial:{} pool:{} poolserial:{} eventname:{} len:{length}\n{}",
            told.serial,
            self.name,
            event.serial,
            told.event.name(),
            told.payload
        );
        member.talk.sent();
        member.doing = Doing::Busy(event);
        Some(Delivery { run: *run, bytes: line.into_bytes() })
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::sync::Arc;

    use super::{Pool, Told};
    use crate::spec::listener::{EventType, Listener};
    use crate::vocab::run::RunId;

    fn pool(buffer_size: usize) -> Pool {
        Pool::new(&Listener { events: BTreeSet::new(), pool: "p".to_owned(), buffer_size })
    }

    fn offer(pool: &mut Pool, serial: u64, payload: &str) {
        pool.offer(Arc::new(Told { serial, event: EventType::Tick5, payload: payload.to_owned() }));
    }

    fn sent(pool: &mut Pool) -> Option<(RunId, String)> {
        let delivery = pool.next_delivery("s")?;
        Some((delivery.run, String::from_utf8(delivery.bytes).unwrap()))
    }

    fn line(serial: u64, pool_serial: u64, len: usize, payload: &str) -> String {
        format!(
            "ver:3.0 server:s serial:{serial} pool:p poolserial:{pool_serial} eventname:TICK_5 len:{len}\n{payload}"
        )
    }

    #[test]
    fn an_event_goes_to_one_member_that_waits_and_is_counted_in_characters() {
        let mut pool = pool(10);
        pool.join(RunId(1));
        pool.join(RunId(2));
        offer(&mut pool, 7, "grün");
        assert_eq!(sent(&mut pool), None);
        pool.hear(RunId(2), b"READY\n");
        assert_eq!(sent(&mut pool), Some((RunId(2), line(7, 0, 4, "grün"))));
        offer(&mut pool, 8, "");
        assert_eq!(sent(&mut pool), None);
        pool.hear(RunId(2), b"RESULT 2\nOKREADY\n");
        assert_eq!(sent(&mut pool), Some((RunId(2), line(8, 1, 0, ""))));
    }

    #[test]
    fn what_is_rejected_or_left_behind_goes_to_the_next_first() {
        let mut pool = pool(10);
        pool.join(RunId(1));
        pool.hear(RunId(1), b"READY\n");
        offer(&mut pool, 0, "a");
        offer(&mut pool, 1, "b");
        assert_eq!(sent(&mut pool), Some((RunId(1), line(0, 0, 1, "a"))));
        pool.hear(RunId(1), b"RESULT 4\nFAILREADY\n");
        assert_eq!(sent(&mut pool), Some((RunId(1), line(0, 0, 1, "a"))));
        pool.leave(RunId(1));
        pool.join(RunId(2));
        pool.hear(RunId(2), b"READY\n");
        assert_eq!(sent(&mut pool), Some((RunId(2), line(0, 0, 1, "a"))));
    }

    #[test]
    fn when_too_many_wait_the_oldest_is_dropped() {
        let mut pool = pool(2);
        for serial in 0..5 {
            offer(&mut pool, serial, "x");
        }
        pool.join(RunId(1));
        pool.hear(RunId(1), b"READY\n");
        assert_eq!(sent(&mut pool), Some((RunId(1), line(3, 3, 1, "x"))));
    }

    #[test]
    fn who_breaks_the_protocol_loses_its_event_to_others() {
        let mut pool = pool(10);
        pool.join(RunId(1));
        pool.hear(RunId(1), b"READY\n");
        offer(&mut pool, 0, "a");
        assert!(sent(&mut pool).is_some());
        pool.hear(RunId(1), b"nonsense\nREADY\n");
        assert_eq!(sent(&mut pool), None);
        pool.join(RunId(2));
        pool.hear(RunId(2), b"READY\n");
        assert_eq!(sent(&mut pool), Some((RunId(2), line(0, 0, 1, "a"))));
    }
}
