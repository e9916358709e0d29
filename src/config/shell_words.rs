use toml::de::{DeTable, DeValue};

use super::problem::line_of;

/// What of a command line only a shell understands: no shell is run, so the program is given it as it stands. It is for
/// people, who often mean a shell and sometimes mean just that; quoted words say nothing but themselves.
pub fn meaning_nothing(command: &str) -> Option<String> {
    let words = bare_words(command);
    let is_find = words.first().is_some_and(|program| program.rsplit('/').next() == Some("find"));
    let word = match words.first() {
        Some(first) if is_assignment(first) => first,
        _ => words.iter().skip(1).find(|word| is_operator(word) && !(is_find && *word == ";"))?,
    };
    Some(format!(
        "`{word}` is for a shell, and none is run: let one do it, as in sh -c '…', or quote it if the program is to get it"
    ))
}

/// The words of a line as they stand, each without its quoted pieces but for a mark that there was one.
fn bare_words(line: &str) -> Vec<String> {
    let (mut words, mut word) = (Vec::new(), String::new());
    let mut chars = line.chars();
    while let Some(c) = chars.next() {
        match c {
            c if c.is_whitespace() => {
                words.extend(Some(std::mem::take(&mut word)).filter(|it| !it.is_empty()))
            }
            '\\' => {
                chars.next();
                word.push('\\');
            }
            quote @ ('"' | '\'') => {
                word.push('\\');
                while let Some(c) = chars.next() {
                    match c {
                        '\\' if quote == '"' => drop(chars.next()),
                        c if c == quote => break,
                        _ => (),
                    }
                }
            }
            c => word.push(c),
        }
    }
    words.extend(Some(word).filter(|it| !it.is_empty()));
    words
}

/// `NAME=value` before a program is a variable to a shell.
fn is_assignment(word: &str) -> bool {
    let Some((name, _)) = word.split_once('=') else { return false };
    let is_first = name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_');
    is_first && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
}

/// A word that is an operator, or begins with a redirection. One in the midst of a word is left alone: it may stand in an
/// address or a pattern.
fn is_operator(word: &str) -> bool {
    let redirection = word.trim_start_matches(|c: char| c.is_ascii_digit()).trim_start_matches('&');
    matches!(word, "|" | "||" | "&" | "&&" | ";")
        || redirection.starts_with(['>', '<'])
        || word.ends_with(';')
}

/// The same of each command of a services.toml, a line each with the place.
pub fn remarks(file: &str, text: &str) -> Vec<String> {
    let (root, _) = DeTable::parse_recoverable(text);
    let tables =
        ["services", "defaults"].map(|key| root.as_ref().get(key).and_then(|it| it.as_ref().as_table()));
    let [services, defaults] = tables;
    let services = services.into_iter().flat_map(|services| services.iter());
    let tables = services.filter_map(|(_, service)| service.as_ref().as_table()).chain(defaults);
    let said = tables.filter_map(|table| {
        let command = table.get("command")?;
        let DeValue::String(line) = command.as_ref() else { return None };
        Some(format!("{file}:{}: {}", line_of(text, command.span().start), meaning_nothing(line)?))
    });
    said.collect()
}

#[cfg(test)]
mod tests {
    use super::{meaning_nothing, remarks};

    #[test]
    fn what_only_a_shell_understands_is_told_and_what_is_quoted_is_not() {
        let word =
            |line: &str| meaning_nothing(line).map(|said| said.split('`').nth(1).unwrap_or("").to_owned());
        for (line, expected) in [
            ("python3 main.py > out.log", Some(">")),
            ("python3 main.py >>out.log", Some(">>out.log")),
            ("python3 main.py 2>&1", Some("2>&1")),
            ("a | b", Some("|")),
            ("cd /srv && python3 main.py", Some("&&")),
            ("cd /srv; python3 main.py", Some("/srv;")),
            ("PORT=3000 python3 main.py", Some("PORT=3000")),
            ("worker &", Some("&")),
            ("sh -c 'a > b && c'", None),
            ("sh -c \"a \\\" | b\"", None),
            ("nginx -g 'daemon off;'", None),
            ("nginx -g \"daemon off;\"", None),
            ("find . -exec rm {} ;", None),
            ("find . -exec rm {} \\;", None),
            ("curl http://localhost/?a=1&b=2", None),
            ("env PORT=3000 python3 main.py", None),
            ("expr 3 '>' 2", None),
            ("a=b", Some("a=b")),
            ("", None),
        ] {
            assert_eq!(word(line).as_deref(), expected, "{line}");
        }
    }

    #[test]
    fn each_command_of_a_file_is_told_with_its_line() {
        let text = "[services.a]\ncommand = \"a > b\"\n[services.b]\ncommand = [\"a\", \">\", \"b\"]\n[services.c]\n\
                    command = '''sh -c 'a > b' '''\n";
        let said = remarks("services.toml", text);
        assert_eq!(said.len(), 1);
        assert!(said[0].starts_with("services.toml:2: `>` is for a shell"), "{said:?}");
    }
}
