use std::collections::{BTreeMap, BTreeSet};

use super::environment::Environment;
use super::expand::{BadReference, expand};

/// What an env file says.
#[derive(Debug, Default)]
pub(super) struct EnvFile {
    pub(super) variables: BTreeMap<String, String>,
    pub(super) problems: Vec<BadLine>,
}

/// A line that says nothing.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct BadLine {
    /// From 1.
    pub(super) line: usize,
    pub(super) what: String,
    /// How to mend it.
    pub(super) hint: &'static str,
}

/// Reads an env file as docker compose does: `NAME=value` or `export NAME=value` a line, `#` comments, also behind a value
/// and a blank. A value in single quotes is taken as it is; in double quotes `\n` `\r` `\t` `\"` `\\` and `\$` are escapes;
/// quoted values may go over several lines. `${NAME}` outside of single quotes means what it means in the config file,
/// with the lines before in front of `environment`.
pub(super) fn read(bytes: &[u8], environment: Environment) -> EnvFile {
    let mut reader = Reader { line: 1, environment, failed: BTreeSet::new(), file: EnvFile::default() };
    match std::str::from_utf8(bytes) {
        Ok(text) => reader.read(text.strip_prefix('\u{feff}').unwrap_or(text)),
        Err(error) => {
            let before = &bytes[..error.valid_up_to()];
            reader.line += before.iter().filter(|byte| **byte == b'\n').count();
            reader.refuse("this is not UTF-8", "save the file as UTF-8");
        }
    }
    reader.file
}

struct Reader {
    line: usize,
    environment: Environment,
    /// Names whose values could not be read: that they are not set is no problem of its own.
    failed: BTreeSet<String>,
    file: EnvFile,
}

/// A value as it stands in the file.
enum Raw<'t> {
    /// As it is.
    Literal(&'t str),
    /// To be expanded.
    Open(String),
}

/// Why what begins with a quote is no value.
enum BadQuote {
    Unclosed,
    TextBehind,
}

impl Reader {
    fn read(&mut self, text: &str) {
        let mut rest = text;
        while !rest.is_empty() {
            let read = self.entry(rest).unwrap_or_else(|| end_of_line(rest));
            self.line += rest[..read].matches('\n').count();
            rest = &rest[read..];
        }
    }

    /// Reads what begins a text, and says how long it is if that is not just its first line.
    fn entry(&mut self, text: &str) -> Option<usize> {
        let line = text[..end_of_line(text)].trim_end();
        let body = line.trim_start();
        if body.is_empty() || body.starts_with('#') {
            return None;
        }
        let Some(equals) = line.find('=') else {
            self.refuse("this line has no `=`", "a line is `NAME=value`, or a comment behind `#`");
            return None;
        };
        let name = line[..equals].trim();
        let name =
            name.strip_prefix("export").filter(|it| it.starts_with([' ', '\t'])).unwrap_or(name).trim();
        if !is_name(name) {
            // What is no name may be a part of a secret.
            self.refuse(
                "what stands before `=` is not the name of a variable",
                "use letters, digits and `_`",
            );
            return None;
        }
        let value = &text[equals + 1..];
        let quoted = value.trim_start_matches([' ', '\t']);
        let Some(quote) = quoted.chars().next().filter(|first| matches!(first, '\'' | '"')) else {
            self.set(name, Raw::Open(bare(&line[equals + 1..]).to_owned()));
            return None;
        };
        match in_quotes(&quoted[1..], quote) {
            Ok((raw, length)) => {
                self.set(name, raw);
                let behind = &quoted[1 + length..];
                Some(text.len() - behind.len() + end_of_line(behind))
            }
            Err(bad) => {
                self.failed.insert(name.to_owned());
                self.refuse_quote(name, bad);
                None
            }
        }
    }

