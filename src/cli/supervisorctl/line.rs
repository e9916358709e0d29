use super::actions::table::{self, Action};
use super::help;
use super::python::Trouble;
use super::session::{Mode, Session, exits};

/// Whether another line is awaited.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Next {
    More,
    Leave,
    /// Somebody pressed Ctrl-C.
    Interrupted,
}

/// Does what a line says, as one action or none.
pub(super) fn run(session: &mut Session<'_>, line: &str) -> Next {
    let line = line.trim();
    if line.is_empty() {
        return Next::More;
    }
    let (word, rest) = split(line);
    match word {
        "EOF" | "quit" | "exit" => {
            session.say("");
            Next::Leave
        }
        "help" => {
            help::run(session, rest);
            Next::More
        }
        word => match Action::named(word) {
            Some(action) => act(session, action, rest, line),
            None => {
                session.fail(&format!("*** Unknown syntax: {line}"), exits::GENERIC);
                Next::More
            }
        },
    }
}

/// The word of letters, digits and underscores at the front, and what follows; `?` is help.
fn split(line: &str) -> (&str, &str) {
    if let Some(rest) = line.strip_prefix('?') {
        return ("help", rest.trim());
    }
    let end = line.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(line.len());
    (&line[..end], line[end..].trim())
}

/// An action that the server wants to know the author of asks a person who that is, and begins again; in a script it fails
/// a second time.
fn act(session: &mut Session<'_>, action: Action, rest: &str, line: &str) -> Next {
    let mut done = table::run(session, action, rest);
    if matches!(&done, Err(trouble) if trouble.is_unauthorized()) {
        session.fail("Server requires authentication", exits::GENERIC);
        done = match session.mode {
            Mode::Batch => table::run(session, action, rest),
            Mode::Interactive => match log_in(session) {
                Ok(()) => return run(session, line),
                Err(trouble) => Err(trouble),
            },
        };
    }
    match done {
        Ok(()) => Next::More,
        Err(Trouble::Interrupted) => Next::Interrupted,
        Err(trouble) => {
            session.fail(&trouble.line(), exits::GENERIC);
            Next::More
        }
    }
}

fn log_in(session: &mut Session<'_>) -> Result<(), Trouble> {
    let username = session.person.ask("Username:")?;
    let password = session.person.ask_secret("Password:")?;
    session.say("");
    session.server.log_in(username, password);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::split;

    #[test]
    fn the_action_is_the_word_at_the_front() {
        for (line, action, rest) in [
            ("status", "status", ""),
            ("tail -f x", "tail", "-f x"),
            ("stop-all", "stop", "-all"),
            ("?tail", "help", "tail"),
            ("!ls", "", "!ls"),
        ] {
            assert_eq!(split(line), (action, rest), "{line}");
        }
    }
}
