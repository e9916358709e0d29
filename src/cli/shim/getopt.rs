/// An option that a command knows.
#[derive(Debug, Clone, Copy)]
pub(in crate::cli) struct Known {
    /// `c` of `-c`; none if there is only a long form.
    pub(in crate::cli) short: Option<char>,
    /// `configuration` of `--configuration`; none if there is only a short form.
    pub(in crate::cli) long: Option<&'static str>,
    pub(in crate::cli) takes: Takes,
}

/// What follows an option.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::cli) enum Takes {
    Nothing,
    Value,
}

impl Known {
    pub(in crate::cli) const fn flag(short: char, long: &'static str) -> Self {
        Self { short: Some(short), long: Some(long), takes: Takes::Nothing }
    }

    pub(in crate::cli) const fn value(short: char, long: &'static str) -> Self {
        Self { short: Some(short), long: Some(long), takes: Takes::Value }
    }
}

/// An option as it was given.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::cli) struct Given {
    /// Which of the known ones.
    pub(in crate::cli) index: usize,
    /// Its name in full, with its dashes.
    pub(in crate::cli) name: String,
    /// What it was given; empty for those that take nothing.
    pub(in crate::cli) value: String,
}

/// Reads the options at the front of `words` as Python's getopt does, and in its words where it cannot: short ones may be
/// joined, long ones may be shortened, and the first word that is none ends them. Gives them and the words behind.
pub(in crate::cli) fn parse(known: &[Known], words: &[String]) -> Result<(Vec<Given>, Vec<String>), String> {
    let mut given = Vec::new();
    let mut rest = words.iter();
    loop {
        let ahead = rest.as_slice();
        match rest.next().map(String::as_str) {
            Some("--") => return Ok((given, rest.as_slice().to_vec())),
            Some(word) if word.starts_with("--") => given.push(long(known, &word[2..], &mut rest)?),
            Some(word) if word.len() > 1 && word.starts_with('-') => {
                short(known, &word[1..], &mut rest, &mut given)?;
            }
            Some(_) | None => return Ok((given, ahead.to_vec())),
        }
    }
}

fn long(known: &[Known], word: &str, rest: &mut std::slice::Iter<'_, String>) -> Result<Given, String> {
    let (name, value) = match word.split_once('=') {
        Some((name, value)) => (name, Some(value.to_owned())),
        None => (word, None),
    };
    let begins = |known: &Known| known.long.is_some_and(|long| long.starts_with(name));
    let is_it = |known: &Known| known.long == Some(name);
    let candidates: Vec<usize> = (0..known.len()).filter(|index| begins(&known[*index])).collect();
    let exact = candidates.iter().copied().find(|index| is_it(&known[*index]));
    let index = match (exact, candidates.as_slice()) {
        (Some(index), _) => index,
        (None, [index]) => *index,
        (None, []) => return Err(format!("option --{name} not recognized")),
        (None, [_, _, ..]) => return Err(format!("option --{name} not a unique prefix")),
    };
    let name = format!("--{}", known[index].long.unwrap_or_default());
    let value = match (known[index].takes, value) {
        (Takes::Nothing, None) => String::new(),
        (Takes::Nothing, Some(_)) => return Err(format!("option {name} must not have an argument")),
        (Takes::Value, Some(value)) => value,
        (Takes::Value, None) => {
            rest.next().cloned().ok_or_else(|| format!("option {name} requires argument"))?
        }
    };
    Ok(Given { index, name, value })
}

fn short(
    known: &[Known],
    letters: &str,
    rest: &mut std::slice::Iter<'_, String>,
    given: &mut Vec<Given>,
) -> Result<(), String> {
    for (at, letter) in letters.char_indices() {
        let index = known.iter().position(|known| known.short == Some(letter));
        let index = index.ok_or_else(|| format!("option -{letter} not recognized"))?;
        let name = format!("-{letter}");
        if known[index].takes == Takes::Nothing {
            given.push(Given { index, name, value: String::new() });
            continue;
        }
        let joined = &letters[at + letter.len_utf8()..];
        let value = if joined.is_empty() { rest.next().cloned() } else { Some(joined.to_owned()) };
        let value = value.ok_or_else(|| format!("option {name} requires argument"))?;
        given.push(Given { index, name, value });
        return Ok(());
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::{Known, Takes, parse};

    const KNOWN: [Known; 4] = [
        Known::value('c', "configuration"),
        Known::flag('n', "nodaemon"),
        Known::flag('k', "nocleanup"),
        Known { short: Some('?'), long: None, takes: Takes::Nothing },
    ];

    /// The options as `NAME=VALUE`, and the words behind them.
    fn read(line: &str) -> Result<[String; 2], String> {
        let words: Vec<String> = line.split_whitespace().map(str::to_owned).collect();
        let (given, rest) = parse(&KNOWN, &words)?;
        let given: Vec<String> =
            given.iter().map(|given| format!("{}={}", given.name, given.value)).collect();
        Ok([given.join(" "), rest.join(" ")])
    }

    #[test]
    fn options_are_joined_shortened_and_ended_as_in_getopt() {
        for (line, options, rest) in [
            ("", "", ""),
            ("-c f -n x -k", "-c=f -n=", "x -k"),
            ("-ncf x", "-n= -c=f", "x"),
            ("--conf=f --nod", "--configuration=f --nodaemon=", ""),
            ("--configuration f -- -n", "--configuration=f", "-n"),
            ("-? - -n", "-?=", "- -n"),
        ] {
            assert_eq!(read(line).unwrap(), [options, rest], "{line}");
        }
    }

    #[test]
    fn what_getopt_refuses_is_refused_in_its_words() {
        for (line, words) in [
            ("-x", "option -x not recognized"),
            ("--xy", "option --xy not recognized"),
            ("--no", "option --no not a unique prefix"),
            ("-c", "option -c requires argument"),
            ("--conf", "option --configuration requires argument"),
            ("--nodaemon=1", "option --nodaemon must not have an argument"),
        ] {
            assert_eq!(read(line).unwrap_err(), words, "{line}");
        }
    }
}
