use std::path::PathBuf;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::vocab::name::ServiceName;
use crate::vocab::selection::Selection;
use crate::vocab::stream::Stream;

/// The body of `POST /v1/logs/rotate`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(default, deny_unknown_fields)]
pub struct RotateOrder {
    /// The services; all of them when nothing is said.
    pub services: Selection,
}

/// The answer to that.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct RotateReport {
    /// Each log file that was meant.
    pub results: Vec<Rotated>,
}

/// What came of setting one log file aside.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Rotated {
    /// Whose it is.
    pub service: ServiceName,
    /// Of which stream.
    pub stream: Stream,
    /// The file.
    #[schema(value_type = String)]
    pub file: PathBuf,
    /// Whether it is set aside.
    pub outcome: RotateOutcome,
    /// Why it is not, or what is not in it, in words.
    pub note: Option<String>,
}

/// Whether a log file is set aside.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum RotateOutcome {
    /// It is.
    Rotated,
    /// There is nothing in it.
    Empty,
    /// It will be when the line ends that is being written.
    AtLineEnd,
    /// It cannot be.
    Failed,
}
