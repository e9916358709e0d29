use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io;

use serde::{Deserialize, Serialize};

use super::paths::Paths;
use super::replace::replace;
use crate::vocab::name::ServiceName;

/// The config that a supervisor has taken over, for a successor that has to go on as before, whatever becomes of the file
/// meanwhile; and the counts of replicas, and the groups, that somebody asked for since.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Applied {
    /// The text of the config.
    pub text: String,
    /// How many replicas services have, where that is not what the text says.
    pub counts: BTreeMap<ServiceName, u32>,
    /// Groups of the text that were taken out of the fleet.
    pub without: BTreeSet<String>,
    /// Groups of other texts that were taken into it.
    pub beside: Vec<Layer>,
}

/// Some groups of a config.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Layer {
    /// The text of the config.
    pub text: String,
    /// Which of its groups.
    pub groups: BTreeSet<String>,
}

/// The last line where groups were taken in or out.
#[derive(Serialize, Deserialize)]
struct Patch {
    without: BTreeSet<String>,
    beside: Vec<Layer>,
}

/// What the line of groups begins with, a comment as well.
const GROUPS: &str = "# procman groups ";

/// What the last line begins with, a comment to TOML: both lie in one file, so that it is replaced as a whole.
const COUNTS: &str = "# procman scale";

impl Applied {
    /// Keeps it, as a whole.
    pub fn write(&self, paths: &Paths) -> io::Result<()> {
        replace(&paths.applied, self.encode().as_bytes())
    }

    /// What the last supervisor had taken over; none if it left none.
    pub fn read(paths: &Paths) -> Option<Self> {
        fs::read_to_string(&paths.applied).ok().map(|text| Self::decode(&text))
    }

    /// Whether the fleet is what the text says: no group of it was taken out, and none of another text in.
    pub fn is_whole(&self) -> bool {
        self.without.is_empty() && self.beside.is_empty()
    }

    /// A group of this text is in the fleet from here on.
    pub fn add_group(&mut self, group: &str, text: &str) {
        if text == self.text {
            self.without.remove(group);
        } else if let Some(layer) = self.beside.iter_mut().find(|layer| layer.text == text) {
            layer.groups.insert(group.to_owned());
        } else {
            self.beside.push(Layer { text: text.to_owned(), groups: [group.to_owned()].into() });
        }
    }

    /// A group is in the fleet no more, whichever text it is of.
    pub fn remove_group(&mut self, group: &str) {
        let mut was_beside = false;
        self.beside.iter_mut().for_each(|layer| was_beside |= layer.groups.remove(group));
        self.beside.retain(|layer| !layer.groups.is_empty());
        if !was_beside {
            self.without.insert(group.to_owned());
        }
    }

    fn encode(&self) -> String {
        let words: String = self.counts.iter().map(|(name, count)| format!(" {name}={count}")).collect();
        let whole = format!("{}\n{COUNTS}{words}\n", self.text);
        if self.is_whole() {
            return whole;
        }
        let patch = Patch { without: self.without.clone(), beside: self.beside.clone() };
        // Texts and sets of them are always JSON.
        format!("{whole}{GROUPS}{}\n", serde_json::to_string(&patch).unwrap_or_default())
    }

    fn decode(file: &str) -> Self {
        let last = file.strip_suffix('\n').and_then(|file| file.rsplit_once('\n'));
        let patch = last.and_then(|(whole, last)| Some((whole, last.strip_prefix(GROUPS)?)));
        let patch = patch.and_then(|(whole, json)| Some((whole, serde_json::from_str::<Patch>(json).ok()?)));
        match patch {
            Some((whole, Patch { without, beside })) => {
                Self { without, beside, ..Self::decode_whole(&format!("{whole}\n")) }
            }
            None => Self::decode_whole(file),
        }
    }

    fn decode_whole(file: &str) -> Self {
        let whole = || Self { text: file.to_owned(), ..Self::default() };
        let Some((text, last)) = file.strip_suffix('\n').and_then(|file| file.rsplit_once('\n')) else {
            return whole();
        };
        let Some(words) = last.strip_prefix(COUNTS) else { return whole() };
        let count = |word: &str| {
            let (name, count) = word.split_once('=')?;
            Some((ServiceName::parse(name).ok()?, count.parse().ok()?))
        };
        let counts = words.split_whitespace().filter_map(count).collect();
        Self { text: text.to_owned(), counts, ..Self::default() }
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
                let mut applied = Applied { text: text.to_owned(), counts, ..Applied::default() };
                assert_eq!(Applied::decode(&applied.encode()), applied);
                applied.remove_group("a");
                applied.add_group("b", "[program:b]\ncommand=\u{1e} \"$\n");
                assert_eq!(Applied::decode(&applied.encode()), applied);
            }
        }
    }

    #[test]
    fn groups_are_of_the_text_that_they_were_taken_from() {
        let mut applied = Applied { text: "one".to_owned(), ..Applied::default() };
        applied.remove_group("a");
        applied.add_group("a", "two");
        applied.add_group("b", "two");
        assert!(applied.without.contains("a") && applied.beside.len() == 1);
        applied.remove_group("b");
        applied.remove_group("a");
        assert!(applied.beside.is_empty() && applied.without.contains("a"));
        applied.add_group("a", "one");
        assert_eq!(applied, Applied { text: "one".to_owned(), ..Applied::default() });
    }

    #[test]
    fn a_copy_of_an_earlier_version_is_its_text_alone() {
        for text in ["", "\n", "a = 1", "a = 1\nb = 2\n"] {
            assert_eq!(Applied::decode(text), Applied { text: text.to_owned(), ..Applied::default() });
        }
    }
}
