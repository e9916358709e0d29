use std::ops::Range;
use std::path::Path;
use std::time::Duration;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::problem::Problem;
use super::scope::Scope;
use super::table::{Notes, Section};
use crate::vocab::measure::{parse_duration, parse_size};
use crate::vocab::unfit::Unfit;

/// One value, where it stands, and what its variables mean.
#[derive(Clone, Copy)]
pub(super) struct Value<'a> {
    node: &'a Spanned<DeValue<'a>>,
    notes: &'a Notes,
    scope: &'a Scope,
}

/// What a value should be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Expected {
    Text,
    Duration,
    Size,
    Integer,
    Number,
    Share,
    Flag,
    FlagOrPort,
    Status,
    Table,
}

impl Expected {
    fn words(self) -> &'static str {
        match self {
            Self::Text => "a string",
            Self::Duration => "a duration",
            Self::Size => "a size",
            Self::Integer => "an integer",
            Self::Number => "a number",
            Self::Share => "a share",
            Self::Flag => "true or false",
            Self::FlagOrPort => "true or a port",
            Self::Status => "a status of HTTP",
            Self::Table => "a table",
        }
    }

    fn way_out(self) -> &'static str {
        match self {
            Self::Text => "write it in quotes",
            Self::Duration => "write it with its unit and in quotes, such as \"10s\"",
            Self::Size => "write it with its unit and in quotes, such as \"50MB\"",
            Self::Integer => "write a whole number, such as 3",
            Self::Number => "write a number, such as 2 or 1.5",
            Self::Share => "write \"10%\" or 0.1",
            Self::Flag => "write true or false",
            Self::FlagOrPort => "write `tcp = true` for the service's first port, or the port",
            Self::Status => "write 200, [200, 204] or \"200-299\"",
            Self::Table => "write `{ key = value }`, or a section of its own",
        }
    }
}

impl<'a> Value<'a> {
    pub(super) fn new(node: &'a Spanned<DeValue<'a>>, notes: &'a Notes, scope: &'a Scope) -> Self {
        Self { node, notes, scope }
    }

    pub(super) fn span(&self) -> Range<usize> {
        self.node.span()
    }

