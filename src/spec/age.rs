use std::time::Duration;

/// How old a run may become before another takes its place.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct MaxAge {
    /// So old; positive.
    pub age: Duration,
    /// By so much of that each run is given more or less time, at random: from 0 to less than 1.
    pub variance: f64,
}

impl MaxAge {
    /// How old a run may become whose throw this is, from 0 to 1.
    pub fn thrown(&self, throw: f64) -> Duration {
        self.age.mul_f64((1.0 + self.variance * (2.0 * throw - 1.0)).max(0.0))
    }
}

#[cfg(test)]
mod tests {
    use super::MaxAge;
    use std::time::Duration;

    #[test]
    fn a_throw_gives_up_to_the_variance_more_or_less() {
        let max_age = MaxAge { age: Duration::from_secs(100), variance: 0.1 };
        assert_eq!(
            [0.0, 0.5, 1.0].map(|throw| max_age.thrown(throw).as_secs_f64().round()),
            [90.0, 100.0, 110.0]
        );
    }
}
