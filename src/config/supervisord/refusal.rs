use std::ops::Range;

/// Why supervisord would not take a file, in its own words, with what it does not say: where, and a way out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// What is wrong, as supervisord says it.
    pub what: String,
    /// Where, if it is one place.
    pub place: Option<Place>,
    /// How to mend it.
    pub hint: Option<String>,
}

/// A place in one of the files that were read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// Which file: 0 is the main one, the included ones follow in the order of their reading.
    pub file: usize,
    /// Where in it, in bytes.
    pub span: Range<usize>,
}

impl Refusal {
    pub(super) fn new(what: impl Into<String>) -> Self {
        Self { what: what.into(), place: None, hint: None }
    }

    pub(super) fn at(place: Place, what: impl Into<String>) -> Self {
        Self { what: what.into(), place: Some(place), hint: None }
    }

    pub(super) fn hint(self, hint: impl Into<String>) -> Self {
        Self { hint: Some(hint.into()), ..self }
    }

    /// The same with a hint if it has none.
    pub(super) fn or_hint(self, hint: &str) -> Self {
        Self { hint: self.hint.or_else(|| Some(hint.to_owned())), ..self }
    }
}
