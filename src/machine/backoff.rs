use std::time::Duration;

use crate::spec::policy::{Backoff, Growth};

/// How long to wait after the `failures`-th quick failure in a row, growing from `initial` up to `max`.
pub(super) fn delay(policy: &Backoff, failures: u32) -> Duration {
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
    use super::delay;
    use crate::spec::policy::{Backoff, Growth};
    use std::time::Duration;

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
