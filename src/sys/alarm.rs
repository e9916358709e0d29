use std::time::Duration;

use super::{clock, os};

/// Where nobody tells that the clock was set, it is looked at this often.
const LOOK_AGAIN: Duration = Duration::from_secs(60);

/// Waits until the wall clock shows this time, in milliseconds since 1970 UTC, or until there is reason to look at it again:
/// it was set, the machine has slept, or, where the system does not tell of that, a minute has passed.
pub async fn until(unix_ms: u64) {
    if os::alarm::until(unix_ms).await.is_err() {
        let left = Duration::from_millis(unix_ms.saturating_sub(clock::unix_ms()));
        tokio::time::sleep(left.min(LOOK_AGAIN)).await;
    }
}

#[cfg(test)]
mod tests {
    use super::until;
    use crate::sys::clock;

    #[test]
    fn an_alarm_goes_off_when_the_clock_shows_its_time_and_at_once_when_that_has_passed() {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let at = clock::unix_ms() + 150;
        runtime.block_on(until(at));
        assert!(clock::unix_ms() >= at);
        runtime.block_on(until(at - 10_000));
        assert!(clock::unix_ms() < at + 10_000);
    }
}
