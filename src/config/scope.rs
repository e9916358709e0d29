use std::collections::BTreeMap;

use super::environment::Environment;
use super::expand::{BadReference, expand};

/// What `${VAR}` means in some part of the file.
#[derive(Debug)]
pub(super) struct Scope {
    environment: Environment,
    knowledge: Knowledge,
}

/// Whether all variables of a scope are known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Knowledge {
    /// They are: one that is not there is not set.
    Whole,
    /// Some could not be read, and a note says why: one that is not there may be one of those.
    Partial,
}

impl Knowledge {
    /// What is known when both are needed.
    pub(super) fn and(self, other: Self) -> Self {
        match (self, other) {
            (Self::Whole, Self::Whole) => Self::Whole,
            (Self::Partial, Self::Whole | Self::Partial) | (Self::Whole, Self::Partial) => Self::Partial,
        }
    }
}

impl Scope {
    /// These variables and no others.
    pub(super) fn of(environment: &Environment) -> Self {
        Self { environment: environment.clone(), knowledge: Knowledge::Whole }
    }

    /// This scope with variables in front of it.
    pub(super) fn overlaid(&self, variables: &BTreeMap<String, String>, knowledge: Knowledge) -> Self {
        Self { environment: self.environment.overlaid(variables), knowledge: self.knowledge.and(knowledge) }
    }

    pub(super) fn environment(&self) -> &Environment {
        &self.environment
    }

    /// The text with its variables replaced; an error only if no note has already been made of its cause.
    pub(super) fn expand(&self, text: &str) -> Result<String, Option<BadReference>> {
        expand(text, &self.environment).map_err(|bad| match (bad, self.knowledge) {
            (BadReference::Unset(_), Knowledge::Partial) => None,
            (bad, Knowledge::Whole | Knowledge::Partial) => Some(bad),
        })
    }
}
