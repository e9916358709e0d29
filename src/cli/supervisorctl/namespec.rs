/// Whom a word names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Namespec<'a> {
    /// The group.
    pub(super) group: &'a str,
    /// The process in it; none for all of them.
    pub(super) process: Option<&'a str>,
}

impl<'a> Namespec<'a> {
    /// `group:process`; `group:*` and `group:` are all processes of a group, and `name` is both group and process.
    pub(super) fn parse(word: &'a str) -> Self {
        match word.split_once(':') {
            None => Self { group: word, process: Some(word) },
            Some((group, "" | "*")) => Self { group, process: None },
            Some((group, process)) => Self { group, process: Some(process) },
        }
    }
}

/// How a process is shown.
pub(super) fn shown(group: &str, process: &str) -> String {
    if group == process { process.to_owned() } else { format!("{group}:{process}") }
}

#[cfg(test)]
mod tests {
    use super::{Namespec, shown};

    #[test]
    fn a_word_names_a_process_or_a_whole_group() {
        for (word, group, process) in [
            ("a", "a", Some("a")),
            ("g:p", "g", Some("p")),
            ("g:p:q", "g", Some("p:q")),
            ("g:*", "g", None),
            ("g:", "g", None),
        ] {
            assert_eq!(Namespec::parse(word), Namespec { group, process }, "{word}");
        }
        assert_eq!([shown("a", "a"), shown("g", "p")], ["a", "g:p"]);
    }
}