    fn set(&mut self, name: &str, raw: Raw<'_>) {
        let value = match raw {
            Raw::Literal(text) => Ok(text.to_owned()),
            Raw::Open(text) => expand(&text, &self.environment),
        };
        match value {
            Ok(value) if value.contains('\0') => {
                self.refuse(format!("`{name}` holds a NUL byte"), "remove it");
            }
            Ok(value) => {
                self.environment.insert(name.to_owned(), value.clone());
                self.file.variables.insert(name.to_owned(), value);
                self.failed.remove(name);
                return;
            }
            Err(BadReference::Unset(unset)) if self.failed.contains(&unset) => (),
            Err(bad) => {
                self.refuse(format!("cannot expand `{name}`: {bad}"), bad.way_out());
            }
        }
        self.failed.insert(name.to_owned());
    }

    fn refuse_quote(&mut self, name: &str, bad: BadQuote) {
        let hint = "quote the whole value; in double quotes, `\\\"` is a quote";
        match bad {
            BadQuote::Unclosed => {
                self.refuse(format!("the value of `{name}` has a quote without its partner"), hint)
            }
            BadQuote::TextBehind => {
                self.refuse(format!("the value of `{name}` goes on behind its quotes"), hint)
            }
        }
    }

    fn refuse(&mut self, what: impl Into<String>, hint: &'static str) {
        self.file.problems.push(BadLine { line: self.line, what: what.into(), hint });
    }
}

/// How long the first line of a text is, its newline included.
fn end_of_line(text: &str) -> usize {
    text.find('\n').map_or(text.len(), |newline| newline + 1)
}

fn is_name(name: &str) -> bool {
    let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '-');
    !name.is_empty() && name.chars().all(fits)
}

/// A value without quotes and without the comment behind it.
fn bare(text: &str) -> &str {
    let comment = text.match_indices('#').map(|(at, _)| at).find(|at| text[..*at].ends_with([' ', '\t']));
    text[..comment.unwrap_or(text.len())].trim()
}

/// What stands before the closing quote, and how long that is with the quote.
fn in_quotes(text: &str, quote: char) -> Result<(Raw<'_>, usize), BadQuote> {
    let (raw, length) = match quote {
        '\'' => text.split_once('\'').map(|(value, _)| (Raw::Literal(value), value.len() + 1)),
        _ => double_quoted(text).map(|(value, length)| (Raw::Open(value), length)),
    }
    .ok_or(BadQuote::Unclosed)?;
    let behind = text[length..end_of_line(&text[length..]) + length].trim();
    if behind.is_empty() || behind.starts_with('#') { Ok((raw, length)) } else { Err(BadQuote::TextBehind) }
}

