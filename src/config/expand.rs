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
}

/// Replaces `${VAR}` and `${VAR:-default}` (the default also for an empty variable, as in a shell); `$$` is one `$`, and
/// any other `$` stands for itself.
pub(super) fn expand(text: &str, environment: &Environment) -> Result<String, BadReference> {
    let mut expanded = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('$') {
        expanded.push_str(&rest[..at]);
        rest = &rest[at + 1..];
        if let Some(after) = rest.strip_prefix('$') {
            expanded.push('$');
            rest = after;
        } else if let Some(after) = rest.strip_prefix('{') {
            let end = after.find('}').ok_or(BadReference::Unclosed)?;
            expanded.push_str(&value(&after[..end], environment)?);
            rest = &after[end + 1..];
        } else {
            expanded.push('$');
        }
    }
    expanded.push_str(rest);
    Ok(expanded)
}

fn value(reference: &str, environment: &Environment) -> Result<String, BadReference> {
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
        (Some(""), Some(default)) | (None, Some(default)) => Ok(default.to_owned()),
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
    fn a_reference_that_means_nothing_is_named() {
        check("${NO}", Err(BadReference::Unset("NO".to_owned())));
        check("${HOME", Err(BadReference::Unclosed));
        check("${1x}", Err(BadReference::BadName("1x".to_owned())));
        check("${}", Err(BadReference::BadName(String::new())));
    }
}
