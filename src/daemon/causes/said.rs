/// What the last lines of a run's standard error say of its end.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Said {
    /// The last Python exception that was told with its traceback.
    pub exception: Option<Exception>,
    /// What else can be told by the last lines.
    pub other: Option<Other>,
}

/// A Python exception with its traceback.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Exception {
    /// The traceback's last line.
    pub line: String,
    /// Of which kind.
    pub kind: Kind,
    /// The last file that the traceback names: of a syntax error the one that is not understood.
    pub file: Option<String>,
    /// So many lines follow that are not blank.
    pub lines_after: usize,
}

/// Kinds of exceptions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// `ImportError`, `ModuleNotFoundError`.
    Import,
    /// `SyntaxError`, `IndentationError`, `TabError`.
    Syntax,
    /// An address is in use.
    Address,
    /// Any other.
    Other,
}

/// What programs say without a traceback.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Other {
    /// That an address is in use.
    AddressInUse,
    /// The interpreter: that there is no module by the name that it was to run.
    NoModule,
    /// The interpreter or a shell: that there is no such script or program.
    NoProgram,
}

/// Words without a traceback count in so many last lines.
const LAST_LINES: usize = 5;

impl Said {
    /// Reads the last lines, the oldest first.
    pub fn of(lines: &[String]) -> Self {
        Self { exception: exception(lines), other: other(lines) }
    }
}

/// The last line that names an exception and stands right below the frames of a traceback. A handled exception that was
/// logged is told the same way; how many lines follow tells them apart.
fn exception(lines: &[String]) -> Option<Exception> {
    let at =
        (0..lines.len()).rev().find(|at| names_exception(&lines[*at]) && file_above(lines, *at).is_some())?;
    let line = lines[at].trim().trim_start_matches("| ").to_owned();
    let lines_after = lines[at + 1..].iter().filter(|line| !is_blank(line)).count();
    Some(Exception { kind: kind(&line), file: file_above(lines, at), line, lines_after })
}

/// `package.Name: message`, or the name alone, with no room before it.
fn names_exception(line: &str) -> bool {
    let line = line.strip_prefix("  | ").unwrap_or(line);
    let name = line.split(':').next().unwrap_or_default();
    let parts = name.split('.').collect::<Vec<_>>();
    let is_word = |part: &&str| {
        !part.is_empty()
            && !part.starts_with(|c: char| c.is_ascii_digit())
            && part.chars().all(|c| c.is_alphanumeric() || c == '_')
    };
    parts.iter().all(is_word) && parts.last().is_some_and(|last| last.starts_with(char::is_uppercase))
}

/// The file of the lowest frame right above a line.
fn file_above(lines: &[String], at: usize) -> Option<String> {
    let frames = lines[..at].iter().rev().take_while(|line| line.starts_with(' ') && !is_blank(line));
    let file = |line: &String| {
        let rest = line.trim_start().trim_start_matches("| ").trim_start().strip_prefix("File \"")?;
        Some(rest.split_once('"')?.0.to_owned())
    };
    frames.into_iter().find_map(file)
}

fn kind(line: &str) -> Kind {
    let name = line.split(':').next().unwrap_or_default();
    match name.rsplit('.').next().unwrap_or_default() {
        "ImportError" | "ModuleNotFoundError" => Kind::Import,
        "SyntaxError" | "IndentationError" | "TabError" => Kind::Syntax,
        _ if says_in_use(line) => Kind::Address,
        _ => Kind::Other,
    }
}

/// In the words of strerror(3), of Node and of gunicorn.
fn says_in_use(line: &str) -> bool {
    line.contains("ddress already in use")
        || line.contains("EADDRINUSE")
        || line.contains("Connection in use: ")
}

fn other(lines: &[String]) -> Option<Other> {
    let mut last = lines.iter().rev().filter(|line| !is_blank(line)).take(LAST_LINES);
    let line = last.next()?;
    let is_of_python = line.split(": ").next().is_some_and(|word| word.contains("python"));
    if is_of_python && line.contains(": No module named ") {
        return Some(Other::NoModule);
    }
    let is_missing = line.ends_with("not found") || line.ends_with("No such file or directory");
    if (is_of_python && line.contains(": can't open file ")) || (is_missing && line.contains("sh: ")) {
        return Some(Other::NoProgram);
    }
    (says_in_use(line) || last.any(|line| says_in_use(line))).then_some(Other::AddressInUse)
}