fn double_quoted(text: &str) -> Option<(String, usize)> {
    let mut value = String::new();
    let mut chars = text.char_indices();
    while let Some((at, c)) = chars.next() {
        match c {
            '"' => return Some((value, at + 1)),
            '\\' => match chars.next()?.1 {
                'n' => value.push('\n'),
                'r' => value.push('\r'),
                't' => value.push('\t'),
                // Two are one when it is expanded.
                '$' => value.push_str("$$"),
                plain @ ('"' | '\\') => value.push(plain),
                other => value.extend(['\\', other]),
            },
            other => value.push(other),
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::{BadLine, EnvFile, read};
    use std::collections::BTreeMap;

    fn file(text: &str) -> EnvFile {
        let outer = [("HOME", "/home/u"), ("HOST", "outer")];
        read(
            text.as_bytes(),
            outer.map(|(name, value)| (name.to_owned(), value.to_owned())).into_iter().collect(),
        )
    }

    /// A file with these lines must give exactly these variables.
    fn check(text: &str, expected: &[(&str, &str)]) {
        let read = file(text);
        assert_eq!(read.problems, [], "{text}");
        let expected: BTreeMap<String, String> =
            expected.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        assert_eq!(read.variables, expected, "{text}");
    }

    /// A file must give exactly these problems, each with its line and a piece of what it says.
    fn check_problems(text: &str, expected: &[(usize, &str)]) {
        let read = file(text);
        let pieces = |bad: &BadLine| format!("{}: {} | {}", bad.line, bad.what, bad.hint);
        let found: Vec<String> = read.problems.iter().map(pieces).collect();
        assert_eq!(found.len(), expected.len(), "{text}\n{found:?}");
        for ((line, piece), found) in expected.iter().zip(&found) {
            assert!(found.starts_with(&format!("{line}: ")) && found.contains(piece), "{text}\n{found}");
        }
    }

    #[test]
    fn lines_are_names_and_values_and_the_rest_is_air() {
        check(
            "A=1\n\n# comment\n  B = two words  \nexport C=3\n\texport\tD=4\nE=",
            &[("A", "1"), ("B", "two words"), ("C", "3"), ("D", "4"), ("E", "")],
        );
        check("\u{feff}A=1\r\nB='2'\r\n", &[("A", "1"), ("B", "2")]);
        check("A=1\nA=2\nexport=3\nexported=4", &[("A", "2"), ("export", "3"), ("exported", "4")]);
        check("URL=http://h/?a=b#c", &[("URL", "http://h/?a=b#c")]);
    }

    #[test]
    fn a_comment_behind_a_value_needs_a_blank() {
        check(
            "A=1 # one\nB=1#2\nC=#x\nD= # nothing\nE='a # b' # c\nF=\"a # b\"# c",
            &[("A", "1"), ("B", "1#2"), ("C", "#x"), ("D", ""), ("E", "a # b"), ("F", "a # b")],
        );
    }

    #[test]
    fn quotes_keep_blanks_and_single_ones_keep_everything() {
        check(r#"A="  x  ""#, &[("A", "  x  ")]);
        check(r"A='${NO} \n $$'", &[("A", r"${NO} \n $$")]);
        check(r#"A="a\nb\t\"c\" \\n \d \$${HOME}""#, &[("A", "a\nb\t\"c\" \\n \\d $/home/u")]);
        check("A=it's \"so\"", &[("A", "it's \"so\"")]);
        check(
            "A=\"-----\nkey\n-----\" # pem\nB='x\ny'\nC=3",
            &[("A", "-----\nkey\n-----"), ("B", "x\ny"), ("C", "3")],
        );
    }

    #[test]
    fn variables_expand_and_no_dollar_vanishes() {
        check("URL=http://${HOST_NAME:-localhost}/", &[("URL", "http://localhost/")]);
        check("PASSWORD=pa$word$\nB=\"a$b\"\nC=$$5", &[("PASSWORD", "pa$word$"), ("B", "a$b"), ("C", "$5")]);
        check("HOST=inner\nURL=${HOST}:1", &[("HOST", "inner"), ("URL", "inner:1")]);
        check("URL=${HOST}:1\nHOME=${HOME}/x", &[("URL", "outer:1"), ("HOME", "/home/u/x")]);
    }

    #[test]
    fn what_cannot_be_read_is_named_with_its_line_and_without_its_value() {
        check_problems(
            "A=1\nsecret words\n=x\nA B=1\n",
            &[(2, "no `=`"), (3, "not the name of a variable"), (4, "not the name of a variable")],
        );
        check_problems(
            "A='1\n2'\nB=${NO}\nC=${B}\nD=${",
            &[
                (3, "cannot expand `B`: the variable `NO` is not set | set it, or write a default"),
                (5, "cannot expand `D`"),
            ],
        );
        check_problems("A=\"x\nB=1\n", &[(1, "`A` has a quote without its partner")]);
        check_problems("\nA='it's'\nB=1", &[(2, "`A` goes on behind its quotes")]);
        assert_eq!(file("A=\"x\nB=1\n").variables.len(), 1, "the lines behind a bad one are read");
        let bad = read(b"A=1\nB=\xff\n", [].into_iter().collect());
        assert_eq!(bad.problems[0].line, 2);
    }

    proptest::proptest! {
        #[test]
        fn any_text_is_read_to_its_end(text in "[ A-B='\"#$\\\\{}\n]{0,60}") {
            let read = file(&text);
            proptest::prop_assert!(read.problems.iter().all(|bad| bad.line <= text.matches('\n').count() + 1));
        }
    }
}
