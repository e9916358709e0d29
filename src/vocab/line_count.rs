use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// How many of the last lines are meant. In JSON, as in the words of a query, it is a text: `"20"`, `"all"`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum LineCount {
    /// Every line.
    All,
    /// So many.
    Last(usize),
}

/// A text that is no number of lines.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no number of lines: write \"20\" or \"all\"")]
pub struct BadLineCount(String);

impl FromStr for LineCount {
    type Err = BadLineCount;

    fn from_str(text: &str) -> Result<Self, BadLineCount> {
        match text {
            "all" => Ok(Self::All),
            _ => text.parse().map(Self::Last).map_err(|_| BadLineCount(text.to_owned())),
        }
    }
}

impl TryFrom<String> for LineCount {
    type Error = BadLineCount;

    fn try_from(text: String) -> Result<Self, BadLineCount> {
        text.parse()
    }
}

impl From<LineCount> for String {
    fn from(count: LineCount) -> Self {
        match count {
            LineCount::All => "all".to_owned(),
            LineCount::Last(count) => count.to_string(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::LineCount;

    #[test]
    fn a_number_of_lines_is_a_number_or_all() {
        assert_eq!("all".parse(), Ok(LineCount::All));
        assert_eq!("20".parse(), Ok(LineCount::Last(20)));
        for bad in ["", "-1", "1.5", "ALL", "20 "] {
            assert!(bad.parse::<LineCount>().unwrap_err().to_string().contains("write \"20\" or \"all\""));
        }
    }
}
