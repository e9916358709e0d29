use std::collections::BTreeMap;

use tokio::task::AbortHandle;

use super::engine::Engine;
use super::mailbox::Message;
use crate::machine::event::Event;
use crate::spec::fleet::Fleet;
use crate::spec::schedule::{Missed, Schedule};
use crate::sys::{alarm, clock};
use crate::vocab::name::ServiceName;

/// The schedules of services, and who waits for the next of all their times. Where nobody has a schedule nobody waits.
#[derive(Debug, Default)]
pub(super) struct Schedules {
    times: BTreeMap<ServiceName, Times>,
    alarm: Option<AbortHandle>,
}

#[derive(Debug)]
struct Times {
    schedule: Schedule,
    next_unix_ms: Option<u64>,
    /// Until when times have come, by a clock that may have been put back since.
    done_unix_ms: u64,
}

/// What a look at the clock finds of one schedule.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Found {
    /// Its next time has not come.
    Nothing,
    /// It has.
    Due,
    /// It came so long ago that it was missed, and is passed over.
    Missed,
}

impl Times {
    fn new(schedule: Schedule, remembered: Option<u64>, now: u64) -> Self {
        let next = remembered.filter(|next| schedule.has(*next)).or_else(|| schedule.after(now));
        Self { schedule, next_unix_ms: next, done_unix_ms: 0 }
    }

    fn look(&mut self, now: u64) -> Found {
        let found = match self.next_unix_ms {
            Some(next) if next <= now => {
                self.done_unix_ms = now;
                let is_missed = now - next > Schedule::LATE_MS_MAX;
                if is_missed && self.schedule.missed == Missed::Skip { Found::Missed } else { Found::Due }
            }
            Some(_) | None => Found::Nothing,
        };
        let is_put_back = self.done_unix_ms > now && self.done_unix_ms - now < Schedule::BACK_MS_MAX;
        let from = if is_put_back { self.done_unix_ms } else { now };
        self.next_unix_ms = self.schedule.after(from);
        found
    }
}

impl Engine {
    /// Keeps to the schedules of a fleet, and to no other.
    pub(super) fn keep_schedules(&mut self, fleet: &Fleet) {
        let now = clock::unix_ms();
        let is_kept = |name: &ServiceName, times: &Times| {
            fleet.service(name).is_some_and(|service| service.schedule.as_deref() == Some(&times.schedule))
        };
        self.schedules.times.retain(|name, times| is_kept(name, times));
        for service in fleet.services().values() {
            let Some(schedule) = service.schedule.as_deref() else { continue };
            if !self.schedules.times.contains_key(&service.name) {
                let known = self.fleet.services().get(&service.name).and_then(|it| it.plan()?.next_unix_ms);
                self.schedules.times.insert(service.name.clone(), Times::new(schedule.clone(), known, now));
            }
        }
        self.look_at_clock();
    }

    /// Tells the machine of every time that has come, and waits for the next one.
    pub(super) fn look_at_clock(&mut self) {
        let now = clock::unix_ms();
        let look =
            |(name, times): (&ServiceName, &mut Times)| (name.clone(), times.look(now), times.next_unix_ms);
        let found: Vec<_> = self.schedules.times.iter_mut().map(look).collect();
        for (service, found, next_unix_ms) in found {
            let known = self.fleet.services().get(&service).and_then(|it| it.plan()?.next_unix_ms);
            if known != next_unix_ms {
                self.feed(Event::Planned { service: service.clone(), next_unix_ms });
            }
            match found {
                Found::Due => {
                    tracing::info!(%service, "a time of its schedule has come");
                    self.feed(Event::ScheduleDue { service });
                }
                Found::Missed => {
                    tracing::warn!(%service, "a time of its schedule was missed, and is passed over")
                }
                Found::Nothing => (),
            }
        }
        self.wait_for_next_time();
    }

    fn wait_for_next_time(&mut self) {
        if let Some(alarm) = self.schedules.alarm.take() {
            alarm.abort();
        }
        let next = self.schedules.times.values().filter_map(|times| times.next_unix_ms).min();
        self.schedules.alarm = next.map(|next| {
            let mailbox = self.mailbox.clone();
            let wait = async move {
                alarm::until(next).await;
                mailbox.send(Message::Clock).await;
            };
            tokio::spawn(wait).abort_handle()
        });
    }
}

#[cfg(test)]
mod tests {
    use super::{Found, Times};
    use crate::spec::schedule::{Missed, Overlap, Schedule, Task};
    use jiff::tz::TimeZone;

    const HOUR: u64 = 3_600_000;

    /// Each hour, beginning with the second one since 1970.
    fn hourly(missed: Missed) -> Times {
        let schedule = Schedule::new("0 * * * *", TimeZone::UTC, Task::Start(Overlap::Skip), missed).unwrap();
        Times::new(schedule, None, HOUR + 1)
    }

    #[test]
    fn a_time_comes_once_and_the_next_is_the_one_after() {
        let mut times = hourly(Missed::Run);
        assert_eq!(times.look(2 * HOUR - 1), Found::Nothing);
        assert_eq!(times.look(2 * HOUR), Found::Due);
        assert_eq!(times.look(2 * HOUR), Found::Nothing);
        assert_eq!(times.next_unix_ms, Some(3 * HOUR));
    }

    #[test]
    fn times_that_passed_in_sleep_count_once_or_are_passed_over() {
        for (missed, expected) in [(Missed::Run, Found::Due), (Missed::Skip, Found::Missed)] {
            let mut times = hourly(missed);
            assert_eq!(times.look(9 * HOUR + 120_000), expected);
            assert_eq!(times.look(9 * HOUR + 120_000), Found::Nothing);
            assert_eq!(times.next_unix_ms, Some(10 * HOUR));
        }
        assert_eq!(hourly(Missed::Skip).look(2 * HOUR + 500), Found::Due, "late is not missed");
    }

    #[test]
    fn a_clock_that_is_put_back_a_little_repeats_no_time_and_one_put_back_far_begins_anew() {
        let mut times = hourly(Missed::Run);
        assert_eq!(times.look(20 * HOUR), Found::Due);
        assert_eq!(times.look(18 * HOUR + 1), Found::Nothing);
        assert_eq!(times.next_unix_ms, Some(21 * HOUR));
        assert_eq!(times.look(5 * HOUR + 1), Found::Nothing);
        assert_eq!(times.next_unix_ms, Some(6 * HOUR));
    }

    #[test]
    fn what_an_earlier_supervisor_waited_for_is_waited_for_if_it_is_a_time_of_this_schedule() {
        let schedule = hourly(Missed::Run).schedule;
        assert_eq!(Times::new(schedule.clone(), Some(2 * HOUR), 5 * HOUR + 1).next_unix_ms, Some(2 * HOUR));
        assert_eq!(Times::new(schedule, Some(2 * HOUR + 1), 5 * HOUR + 1).next_unix_ms, Some(6 * HOUR));
    }
}
