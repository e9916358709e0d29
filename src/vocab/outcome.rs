use std::fmt;

use serde::{Deserialize, Serialize};

use super::signal::Signal;

/// How a run ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// It returned or called exit with this code, 0 to 255.
    Code(i32),
    /// A signal ended it.
    Signal(Signal),
    /// It ended, and the kernel could not say how: it was not our child and the kernel keeps no status (before
    /// Linux 6.15, and macOS). Policy treats it as a failure.
    Unknown,
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Code(code) => write!(f, "exited with code {code}"),
            Self::Signal(signal) => write!(f, "was ended by {signal}"),
            Self::Unknown => f.write_str("ended, and nobody saw how"),
        }
    }
}
