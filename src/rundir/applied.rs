use std::collections::BTreeMap;
use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;

use super::paths::Paths;
use crate::vocab::name::ServiceName;

/// The config that a supervisor has taken over, for a successor that has to go on as before, whatever becomes of the file
/// meanwhile; and the counts of replicas that somebody asked for since.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Applied {
    /// The text of the config.
    pub text: String,
    /// How many replicas services have, where that is not what the text says.
    pub counts: BTreeMap<ServiceName, u32>,
}

/// What the last line begins with, a comment to TOML: both lie in one file, so that it is replaced as a whole.
const COUNTS: &str = "# procman scale";

impl Applied {
    /// Keeps it, as a whole.
    pub fn write(&self, paths: &Paths) -> io::Result<()> {
        let fresh = paths.applied.with_extension("new");
        let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&fresh)?;
        file.write_all(self.encode().as_bytes())?;
        fs::rename(&fresh, &paths.applied)
    }

    /// What the last supervisor had taken over; none if it left none.
    pub fn read(paths: &Paths) -> Option<Self> {
        fs::read_to_string(&paths.applied).ok().map(|text| Self::decode(&text))
    }

    fn encode(&self) -> String {
        let words: String = self.counts.iter().map(|(name, count)| format!(" {name}={count}")).collect();
        format!("{}\n{COUNTS}{words}\n", self.text)
    }

    fn decode(file: &str) -> Self {
        let whole = || Self { text: file.to_owned(), counts: BTreeMap::new() };
        let Some((text, last)) = file.strip_suffix('\n').and_then(|file| file.rsplit_once('\n')) else {
            return whole();
        };
        let Some(words) = last.strip_prefix(COUNTS) else { return whole() };
        let count = |word: &str| {
            let (name, count) = word.split_once('=')?;
            Some((ServiceName::parse(name).ok()?, count.parse().ok()?))
        };
        Self { text: text.to_owned(), counts: words.split_whitespace().filter_map(count).collect() }
    }
}

/// Forgets it: the next supervisor begins with the file.
pub fn forget(paths: &Paths) {
    // One that is not there is as good.
    let _ = fs::remove_file(&paths.applied);
}

#[cfg(test)]
mod tests {
    use super::Applied;
    use crate::vocab::name::ServiceName;

    #[test]
    fn text_and_counts_are_read_back_as_they_were() {
        let web = ServiceName::parse("web").unwrap();
        for text in ["", "a = 1", "a = 1\n", "a = 1\n\n", "# procman scale api=9\n", "# procman scale api=9"]
        {
            for counts in [[].into(), [(web.clone(), 6)].into()] {
                let applied = Applied { text: text.to_owned(), counts };
                assert_eq!(Applied::decode(&applied.encode()), applied);
            }
        }
    }

    #[test]
    fn a_copy_of_an_earlier_version_is_its_text_alone() {
        for text in ["", "\n", "a = 1", "a = 1\nb = 2\n"] {
            assert_eq!(Applied::decode(text), Applied { text: text.to_owned(), ..Applied::default() });
        }
    }
}
