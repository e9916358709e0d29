use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// What people said of whether a service starts by itself at `up`, over what its config says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Enablement {
    /// It does.
    Enabled,
    /// It does not.
    Disabled,
}
