use std::time::Duration;

/// Times of one thing, done again and again.
pub(crate) struct Samples(Vec<Duration>);

impl Samples {
    /// At least one sample.
    pub(crate) fn new(mut samples: Vec<Duration>) -> Self {
        assert!(!samples.is_empty(), "a median needs a sample");
        samples.sort_unstable();
        Self(samples)
    }

    /// Times `count` runs of `once`, which says itself how long it took.
    pub(crate) fn take(count: usize, once: impl FnMut(usize) -> Duration) -> Self {
        Self::new((0..count).map(once).collect())
    }

    pub(crate) fn median(&self) -> Duration {
        self.percentile(50)
    }

    /// The sample that so many per cent of all are no longer than.
    pub(crate) fn percentile(&self, percent: usize) -> Duration {
        let rank = (self.0.len() * percent).div_ceil(100);
        self.0[rank.clamp(1, self.0.len()) - 1]
    }

    /// `median 1.2 ms, p90 3.4 ms, n 50`.
    pub(crate) fn words(&self) -> String {
        let (median, p90) = (millis(self.median()), millis(self.percentile(90)));
        format!("median {median:8.2} ms   p90 {p90:8.2} ms   n {}", self.0.len())
    }
}

pub(crate) fn millis(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1000.0
}

/// One line of a bench's table.
pub(crate) fn line(what: &str, figures: &str) {
    println!("  {what:<44} {figures}");
}
