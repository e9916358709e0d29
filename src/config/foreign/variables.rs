use crate::config::expand::{DEPTH_MAX, closing_brace};
use crate::config::writer;

/// A text of another manager's, with its variables, as a value of a services.toml.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Value {
    /// As it is written, in quotes.
    pub(super) written: String,
    /// The text outside of variables.
    pub(super) outside: String,
    /// What means something else, in words.
    pub(super) remarks: Vec<String>,
}

/// A variable and what stands for it when it is not set.
struct Reference<'a> {
    name: &'a str,
    otherwise: Otherwise<'a>,
}

/// What becomes of a variable that is not set.
enum Otherwise<'a> {
    /// Nothing stands there.
    Empty,
    /// A text; it stands for an empty variable too.
    Default(&'a str),
    /// A text; an empty variable stays empty.
    DefaultOfUnset(&'a str),
    /// It is an error.
    Refused,
    /// The text stands only where the variable is set, and nothing otherwise.
    Only,
}

/// Translates `$NAME`, `${NAME}`, `${NAME:-default}`, `${NAME-default}`, `${NAME:?error}`, `${NAME?error}` and
/// `${NAME:+text}`, as shells and the Compose Specification have them; `$$` is a `$`.
pub(super) fn translate(text: &str) -> Value {
    translate_at(0, text)
}

fn translate_at(depth: usize, text: &str) -> Value {
    let mut value = Value { written: String::new(), outside: String::new(), remarks: Vec::new() };
    let mut rest = text;
    while let Some(at) = rest.find('$') {
        value.push(&rest[..at]);
        rest = &rest[at + 1..];
        if let Some(after) = rest.strip_prefix('$') {
            value.push("$");
            rest = after;
        } else if let Some((reference, after)) = reference(rest) {
            reference.write(depth, &mut value);
            rest = after;
        } else {
            value.push("$");
        }
    }
    value.push(rest);
    value.written = format!("\"{}\"", value.written);
    value
}

impl Value {
    fn push(&mut self, text: &str) {
        self.outside.push_str(text);
        let quoted = writer::quoted(text);
        self.written.push_str(&quoted[1..quoted.len() - 1]);
    }
}

/// The reference that a text behind a `$` begins with, and what follows it.
fn reference(text: &str) -> Option<(Reference<'_>, &str)> {
    let Some(braced) = text.strip_prefix('{') else {
        let end = name_end(text);
        let plain = Reference { name: &text[..end], otherwise: Otherwise::Empty };
        return (end > 0).then_some((plain, &text[end..]));
    };
    let (inside, after) = braced.split_at(closing_brace(braced)?);
    let (name, rest) = inside.split_at(name_end(inside));
    let otherwise = match rest {
        "" => Otherwise::Empty,
        rest if rest.starts_with(":-") => Otherwise::Default(&rest[2..]),
        rest if rest.starts_with('-') => Otherwise::DefaultOfUnset(&rest[1..]),
        rest if rest.starts_with(":?") || rest.starts_with('?') => Otherwise::Refused,
        rest if rest.starts_with(":+") || rest.starts_with('+') => Otherwise::Only,
        _ => return None,
    };
    (!name.is_empty()).then_some((Reference { name, otherwise }, &after[1..]))
}

/// Where the name that a text begins with ends.
fn name_end(text: &str) -> usize {
    if text.starts_with(|c: char| c.is_ascii_digit()) {
        return 0;
    }
    text.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(text.len())
}

impl Reference<'_> {
    fn write(&self, depth: usize, value: &mut Value) {
        let name = self.name;
        match self.otherwise {
            Otherwise::Empty => value.written.push_str(&format!("${{{name}:-}}")),
            Otherwise::Refused => value.written.push_str(&format!("${{{name}}}")),
            Otherwise::Default(default) => self.write_default(depth, default, value),
            Otherwise::DefaultOfUnset(default) => {
                value.remarks.push(format!("the default of ${{{name}}} stands for an empty one too"));
                self.write_default(depth, default, value);
            }
            Otherwise::Only => {
                value
                    .remarks
                    .push(format!("${{{name}:+…}} is not understood, and the variable stands there"));
                value.written.push_str(&format!("${{{name}:-}}"));
            }
        }
    }

    fn write_default(&self, depth: usize, default: &str, value: &mut Value) {
        if depth >= DEPTH_MAX {
            value
                .remarks
                .push(format!("the default of ${{{}}} is left out: it stands too deep in others", self.name));
            value.written.push_str(&format!("${{{}:-}}", self.name));
            return;
        }
        let inner = translate_at(depth + 1, default);
        let written = &inner.written[1..inner.written.len() - 1];
        value.written.push_str(&format!("${{{}:-{written}}}", self.name));
        value.remarks.extend(inner.remarks);
    }
}

#[cfg(test)]
mod tests {
    use super::{DEPTH_MAX, translate};

    fn check(text: &str, written: &str, remarks: usize) {
        let value = translate(text);
        assert_eq!(value.written, format!("\"{written}\""), "{text}");
        assert_eq!(value.remarks.len(), remarks, "{text}: {:?}", value.remarks);
    }

    #[test]
    fn a_variable_means_what_it_meant_and_what_is_none_stays_a_text() {
        check("plain \"text\"", "plain \\\"text\\\"", 0);
        check("$A/${B}", "${A:-}/${B:-}", 0);
        check("${A:-b}${A:-${C:-d}}", "${A:-b}${A:-${C:-d}}", 0);
        check("${A:?say}${A?}", "${A}${A}", 0);
        check("${A-b}", "${A:-b}", 1);
        check("${A:+b}", "${A:-}", 1);
        check("$$5 $5 $ ${", "$$5 $$5 $$ $${", 0);
        check("${A b}", "$${A b}", 0);
        check("${A:-{x}}", "${A:-{x}}", 0);
        check("${A:-$$}}", "${A:-$$}}", 0);
    }

    #[test]
    fn defaults_that_stand_too_deep_in_each_other_are_left_out_and_said() {
        let deep = |count: usize| format!("{}x{}", "${A:-".repeat(count), "}".repeat(count));
        check(&deep(DEPTH_MAX), &deep(DEPTH_MAX), 0);
        let kept = format!("{}${{A:-}}{}", "${A:-".repeat(DEPTH_MAX), "}".repeat(DEPTH_MAX));
        check(&deep(10_000), &kept, 1);
    }
}