    pub(super) fn scope(&self) -> &'a Scope {
        self.scope
    }

    pub(super) fn add(&self, what: impl Into<String>, hint: impl Into<String>) {
        self.notes.add(Problem::at(self.span(), what).hint(hint));
    }

    /// Notes that it named a file that was read, or was to be.
    pub(super) fn add_file(&self, path: &Path) {
        self.notes.add_file(path);
    }

    /// What came of it, or a note of why nothing did.
    pub(super) fn note<T, E: Unfit>(&self, result: Result<T, E>) -> Option<T> {
        result.map_err(|error| self.add(error.what(), E::WAY_OUT)).ok()
    }

    fn wrong_type<T>(&self, expected: Expected) -> Option<T> {
        let found = match self.node.as_ref() {
            DeValue::String(_) => "a string",
            DeValue::Integer(_) => "an integer",
            DeValue::Float(_) => "a float",
            DeValue::Boolean(_) => "a boolean",
            DeValue::Datetime(_) => "a date",
            DeValue::Array(_) => "an array",
            DeValue::Table(_) => "a table",
        };
        self.add(format!("expected {}, found {found}", expected.words()), expected.way_out());
        None
    }

    /// Notes that what this says is not what it should be.
    pub(super) fn wrong_text<T>(&self, expected: Expected, text: &str) -> Option<T> {
        let source = self.node.as_ref().as_str().filter(|source| *source != text);
        let from = source.map(|source| format!(", which `{source}` comes to")).unwrap_or_default();
        self.add(format!("expected {}, found `{text}`{from}", expected.words()), expected.way_out());
        None
    }

    /// The text of a string, with its variables replaced.
    pub(super) fn text(&self) -> Option<String> {
        self.text_of(Expected::Text)
    }

    fn text_of(&self, expected: Expected) -> Option<String> {
        let text = self.node.as_ref().as_str().or_else(|| self.wrong_type(expected))?;
        self.expand(text)
    }

    /// A text with its variables replaced as in this value, which is where problems are noted.
    pub(super) fn expand(&self, text: &str) -> Option<String> {
        match self.scope.expand(text) {
            Ok(text) if text.contains('\0') => {
                self.add("this holds a NUL byte, which no program can be given", "remove it");
                None
            }
            Ok(text) => Some(text),
            Err(Some(error)) => {
                self.add(format!("cannot expand this: {error}"), error.way_out());
                None
            }
            Err(None) => None,
        }
    }

    /// The words of a value that is written bare or, for the sake of variables, as a string.
    pub(super) fn scalar(&self, expected: Expected) -> Option<String> {
        match self.node.as_ref() {
            DeValue::Integer(integer) => {
                let number = i64::from_str_radix(integer.as_str(), integer.radix()).ok();
                Some(number.map_or_else(|| integer.to_string(), |number| number.to_string()))
            }
            DeValue::Float(float) => Some(float.as_str().to_owned()),
            DeValue::Boolean(flag) => Some(flag.to_string()),
            DeValue::String(_) => self.text_of(expected).map(|text| text.trim().to_owned()),
            DeValue::Datetime(_) | DeValue::Array(_) | DeValue::Table(_) => self.wrong_type(expected),
        }
    }

    /// What the words of a scalar say; a note if they say nothing of that kind.
    fn parse<T>(&self, expected: Expected, read: impl Fn(&str) -> Option<T>) -> Option<T> {
        let words = self.scalar(expected)?;
        match (read(&words), self.node.as_ref()) {
            (Some(value), _) => Some(value),
            (None, DeValue::String(_)) => self.wrong_text(expected, &words),
            (None, _) => self.wrong_type(expected),
        }
    }

    pub(super) fn integer(&self, range: Range<i64>) -> Option<i64> {
        // Wider than any integer of TOML, so that one that is too large is called out of range.
        let number = self.parse(Expected::Integer, |words| words.parse::<i128>().ok())?;
        let fits = i64::try_from(number).ok().filter(|number| range.contains(number));
        if fits.is_none() {
            let last = range.end.saturating_sub(1);
            self.add(format!("{number} is out of range"), format!("it goes from {} to {last}", range.start));
        }
        fits
    }

    pub(super) fn float(&self) -> Option<f64> {
        let read = |words: &str| words.parse().ok().filter(|number: &f64| number.is_finite());
        self.parse(Expected::Number, read)
    }

    /// A part of a whole, or several: `"10%"` or `0.1`. Not less than nothing.
    pub(super) fn parts(&self) -> Option<f64> {
        let read = |words: &str| {
            let (number, whole) =
                words.strip_suffix('%').map_or((words, 1.0), |percent| (percent.trim(), 100.0));
            number.parse().ok().map(|number: f64| number / whole).filter(|it| it.is_finite() && *it >= 0.0)
        };
        self.parse(Expected::Share, read)
    }

    /// A part of a whole, the whole at most.
    pub(super) fn share(&self) -> Option<f64> {
        let share = self.parts()?;
        if share > 1.0 {
            self.add(format!("{}% is more than the whole", share * 100.0), "use 100% at most");
            return None;
        }
        Some(share)
    }

    pub(super) fn flag(&self) -> Option<bool> {
        self.parse(Expected::Flag, |words| words.parse().ok())
    }

    pub(super) fn duration(&self) -> Option<Duration> {
        self.note(parse_duration(&self.text_of(Expected::Duration)?))
    }

    pub(super) fn size(&self) -> Option<u64> {
        self.note(parse_size(&self.text_of(Expected::Size)?))
    }

    pub(super) fn is_integer(&self) -> bool {
        self.node.as_ref().is_integer()
    }

    /// The members of an array, or the one value that stands for an array of one.
    pub(super) fn members(&self) -> Vec<Value<'a>> {
        match self.node.as_ref() {
            DeValue::Array(array) => array.iter().map(|node| Value { node, ..*self }).collect(),
            _ => vec![*self],
        }
    }

    pub(super) fn is_array(&self) -> bool {
        self.node.as_ref().is_array()
    }

    pub(super) fn table(&self) -> Option<&'a DeTable<'a>> {
        self.node.as_ref().as_table()
    }

    /// The table, or a note that it is none.
    pub(super) fn expect_table(&self) -> Option<&'a DeTable<'a>> {
        self.table().or_else(|| self.wrong_type(Expected::Table))
    }

    /// The table as a section whose variables mean the same, or a note that it is none.
    pub(super) fn section(&self) -> Option<Section<'a>> {
        Some(Section::new(Some(self.expect_table()?), self.notes, self.scope))
    }

    /// Keys and values of a table in the file's order of names.
    pub(super) fn entries(&self) -> Vec<(&'a str, Range<usize>, Value<'a>)> {
        let table = self.table().into_iter().flat_map(|table| table.iter());
        table.map(|(key, node)| (key.as_ref().as_ref(), key.span(), Value { node, ..*self })).collect()
    }
}
