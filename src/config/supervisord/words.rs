use std::collections::BTreeMap;

use super::python::repr;

/// The white space of Python's shlex.
const SPACE: [char; 4] = [' ', '\t', '\r', '\n'];

/// Splits a command as Python's `shlex.split` does: quotes and backslashes as in a POSIX shell, no variables, and no
/// comments.
pub(super) fn split(command: &str) -> Result<Vec<String>, &'static str> {
    let (mut words, mut word, mut chars) = (Vec::new(), None::<String>, command.chars());
    while let Some(c) = chars.next() {
        match c {
            c if SPACE.contains(&c) => words.extend(word.take()),
            '\\' => {
                let escaped = chars.next().ok_or("No escaped character")?;
                word.get_or_insert_default().push(escaped);
            }
            '\'' => quoted(&mut chars, word.get_or_insert_default())?,
            '"' => double_quoted(&mut chars, word.get_or_insert_default())?,
            c => word.get_or_insert_default().push(c),
        }
    }
    words.extend(word);
    Ok(words)
}

/// Why a command has no words to be executed by, in supervisord's words; none if it has.
pub fn unfit(command: &str) -> Option<String> {
    match split(command) {
        Ok(words) if words.is_empty() => Some("command is empty".to_owned()),
        Ok(_) => None,
        Err(why) => Some(format!("can't parse command {}: {why}", repr(command))),
    }
}

fn quoted(chars: &mut std::str::Chars<'_>, word: &mut String) -> Result<(), &'static str> {
    loop {
        match chars.next().ok_or("No closing quotation")? {
            '\'' => return Ok(()),
            c => word.push(c),
        }
    }
}

fn double_quoted(chars: &mut std::str::Chars<'_>, word: &mut String) -> Result<(), &'static str> {
    loop {
        match chars.next().ok_or("No closing quotation")? {
            '"' => return Ok(()),
            '\\' => match chars.next().ok_or("No escaped character")? {
                c @ ('"' | '\\') => word.push(c),
                c => word.extend(['\\', c]),
            },
            c => word.push(c),
        }
    }
}

/// The variables of an `environment` option: `NAME=value` pairs with any one token between two of them.
pub(super) fn variables(text: &str) -> Result<BTreeMap<String, String>, String> {
    let tokens = tokens(text).map_err(str::to_owned)?;
    let mut variables = BTreeMap::new();
    for four in tokens.chunks(4) {
        let (Some(name), Some("="), Some(value)) =
            (four.first(), four.get(1).map(String::as_str), four.get(2))
        else {
            return Err(format!("Unexpected end of key/value pairs in value '{text}'"));
        };
        variables.insert(name.clone(), value.trim_matches(['\'', '"']).to_owned());
    }
    Ok(variables)
}

/// Python's `shlex` outside its POSIX mode, with the word characters that supervisord adds. Quotes stay in the tokens,
/// a quoted token ends with its quote, and `#` begins a comment.
fn tokens(text: &str) -> Result<Vec<String>, &'static str> {
    let (mut tokens, mut chars) = (Vec::new(), text.chars().peekable());
    while let Some(c) = chars.next() {
        match c {
            c if SPACE.contains(&c) => (),
            '#' => skip_line(&mut chars),
            quote @ ('\'' | '"') => {
                let mut token = String::from(quote);
                loop {
                    let c = chars.next().ok_or("No closing quotation")?;
                    token.push(c);
                    if c == quote {
                        break;
                    }
                }
                tokens.push(token);
            }
            c if is_of_word(c) => {
                let mut token = String::from(c);
                while let Some(c) = chars.peek().copied() {
                    match c {
                        '#' => skip_line(&mut chars),
                        c if is_of_word(c) || c == '\'' || c == '"' => {
                            token.push(c);
                            chars.next();
                        }
                        _ => break,
                    }
                }
                tokens.push(token);
            }
            other => tokens.push(other.to_string()),
        }
    }
    Ok(tokens)
}

fn is_of_word(c: char) -> bool {
    c.is_ascii_alphanumeric() || "_/.+-():".contains(c)
}

fn skip_line(chars: &mut std::iter::Peekable<std::str::Chars<'_>>) {
    for c in chars.by_ref() {
        if c == '\n' {
            break;
        }
    }
}
