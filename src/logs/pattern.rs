use std::fmt;
use std::ops::Range;

use grep_matcher::{LineMatchKind, Matcher};
use grep_regex::{RegexMatcher, RegexMatcherBuilder};
use memchr::memmem::Finder;
use regex_automata::util::syntax;
use regex_automata::{Input, meta};
use regex_syntax::hir::{Hir, HirKind};

use super::piece::{PieceBegin, PieceEnd};
use super::query::Line;

/// A regular expression that lines are searched for. Blocks of many lines are searched at once, which is what makes a
/// search as fast as grep(1): most lines are never looked at one by one.
#[derive(Debug, Clone)]
pub struct Pattern {
    matcher: RegexMatcher,
    sieve: Sieve,
    /// The same pattern for pieces of a line, where a text ends before or behind what is searched.
    within: meta::Regex,
}

/// How the lines of a block are found that may match.
#[derive(Debug, Clone)]
enum Sieve {
    /// Each match contains this, and looking for it is faster than looking for how a match begins.
    Contained(Box<Finder<'static>>),
    /// The matcher looks through many lines at once.
    Matcher,
    /// Each line may match, since the pattern asks where a text begins or ends (`\A`, `\z`): that is each line of its own, and
    /// for a matcher that looks through many lines it is the first one's beginning and the last one's end alone.
    EachLine,
}

/// A text that is no regular expression.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}\nhint: in front of a character that is meant as it is, write a backslash: \\[ \\( \\* \\+ \\?")]
pub struct BadPattern(String);

impl Pattern {
    /// Takes `text` as a pattern in the syntax of the regex crate, which cannot match a newline.
    ///
    /// # Errors
    /// It is none; the error says where.
    pub fn parse(text: &str) -> Result<Self, BadPattern> {
        let bad = |error: &dyn fmt::Display| BadPattern(error.to_string());
        let pattern = regex_syntax::parse(text).map_err(|error| bad(&error))?;
        let mut lines = RegexMatcherBuilder::new();
        let matcher = lines.multi_line(true).line_terminator(Some(b'\n')).build(text);
        let matcher = matcher.map_err(|error| bad(&error))?;
        let within = meta::Regex::builder()
            .configure(meta::Config::new().utf8_empty(false))
            .syntax(syntax::Config::new().multi_line(true).utf8(false))
            .build(text)
            .map_err(|error| bad(&error))?;
        let sieve = match (contained(&pattern), matcher.line_terminator()) {
            (Some(text), _) => Sieve::Contained(Box::new(Finder::new(&text).into_owned())),
            (None, Some(_)) => Sieve::Matcher,
            (None, None) => Sieve::EachLine,
        };
        Ok(Self { matcher, sieve, within })
    }

    /// Whether a line without its newline matches.
    fn is_match(&self, line: &[u8]) -> bool {
        self.matcher.is_match(line).unwrap_or(false)
    }

    /// Whether a piece of a line matches, which lies there in its line or in a part of that: the line begins and ends where the
    /// text does. What lies beside the piece tells whether a word ends at its edge.
    pub(super) fn is_match_within(&self, text: &[u8], piece: Range<usize>) -> bool {
        self.within.is_match(Input::new(text).span(piece))
    }

    /// Whether a line matches, or a piece of one by what itself has.
    pub(super) fn is_match_of(&self, line: &Line) -> bool {
        self.is_match_alone(&line.bytes, line.begin, line.end)
    }

    /// The same for its bytes.
    pub(super) fn is_match_alone(&self, bytes: &[u8], begin: PieceBegin, end: PieceEnd) -> bool {
        let (before, after): (&[u8], &[u8]) = match (begin, end) {
            (PieceBegin::Line, PieceEnd::Line | PieceEnd::Open) => return self.is_match(bytes),
            (PieceBegin::Line, PieceEnd::GoesOn) => (b"", UNKNOWN),
            (PieceBegin::Midst, PieceEnd::Line | PieceEnd::Open) => (UNKNOWN, b""),
            (PieceBegin::Midst, PieceEnd::GoesOn) => (UNKNOWN, UNKNOWN),
        };
        self.is_match_within(&[before, bytes, after].concat(), before.len()..before.len() + bytes.len())
    }

