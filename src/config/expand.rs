use super::environment::Environment;

/// Why a text does not expand.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum BadReference {
    #[error("the variable `{0}` is not set")]
    Unset(String),
    #[error("`${{` has no `}}` behind it")]
    Unclosed,
    #[error("`${{{0}}}` names no variable")]
    BadName(String),
    #[error("defaults stand in defaults more than {DEPTH_MAX} deep")]
    TooDeep,
}

/// Defaults stand in each other so deep at most: no text may overflow the stack.
pub(super) const DEPTH_MAX: usize = 16;

impl BadReference {
    /// How to mend it.
    pub(super) fn way_out(&self) -> &'static str {
        match self {
            Self::Unset(_) => "set it, or write a default: `${NAME:-default}`; `$$` is a plain `$`",
            Self::Unclosed => "close it: `${NAME}`; `$$` is a plain `$`",
            Self::BadName(_) => "write `${NAME}` or `${NAME:-default}`; `$$` is a plain `$`",
            Self::TooDeep => "write a shorter default",
        }
    }
}

/// Replaces `${VAR}` and `${VAR:-default}` (the default also for an empty variable, as in a shell; it may hold variables
/// itself); `$$` is one `$`, and any other `$` stands for itself.
pub(super) fn expand(text: &str, environment: &Environment) -> Result<String, BadReference> {
    expand_at(0, text, environment)
}

fn expand_at(depth: usize, text: &str, environment: &Environment) -> Result<String, BadReference> {
    if depth > DEPTH_MAX {
        return Err(BadReference::TooDeep);
    }
    let mut expanded = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('$') {
        expanded.push_str(&rest[..at]);
        rest = &rest[at + 1..];
        if let Some(after) = rest.strip_prefix('$') {
            expanded.push('$');
            rest = after;
        } else if let Some(after) = rest.strip_prefix('{') {
            let end = closing_brace(after).ok_or(BadReference::Unclosed)?;
            expanded.push_str(&value(depth, &after[..end], environment)?);
            rest = &after[end + 1..];
        } else {
            expanded.push('$');
        }
    }
    expanded.push_str(rest);
    Ok(expanded)
}

/// Where the reference that a text begins in ends, past all references within it.
pub(super) fn closing_brace(text: &str) -> Option<usize> {
    let mut open = 1;
    let mut at = 0;
    while at < text.len() {
        let rest = &text.as_bytes()[at..];
        if rest.starts_with(b"$$") {
            at += 2;
            continue;
        }
        if rest.starts_with(b"${") {
            open += 1;
            at += 2;
            continue;
        }
        if rest[0] == b'}' {
            open -= 1;
            if open == 0 {
                return Some(at);
            }
        }
        at += 1;
    }
    None
}

fn value(depth: usize, reference: &str, environment: &Environment) -> Result<String, BadReference> {
    let (name, default) = match reference.split_once(":-") {
        Some((name, default)) => (name, Some(default)),
        None => (reference, None),
    };
    let is_name = !name.is_empty()
        && !name.starts_with(|c: char| c.is_ascii_digit())
        && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
    if !is_name {
        return Err(BadReference::BadName(reference.to_owned()));
    }
    match (environment.value(name), default) {
        (Some(""), Some(default)) | (None, Some(default)) => expand_at(depth + 1, default, environment),
        (Some(value), _) => Ok(value.to_owned()),
        (None, None) => Err(BadReference::Unset(name.to_owned())),
    }
}

#[cfg(test)]
mod tests {
    use super::{BadReference, Environment, expand};

    fn check(text: &str, expected: Result<&str, BadReference>) {
        let environment: Environment = [("HOME", "/home/u"), ("EMPTY", "")]
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .into_iter()
            .collect();
        assert_eq!(expand(text, &environment).as_deref(), expected.as_deref(), "{text}");
    }

    #[test]
    fn references_expand_and_every_other_dollar_stands() {
        check("${HOME}/x", Ok("/home/u/x"));
        check("a${NO:-b}c${EMPTY:-d}${EMPTY}", Ok("abcd"));
        check("$HOME $1 $$ $${HOME} 5$", Ok("$HOME $1 $ ${HOME} 5$"));
        check("${NO:-}", Ok(""));
    }

    #[test]
    fn a_default_may_hold_variables() {
        check("${NO:-${HOME}/x}!", Ok("/home/u/x!"));
        check("${NO:-${NEITHER:-c}}${NO:-$${x}", Ok("c${x"));
        check("${HOME:-${NO}}", Ok("/home/u"));
        check("${NO:-${NEITHER}}", Err(BadReference::Unset("NEITHER".to_owned())));
        check(&format!("{}x{}", "${NO:-".repeat(16), "}".repeat(16)), Ok("x"));
        check(&format!("{}x{}", "${NO:-".repeat(10_000), "}".repeat(10_000)), Err(BadReference::TooDeep));
    }

    #[test]
    fn a_reference_that_means_nothing_is_named() {
        check("${NO}", Err(BadReference::Unset("NO".to_owned())));
        check("${HOME", Err(BadReference::Unclosed));
        check("${1x}", Err(BadReference::BadName("1x".to_owned())));
        check("${}", Err(BadReference::BadName(String::new())));
    }
}