fn is_blank(line: &str) -> bool {
    line.trim().is_empty()
}

#[cfg(test)]
mod tests {
    use super::{Kind, Other, Said};

    fn said(text: &str) -> Said {
        Said::of(&text.lines().map(str::to_owned).collect::<Vec<_>>())
    }

    #[test]
    fn the_last_traceback_is_found_with_its_file_and_what_follows_it() {
        let check = |text: &str, line: &str, kind: Kind, file: &str, lines_after: usize| {
            let found = said(text).exception.unwrap_or_else(|| panic!("nothing in {text}"));
            let expected = (line, kind, Some(file), lines_after);
            assert_eq!((found.line.as_str(), found.kind, found.file.as_deref(), found.lines_after), expected);
        };
        let plain = "starting\nTraceback (most recent call last):\n  File \"/a/main.py\", line 3, in <module>\n    import nowhere\n";
        check(
            &format!("{plain}ModuleNotFoundError: No module named 'nowhere'\n"),
            "ModuleNotFoundError: No module named 'nowhere'",
            Kind::Import,
            "/a/main.py",
            0,
        );
        check(&format!("{plain}KeyError: 'x'\n\nbye\n"), "KeyError: 'x'", Kind::Other, "/a/main.py", 1);
        check(&format!("{plain}app.errors.Boom\n"), "app.errors.Boom", Kind::Other, "/a/main.py", 0);
        check(
            "  File \"/a/main.py\", line 1\n    def main(:\n             ^\nSyntaxError: invalid syntax\n",
            "SyntaxError: invalid syntax",
            Kind::Syntax,
            "/a/main.py",
            0,
        );
        check(
            &format!(
                "{plain}KeyError: 'x'\n\nDuring handling of the above exception, another exception occurred:\n\n{plain}OSError: [Errno 98] Address already in use\n"
            ),
            "OSError: [Errno 98] Address already in use",
            Kind::Address,
            "/a/main.py",
            0,
        );
        check(
            "  + Exception Group Traceback (most recent call last):\n  |   File \"/a/m.py\", line 1, in <module>\n  |     raise it\n  | ExceptionGroup: two (2 sub-exceptions)\n  +-+---------------- 1 ----------------\n    | ValueError: 1\n    +------------------------------------\n",
            "ExceptionGroup: two (2 sub-exceptions)",
            Kind::Other,
            "/a/m.py",
            3,
        );
    }

    #[test]
    fn what_only_looks_like_an_exception_is_none() {
        for text in [
            "",
            "ImportError: no frames",
            "INFO: started\nWarning: low on memory",
            "  File \"/a\", line 1\n    x\nlower: case",
        ] {
            assert_eq!(said(text).exception, None, "{text}");
        }
    }

    #[test]
    fn programs_that_give_no_traceback_are_understood_by_their_last_words() {
        let check = |text: &str, expected: Option<Other>| assert_eq!(said(text).other, expected, "{text}");
        check("/usr/bin/python3: No module named nowhere\n", Some(Other::NoModule));
        let no_file = "python3: can't open file '/a/main.py': [Errno 2] No such file or directory\n";
        check(no_file, Some(Other::NoProgram));
        check("sh: 1: nowhere: not found\n", Some(Other::NoProgram));
        let uvicorn = "ERROR:    [Errno 98] error while attempting to bind on address ('127.0.0.1', 3000): address already in use\n\
                       INFO:     Waiting for application shutdown.\nINFO:     Application shutdown complete.\n";
        check(uvicorn, Some(Other::AddressInUse));
        check("[2026-01-01] [7] [ERROR] Connection in use: ('127.0.0.1', 8000)\n", Some(Other::AddressInUse));
        check(
            "Error: listen EADDRINUSE: address already in use :::3000\n    at Server\n",
            Some(Other::AddressInUse),
        );
        check(&format!("address already in use\n{}", "later\n".repeat(5)), None);
        check("file not found\n", None);
    }
}
