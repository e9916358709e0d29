use std::time::Duration;

use serde::{Deserialize, Serialize};

/// A point in time, in nanoseconds since the machine booted (`CLOCK_MONOTONIC`), so that it means the same to every
/// process of this boot and can rest in the journal. Wall clocks jump and have no part in decisions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Moment(u64);

impl Moment {
    /// The moment this long after boot.
    pub fn since_boot(elapsed: Duration) -> Self {
        Self(u64::try_from(elapsed.as_nanos()).unwrap_or(u64::MAX))
    }

    /// The moment this much later; the far end of time at most.
    pub fn after(self, wait: Duration) -> Self {
        Self(self.0.saturating_add(u64::try_from(wait.as_nanos()).unwrap_or(u64::MAX)))
    }

    /// How long after `earlier` it is; zero when it is not.
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_nanos(self.0.saturating_sub(earlier.0))
    }
}

#[cfg(test)]
mod tests {
    use super::Moment;
    use std::time::Duration;

    #[test]
    fn a_moment_never_wraps() {
        let start = Moment::since_boot(Duration::from_secs(5));
        assert_eq!(start.after(Duration::from_secs(2)).since(start), Duration::from_secs(2));
        assert_eq!(start.since(start.after(Duration::from_secs(2))), Duration::ZERO);
        assert_eq!(start.after(Duration::MAX).after(Duration::MAX), Moment(u64::MAX));
    }
}
