use std::fmt;

use serde::{Deserialize, Serialize};

/// A TCP port, 1 to 65535.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, utoipa::ToSchema,
)]
#[schema(value_type = u16)]
#[serde(try_from = "u16", into = "u16")]
pub struct Port(u16);

impl Port {
    /// The lowest port that any user may bind; those below are the system's.
    pub const FIRST_UNPRIVILEGED: Self = Self(1024);

    /// A port, unless it is 0.
    pub fn new(number: u16) -> Option<Self> {
        (number != 0).then_some(Self(number))
    }

    /// Its number.
    pub fn number(self) -> u16 {
        self.0
    }
}

impl fmt::Display for Port {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

impl TryFrom<u16> for Port {
    type Error = String;
    fn try_from(number: u16) -> Result<Self, String> {
        Self::new(number).ok_or_else(|| "0 is not a port".to_owned())
    }
}

impl From<Port> for u16 {
    fn from(port: Port) -> Self {
        port.0
    }
}

/// Who holds an assigned port, seen from the service it is assigned to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum HeldBy {
    /// A process of the service's own tree listens on it.
    #[serde(rename = "self")]
    Service,
    /// Some other process listens on it.
    Other,
    /// Nobody listens on it.
    Nobody,
}

impl HeldBy {
    /// The word of the contract.
    pub fn word(self) -> &'static str {
        match self {
            Self::Service => "self",
            Self::Other => "other",
            Self::Nobody => "nobody",
        }
    }
}
