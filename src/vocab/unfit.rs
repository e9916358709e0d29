use std::fmt;

/// A text that is not what it should be. Its words end with a colon and the way out, which places that show both apart
/// have apart.
pub trait Unfit: fmt::Display {
    /// What to write there.
    const WAY_OUT: &'static str;

    /// What is wrong, without the way out.
    fn what(&self) -> String {
        let whole = self.to_string();
        let what = whole.strip_suffix(Self::WAY_OUT).and_then(|what| what.strip_suffix(": "));
        what.map(str::to_owned).unwrap_or(whole)
    }
}

#[cfg(test)]
mod tests {
    use super::Unfit;
    use crate::vocab::log_level::LogLevel;
    use crate::vocab::measure::{parse_duration, parse_size};
    use crate::vocab::name::ServiceName;
    use crate::vocab::port::Endpoint;
    use crate::vocab::signal::Signal;

    fn check<T, E: Unfit>(read: Result<T, E>, what: &str) {
        let Err(error) = read else { panic!("{what}") };
        assert_eq!(error.what(), what);
        assert_eq!(error.to_string(), format!("{what}: {}", E::WAY_OUT));
    }

    #[test]
    fn what_is_wrong_and_the_way_out_are_told_together_and_apart() {
        check(parse_duration("a: b"), "`a: b` is not a duration");
        check(parse_size("5"), "`5` is not a size");
        check(ServiceName::parse("b d"), "`b d` is not a service name");
        check(Signal::parse("BANG"), "`BANG` is not a signal");
        check(Endpoint::parse("x:1"), "`x:1` is not a port");
        check("loud".parse::<LogLevel>(), "`loud` is not a log level");
    }
}