    /// The first line of `block` that matches, without its newline. The block begins at the beginning of a line, and
    /// each of its lines ends with a newline.
    pub(super) fn find_line(&self, block: &[u8]) -> Option<Range<usize>> {
        let mut from = 0;
        while from < block.len() {
            let at = match &self.sieve {
                Sieve::Contained(text) => text.find(&block[from..])?,
                Sieve::Matcher => match self.matcher.find_candidate_line(&block[from..]).ok()?? {
                    LineMatchKind::Confirmed(at) | LineMatchKind::Candidate(at) => at,
                },
                Sieve::EachLine => 0,
            };
            // An empty match may lie behind the last newline, where no line is.
            let at = (from + at).min(block.len() - 1);
            let start = memchr::memrchr(b'\n', &block[from..at]).map_or(from, |newline| from + newline + 1);
            let end = memchr::memchr(b'\n', &block[start..]).map_or(block.len(), |newline| start + newline);
            if self.is_match(&block[start..end]) {
                return Some(start..end);
            }
            from = end + 1;
        }
        None
    }
}

/// The longest text that stands behind the beginning of a pattern and in each match of it, if it is longer than a text
/// that each match begins with: for that one, the matcher looks itself.
fn contained(pattern: &Hir) -> Option<Box<[u8]>> {
    let HirKind::Concat(parts) = pattern.kind() else { return None };
    let text = |part: &Hir| match part.kind() {
        HirKind::Literal(literal) => Some(literal.0.clone()),
        _ => None,
    };
    let (first, others) = parts.split_first()?;
    let length_of_first = text(first).map_or(0, |text| text.len());
    others.iter().filter_map(text).max_by_key(|text| text.len()).filter(|text| text.len() > length_of_first)
}

/// Stands for what a line has beside a piece: no character, and no end of the line.
const UNKNOWN: &[u8] = b"\xff";

#[cfg(test)]
mod tests {
    use super::Pattern;
    use proptest::prelude::*;

    fn lines_found<'a>(pattern: &Pattern, mut block: &'a [u8]) -> Vec<&'a [u8]> {
        let mut found = Vec::new();
        while let Some(line) = pattern.find_line(block) {
            found.push(&block[line.clone()]);
            block = block.get(line.end + 1..).unwrap_or_default();
        }
        found
    }

    #[test]
    fn what_is_no_pattern_is_refused_with_its_place_in_the_text_as_it_was_typed() {
        for bad in ["[", "a(b", "*", "a\nb"] {
            let error = Pattern::parse(bad).unwrap_err().to_string();
            assert!(error.contains("hint: in front of a character") && !error.contains("(?:"), "{error}");
        }
    }

    proptest! {
        #[test]
        fn a_block_has_the_lines_that_match_one_by_one(
            lines in proptest::collection::vec("[ab \r]{0,4}", 0..12),
            pattern in prop_oneof![
                Just("a"), Just("^a"), Just("a$"), Just("^$"), Just(""), Just("a\\s+b"), Just("[^a]b"), Just("a.*bb"), Just("[ab]+ab$"), Just("(a|b) b"), Just("b\\b"),
                Just("(?s)a.*b"), Just("(?i)A b"), Just("(?m)^b"), Just("a|b$"), Just("a\\z"), Just("\\Aa"), Just("\\A[ab]"), Just("(?-m)a$"), Just("\\Ab|aa"),
                Just("[ab]bb\\z"), Just("a\\b{start-half}|\\Ab"), Just("\\Bb"), Just("[ab] *ab*\\z"),
            ],
        ) {
            let pattern = Pattern::parse(pattern).unwrap();
            let block: Vec<u8> = lines.iter().flat_map(|line| format!("{line}\n").into_bytes()).collect();
            let expected: Vec<&[u8]> =
                lines.iter().map(String::as_bytes).filter(|line| pattern.is_match(line)).collect();
            prop_assert_eq!(lines_found(&pattern, &block), expected);
        }
    }
}
