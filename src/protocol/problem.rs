use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::vocab::selection::NoSuchService;

/// The body of every answer that is not a success.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Problem {
    /// Which kind, for programs.
    pub kind: Kind,
    /// What is wrong, in words that begin with `cannot`.
    pub what: String,
    /// The way out, if there is one.
    pub hint: Option<String>,
}

impl Problem {
    /// Nothing is called so.
    pub fn no_such_service(missing: &NoSuchService) -> Self {
        Self {
            kind: Kind::NoSuchService,
            what: format!("cannot find a service called `{}`", missing.word),
            hint: Some(missing.hint()),
        }
    }
}

/// The kinds of refusal, each with the HTTP status it comes under.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// 400: the request is not one.
    BadRequest,
    /// 404: there is no such address.
    NotFound,
    /// 404: a word of the selection means no service.
    NoSuchService,
    /// 405: the address knows other methods.
    BadMethod,
    /// 409: there is no guardian, and nobody else could do it.
    NoGuardian,
    /// 409: the config of a service does not allow it.
    ConfigForbids,
    /// 409: others need what is to be stopped, and nobody said what becomes of them.
    Needed,
    /// 413: the body is larger than any request is.
    TooLarge,
    /// 503: too many ask for the same at once, or a request does not come to its end.
    Busy,
    /// 503: the supervisor is about to end.
    Ending,
}

impl Kind {
    /// Whether the request itself is not understood, as by a server of another version than the client's.
    pub fn is_of_form(self) -> bool {
        match self {
            Self::BadRequest | Self::NotFound | Self::BadMethod => true,
            Self::NoSuchService | Self::NoGuardian | Self::ConfigForbids | Self::Needed => false,
            Self::TooLarge | Self::Busy | Self::Ending => false,
        }
    }

    /// The HTTP status it comes under.
    pub fn status(self) -> u16 {
        match self {
            Self::BadRequest => 400,
            Self::NotFound | Self::NoSuchService => 404,
            Self::BadMethod => 405,
            Self::NoGuardian | Self::ConfigForbids | Self::Needed => 409,
            Self::TooLarge => 413,
            Self::Busy | Self::Ending => 503,
        }
    }
}
