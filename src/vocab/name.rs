use std::borrow::Borrow;
use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::unfit::Unfit;

/// The name of a service: 1 to 64 letters, digits, `_`, `-` or `.`, beginning with a letter or a digit.
///
/// A name appears in file names (`logs/NAME.out.log`), in tags of processes and in URLs, which is why it is this narrow.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, utoipa::ToSchema)]
#[schema(value_type = String, pattern = "^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$")]
#[serde(try_from = "String", into = "String")]
pub struct ServiceName(Arc<str>);

/// Why a text is not the name of a service.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a service name: {way_out}", way_out = Self::WAY_OUT)]
pub struct BadName(pub String);

impl Unfit for BadName {
    const WAY_OUT: &'static str =
        "use 1 to 64 letters, digits, `_`, `-` or `.`, beginning with a letter or digit";
}

impl ServiceName {
    /// The longest name, in bytes.
    pub const LEN_MAX: usize = 64;

    /// Takes `text` as a name, or says why it is none.
    pub fn parse(text: &str) -> Result<Self, BadName> {
        let first_fits = text.starts_with(|c: char| c.is_ascii_alphanumeric());
        let all_fit = text.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.'));
        if first_fits && all_fit && text.len() <= Self::LEN_MAX && text != "all" {
            Ok(Self(text.into()))
        } else {
            Err(BadName(text.to_owned()))
        }
    }

    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for ServiceName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

impl fmt::Debug for ServiceName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Borrow<str> for ServiceName {
    fn borrow(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for ServiceName {
    type Error = BadName;
    fn try_from(text: String) -> Result<Self, BadName> {
        Self::parse(&text)
    }
}

impl From<ServiceName> for String {
    fn from(name: ServiceName) -> Self {
        name.as_str().to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::ServiceName;

    #[test]
    fn a_name_is_what_a_file_name_and_a_url_can_carry() {
        for good in ["main_app", "a", "3000", "db-poller.v2"] {
            assert!(ServiceName::parse(good).is_ok(), "{good}");
        }
        for bad in ["", "a b", "../x", ".hidden", "-x", "a/b", "ü", "all", &"x".repeat(65)] {
            assert!(ServiceName::parse(bad).is_err(), "{bad}");
        }
    }
}
