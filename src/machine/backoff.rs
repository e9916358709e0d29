use std::time::Duration;

use crate::spec::policy::{Backoff, Growth};

/// How long to wait after the `failures`-th quick failure in a row, growing from `initial` up to `max`; a throw, from 0 to
/// 1, shortens it by that part of its jitter.
pub(super) fn delay(policy: &Backoff, failures: u32, throw: f64) -> Duration {
    let delay = undisturbed(policy, failures);
    delay.mul_f64((1.0 - policy.jitter * throw).clamp(0.0, 1.0))
}

fn undisturbed(policy: &Backoff, failures: u32) -> Duration {
    let growth = match (policy.growth, failures) {
        (_, 0) | (Growth::Factor(_), 1) => return Duration::ZERO,
        (Growth::Factor(factor), failures) => factor.powi(i32::try_from(failures - 2).unwrap_or(i32::MAX)),
        (Growth::Linear, failures) => f64::from(failures),
    };
    let seconds = policy.initial.as_secs_f64() * growth;
    if seconds.is_finite() {
        Duration::from_secs_f64(seconds.min(policy.max.as_secs_f64()))
    } else {
        policy.max
    }
}

#[cfg(test)]
mod tests {
    use crate::spec::policy::{Backoff, Growth};
    use std::time::Duration;

    fn delay(policy: &Backoff, failures: u32) -> Duration {
        super::delay(policy, failures, 0.5)
    }

    #[test]
    fn jitter_shortens_waits_by_its_share_at_most_and_never_makes_them_longer() {
        let policy = Backoff { jitter: 0.4, ..Backoff::default() };
        let waits = [0.0, 0.5, 1.0].map(|throw| super::delay(&policy, 3, throw).as_millis());
        assert_eq!(waits, [1000, 800, 600]);
        let waits = [0.0, 1.0].map(|throw| super::delay(&policy, u32::MAX, throw).as_secs());
        assert_eq!(waits, [30, 18]);
    }

    #[test]
    fn waits_grow_from_the_second_failure_on_up_to_the_cap() {
        let policy = Backoff::default();
        let waits: Vec<u64> =
            (0..9).map(|failures| u64::try_from(delay(&policy, failures).as_millis()).unwrap()).collect();
        assert_eq!(waits, [0, 0, 500, 1000, 2000, 4000, 8000, 16000, 30000]);
        assert_eq!(delay(&policy, u32::MAX), Duration::from_secs(30));
    }

    #[test]
    fn linear_waits_grow_from_the_first_failure_on() {
        let second = Duration::from_secs(1);
        let policy = Backoff { initial: second, growth: Growth::Linear, ..Backoff::default() };
        let waits: Vec<u64> = (0..5).map(|failures| delay(&policy, failures).as_secs()).collect();
        assert_eq!(waits, [0, 1, 2, 3, 4]);
        assert_eq!(delay(&policy, u32::MAX), policy.max);
    }
}
