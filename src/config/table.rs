use std::cell::RefCell;
use std::ops::Range;
use std::time::Duration;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::environment::Environment;
use super::expand::expand;
use super::problem::Problem;
use crate::vocab::measure::{parse_duration, parse_size};

/// Where problems are noted while reading goes on.
#[derive(Debug, Default)]
pub(super) struct Notes {
    list: RefCell<Vec<Problem>>,
}

impl Notes {
    pub(super) fn add(&self, problem: Problem) {
        self.list.borrow_mut().push(problem);
    }

    pub(super) fn into_list(self) -> Vec<Problem> {
        self.list.into_inner()
    }
}

/// A table, with others behind it that hold what it does not say. It remembers which keys were asked for: all others
/// are unknown.
pub(super) struct Section<'a> {
    layers: Vec<&'a DeTable<'a>>,
    notes: &'a Notes,
    environment: Environment,
    asked: RefCell<Vec<&'static str>>,
}

/// One value and where it stands.
#[derive(Clone, Copy)]
pub(super) struct Value<'a> {
    node: &'a Spanned<DeValue<'a>>,
    notes: &'a Notes,
}

impl<'a> Section<'a> {
    pub(super) fn new(layers: Vec<&'a DeTable<'a>>, notes: &'a Notes, environment: &Environment) -> Self {
        Self { layers, notes, environment: environment.clone(), asked: RefCell::default() }
    }

    /// The same table with another environment.
    pub(super) fn set_environment(&mut self, environment: Environment) {
        self.environment = environment;
    }

    /// The value of a key, from the first layer that has it.
    pub(super) fn value(&self, key: &'static str) -> Option<Value<'a>> {
        self.values(key).into_iter().next()
    }

    /// The values of a key in all layers, the nearest first.
    pub(super) fn values(&self, key: &'static str) -> Vec<Value<'a>> {
        self.asked.borrow_mut().push(key);
        let nodes = self.layers.iter().filter_map(|layer| layer.get(key));
        nodes.map(|node| Value { node, notes: self.notes }).collect()
    }

    pub(super) fn text(&self, key: &'static str) -> Option<(String, Value<'a>)> {
        let value = self.value(key)?;
        Some((value.text(&self.environment)?, value))
    }

    pub(super) fn duration(&self, key: &'static str) -> Option<Duration> {
        let (text, value) = self.text(key)?;
        value.note(parse_duration(&text))
    }

    pub(super) fn size(&self, key: &'static str) -> Option<u64> {
        let (text, value) = self.text(key)?;
        value.note(parse_size(&text))
    }

    pub(super) fn flag(&self, key: &'static str) -> Option<bool> {
        let value = self.value(key)?;
        value.node.as_ref().as_bool().or_else(|| value.wrong_type("true or false"))
    }

    pub(super) fn integer(&self, key: &'static str, range: Range<i64>) -> Option<i64> {
        self.value(key)?.integer(range)
    }

    /// Notes every key that nobody asked for, with the nearest one that is known.
    pub(super) fn refuse_others(&self, whose: &str) {
        let asked = self.asked.borrow();
        for (key, _) in self.layers.iter().flat_map(|layer| layer.iter()) {
            if !asked.contains(&key.as_ref().as_ref()) {
                let problem = Problem::at(key.span(), format!("unknown key `{}` in {whose}", key.as_ref()));
                self.notes.add(problem.hint(known_instead(key.as_ref(), &asked)));
            }
        }
    }
}

/// "did you mean …?" when something is near, else all that is known.
pub(super) fn known_instead<'k>(word: &str, known: &[&'k str]) -> String {
    let nearest = known.iter().map(|key| (strsim::damerau_levenshtein(word, key), *key)).min();
    match nearest {
        Some((distance, key)) if distance <= 1 + word.len() / 4 => format!("did you mean `{key}`?"),
        Some(_) | None => {
            let mut known: Vec<&'k str> = known.to_vec();
            known.sort_unstable();
            known.dedup();
            format!("known here: {}", known.join(", "))
        }
    }
}

