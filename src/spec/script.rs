use std::path::Path;

/// A script that a command line gives to an interpreter, where that is plain from the words alone. It is said of fewer
/// command lines than an emergency guesses at: whoever holds this may call a script that is not there a
/// mistake.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Script {
    /// Which word the interpreter is.
    pub interpreter: usize,
    /// The script as the interpreter is told it.
    pub file: String,
    /// What it is written in.
    pub language: Language,
}

/// What a script is written in, as far as it matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Language {
    /// Python, whose interpreter can be asked whether it understands the script.
    Python,
    /// Any other.
    Other,
}

/// Interpreters that run the file that is their first argument, wherever it is.
const PLAIN: [&str; 5] = ["node", "nodejs", "ruby", "perl", "php"];

/// Shells, which look a name without a slash up in other places, too.
const SHELLS: [&str; 4] = ["sh", "bash", "dash", "zsh"];

/// The script that these words run.
pub fn script_of(words: &[String]) -> Option<Script> {
    let command = without_env(words);
    let interpreter = words.len() - command.len();
    let (program, arguments) = command.split_first()?;
    let (file, language) = match stem(program) {
        "python" | "pypy" => (python_file(arguments)?, Language::Python),
        name if PLAIN.contains(&name) => (first_file(arguments)?, Language::Other),
        name if SHELLS.contains(&name) => {
            (first_file(arguments).filter(|file| file.contains('/'))?, Language::Other)
        }
        _ => return None,
    };
    Some(Script { interpreter, file: file.clone(), language })
}

/// `env` and its assignments become another program; what follows them is the command.
pub fn without_env(words: &[String]) -> &[String] {
    match words.first() {
        Some(first) if base_name(first) == "env" => {
            let rest = &words[1..];
            let skipped = rest.iter().take_while(|word| word.contains('=') || word.starts_with('-')).count();
            &rest[skipped..]
        }
        Some(_) | None => words,
    }
}

/// The name of a program without its directory.
pub fn base_name(program: &str) -> &str {
    program.rsplit('/').next().unwrap_or(program)
}

/// The name of a program without directory and version: `/usr/bin/python3.11` is `python`.
pub fn stem(program: &str) -> &str {
    base_name(program).trim_end_matches(|c: char| c.is_ascii_digit() || c == '.')
}

/// The first argument, if it looks like a file: `node inspect` and `php -S` are something else.
fn first_file(arguments: &[String]) -> Option<&String> {
    arguments.first().filter(|word| !word.starts_with('-') && Path::new(word).extension().is_some())
}

/// The first word that is no option, by the options of python(1); none behind one that is not known, or that gives the
/// program in another way.
fn python_file(arguments: &[String]) -> Option<&String> {
    let mut arguments = arguments.iter();
    while let Some(word) = arguments.next() {
        let Some(options) = word.strip_prefix('-') else { return Some(word) };
        if options == "-check-hash-based-pycs" {
            arguments.next()?;
            continue;
        }
        let mut options = options.chars();
        match options.find(|option| !"bBdEiIOPqsSuvx".contains(*option)) {
            None if word.len() > 1 => (),
            Some('W' | 'X') if options.as_str().is_empty() => drop(arguments.next()?),
            Some('W' | 'X') => (),
            Some(_) | None => return None,
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::{Language, script_of};

    #[test]
    fn a_script_is_told_only_where_it_is_plain() {
        let check = |line: &str, expected: Option<(usize, &str, Language)>| {
            let words: Vec<String> = line.split_whitespace().map(str::to_owned).collect();
            let found = script_of(&words);
            let found = found.as_ref().map(|it| (it.interpreter, it.file.as_str(), it.language));
            assert_eq!(found, expected, "{line}");
        };
        let python = |file| Some((0, file, Language::Python));
        check("python3 main.py --port 1", python("main.py"));
        check("/venv/bin/python3.11 -uB -W ignore -Xdev app/main.py", python("app/main.py"));
        check("env A=1 python main", Some((2, "main", Language::Python)));
        for line in
            ["python3 -m http.server", "python -c x", "python -", "python --version", "python -Z a.py"]
        {
            check(line, None);
        }
        check("node server.js", Some((0, "server.js", Language::Other)));
        check("sh ./run.sh", Some((0, "./run.sh", Language::Other)));
        for line in
            ["sh run.sh", "node inspect a.js", "php -S a.b:80", "deno run a.ts", "uv run a.py", "./a.py", ""]
        {
            check(line, None);
        }
    }
}
