use std::pin::Pin;

use super::desk::Desk;
use super::{config_info, control, groups, info, logs, signal, supervisor, system};
use crate::protocol::xmlrpc::fault::{Fault, FaultCode};
use crate::protocol::xmlrpc::message::Answer;
use crate::protocol::xmlrpc::value::Value;

/// A method.
pub(super) struct Method {
    /// `namespace.method`, and the names that it had before.
    pub(super) names: &'static [&'static str],
    /// The type of its result, then those of what it takes.
    pub(super) types: &'static [&'static str],
    /// So many of the last may be left out.
    pub(super) optional: usize,
    /// What it does, for people.
    pub(super) help: &'static str,
    /// Whether it works while the supervisor ends.
    pub(super) at_end: AtEnd,
    /// Carries it out.
    pub(super) run: Run,
}

/// The type of a signal, which is a name or a number. Clients are told that it is a string, as by supervisord.
pub(super) const SIGNAL: &str = "signal";

/// Whether a method works while the supervisor ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum AtEnd {
    /// It is answered with the fault for that.
    Refused,
    /// It does.
    Answered,
}

/// What carries a method out.
pub(super) type Run = for<'a> fn(&'a Desk, Params) -> Pin<Box<dyn Future<Output = Answer> + Send + 'a>>;

/// Every method but those about methods, which need the table itself.
fn others() -> impl Iterator<Item = &'static Method> {
    let tables: [&'static [Method]; 7] = [
        supervisor::METHODS,
        info::METHODS,
        config_info::METHODS,
        control::METHODS,
        signal::METHODS,
        logs::METHODS,
        groups::METHODS,
    ];
    tables.into_iter().flatten()
}

/// Every method.
pub(super) fn all() -> impl Iterator<Item = &'static Method> {
    others().chain(system::METHODS)
}

/// The method of this name.
pub(super) fn find(name: &str) -> Option<&'static Method> {
    all().find(|method| method.names.contains(&name))
}

impl Method {
    /// Takes what a call brings, if it is of the right number and types.
    pub(super) fn accept(&self, given: Vec<Value>) -> Result<Params, Fault> {
        let wanted = &self.types[1..];
        let counts = wanted.len() - self.optional..=wanted.len();
        let fits = |(value, wanted): (&Value, &&str)| match *wanted {
            "string" => value.as_str().is_some(),
            "int" => value.as_int().is_some(),
            SIGNAL => value.as_str().is_some() || value.as_int().is_some(),
            "boolean" => value.as_bool().is_some() || value.as_int().is_some(),
            _ => value.as_array().is_some(),
        };
        if counts.contains(&given.len()) && given.iter().zip(wanted).all(fits) {
            return Ok(Params(given));
        }
        Err(FaultCode::IncorrectParameters.bare())
    }
}

/// What a method was given: of the number and types that it takes.
pub(super) struct Params(Vec<Value>);

impl Params {
    pub(super) fn text(&self, at: usize) -> &str {
        self.0.get(at).and_then(Value::as_str).unwrap_or_default()
    }

    /// A name or a number, as a text.
    pub(super) fn signal(&self, at: usize) -> String {
        match self.0.get(at).and_then(Value::as_int) {
            Some(number) => number.to_string(),
            None => self.text(at).to_owned(),
        }
    }

    pub(super) fn int(&self, at: usize) -> i64 {
        self.0.get(at).and_then(Value::as_int).unwrap_or_default()
    }

    pub(super) fn elements(&self, at: usize) -> &[Value] {
        self.0.get(at).and_then(Value::as_array).unwrap_or_default()
    }

    /// Whether the result is awaited: yes unless said.
    pub(super) fn wait(&self, at: usize) -> Wait {
        let is_off = |value: &Value| *value == Value::Bool(false) || *value == Value::Int(0);
        if self.0.get(at).is_some_and(is_off) { Wait::No } else { Wait::Yes }
    }
}

/// Whether a result is awaited.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Wait {
    Yes,
    No,
}