impl<'a> Value<'a> {
    pub(super) fn span(&self) -> Range<usize> {
        self.node.span()
    }

    pub(super) fn add(&self, what: impl Into<String>, hint: impl Into<String>) {
        self.notes.add(Problem::at(self.span(), what).hint(hint));
    }

    /// What came of it, or a note of why nothing did.
    pub(super) fn note<T, E: std::fmt::Display>(&self, result: Result<T, E>) -> Option<T> {
        result.map_err(|error| self.notes.add(Problem::at(self.span(), error.to_string()))).ok()
    }

    pub(super) fn wrong_type<T>(&self, expected: &str) -> Option<T> {
        let found = match self.node.as_ref() {
            DeValue::String(_) => "a string",
            DeValue::Integer(_) => "an integer",
            DeValue::Float(_) => "a float",
            DeValue::Boolean(_) => "a boolean",
            DeValue::Datetime(_) => "a date",
            DeValue::Array(_) => "an array",
            DeValue::Table(_) => "a table",
        };
        let problem = Problem::at(self.span(), format!("expected {expected}, found {found}"));
        let is_scalar =
            matches!(self.node.as_ref(), DeValue::Integer(_) | DeValue::Float(_) | DeValue::Boolean(_));
        self.notes.add(if is_scalar && expected.contains("string") {
            problem.hint("write it in quotes")
        } else {
            problem
        });
        None
    }

    pub(super) fn text(&self, environment: &Environment) -> Option<String> {
        let text = self.node.as_ref().as_str().or_else(|| self.wrong_type("a string"))?;
        match expand(text, environment) {
            Ok(text) => Some(text),
            Err(error) => {
                self.add(
                    format!("cannot expand this: {error}"),
                    "set it, or write a default: `${NAME:-default}`; `$$` is a plain `$`",
                );
                None
            }
        }
    }

    pub(super) fn integer(&self, range: Range<i64>) -> Option<i64> {
        let integer = self.node.as_ref().as_integer().or_else(|| self.wrong_type("an integer"))?;
        let number = i64::from_str_radix(integer.as_str(), integer.radix()).ok();
        let fits = number.filter(|number| range.contains(number));
        if fits.is_none() {
            let last = range.end.saturating_sub(1);
            self.add(
                format!("{} is out of range", integer.as_str()),
                format!("it goes from {} to {last}", range.start),
            );
        }
        fits
    }

    pub(super) fn float(&self) -> Option<f64> {
        let node = self.node.as_ref();
        let text = node.as_float().map(|float| float.as_str().to_owned());
        let text = text.or_else(|| node.as_integer().map(|integer| integer.as_str().to_owned()));
        let text = text.or_else(|| self.wrong_type("a number"))?;
        text.parse()
            .ok()
            .filter(|number: &f64| number.is_finite())
            .or_else(|| self.wrong_type("a finite number"))
    }

    pub(super) fn as_text(&self) -> Option<&'a str> {
        self.node.as_ref().as_str()
    }

    pub(super) fn as_flag(&self) -> Option<bool> {
        self.node.as_ref().as_bool()
    }

    pub(super) fn is_integer(&self) -> bool {
        self.node.as_ref().is_integer()
    }

    /// The members of an array, or the one value that stands for an array of one.
    pub(super) fn members(&self) -> Vec<Value<'a>> {
        match self.node.as_ref() {
            DeValue::Array(array) => array.iter().map(|node| Value { node, notes: self.notes }).collect(),
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
        self.table().or_else(|| self.wrong_type("a table"))
    }

    /// Keys and values of a table in the file's order of names.
    pub(super) fn entries(&self) -> Vec<(&'a str, Range<usize>, Value<'a>)> {
        let table = self.table().into_iter().flat_map(|table| table.iter());
        table
            .map(|(key, node)| (key.as_ref().as_ref(), key.span(), Value { node, notes: self.notes }))
            .collect()
    }
}
