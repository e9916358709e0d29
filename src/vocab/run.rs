use std::fmt;

use serde::{Deserialize, Serialize};

use super::name::ServiceName;

/// One life of one service. Numbers rise over the whole fleet, and none is given twice as long as the journal lives.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct RunId(pub u64);

impl RunId {
    /// No run has this number. What carries it in its tag belongs to a service and to no run of it, as a command does that
    /// judges the service: it is not taken for a process of what it judges, and one that outlives its supervisor is found
    /// and ended by the next as any stray is.
    pub const NONE: Self = Self(0);

    /// The number that follows.
    pub fn next(self) -> Self {
        Self(self.0 + 1)
    }
}

impl fmt::Display for RunId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

/// Which fleet: 16 hex digits made of the path of its config file. Two config files never share one.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Instance(pub String);

impl fmt::Display for Instance {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Instance {
    /// The environment variable that a supervisor carries with its instance, so that it is found when its run directory
    /// was wiped. Its services do not get it.
    pub const VARIABLE: &'static str = "PROCMAN_SUPERVISOR";
}

/// What each process of a run carries in its environment as `PROCMAN_RUN`, so that it can be told from a
/// stranger when nobody recorded it: `INSTANCE/SERVICE/RUN`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tag {
    /// The fleet it belongs to.
    pub instance: Instance,
    /// The service.
    pub service: ServiceName,
    /// The run.
    pub run: RunId,
}

impl Tag {
    /// The environment variable that carries it.
    pub const VARIABLE: &'static str = "PROCMAN_RUN";

    /// Reads a tag from the value of [`Tag::VARIABLE`]; anything else is nobody's.
    pub fn parse(value: &str) -> Option<Self> {
        let mut parts = value.split('/');
        let (instance, service, run) = (parts.next()?, parts.next()?, parts.next()?);
        if parts.next().is_some() || instance.is_empty() {
            return None;
        }
        Some(Self {
            instance: Instance(instance.to_owned()),
            service: ServiceName::parse(service).ok()?,
            run: RunId(run.parse().ok()?),
        })
    }
}

impl fmt::Display for Tag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}/{}", self.instance, self.service, self.run)
    }
}

#[cfg(test)]
mod tests {
    use super::Tag;

    #[test]
    fn a_tag_reads_back_what_it_wrote_and_nothing_else() {
        let tag = Tag::parse("0123456789abcdef/main_app/42").unwrap();
        assert_eq!(Tag::parse(&tag.to_string()), Some(tag));
        for foreign in ["", "x", "a/b", "a/b/c", "a/b/1/2", "/b/1", "a/../1"] {
            assert_eq!(Tag::parse(foreign), None, "{foreign}");
        }
    }
}
