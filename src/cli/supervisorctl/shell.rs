use std::io::{self, IsTerminal};
use std::path::Path;

use rustyline::error::ReadlineError;
use rustyline::history::FileHistory;
use rustyline::{CompletionType, Config, Editor};

use super::complete::Names;
use super::line::{self, Next};
use super::options::Options;
use super::person::{AtStandardStreams, Person};
use super::python::Trouble;
use super::session::{Mode, Session};
use super::wire::Wire;

/// Does what is typed, line by line, until the end of the input, beginning with the status.
pub(super) fn run(options: &Options, wire: &mut Wire, person: &mut AtStandardStreams) {
    let prompt = format!("{}> ", options.prompt);
    let is_terminal = io::stdin().is_terminal() && io::stdout().is_terminal();
    let mut typed = match Typed::at_terminal(options.history.as_deref()) {
        Some(typed) if is_terminal => typed,
        Some(_) | None => Typed::Plainly,
    };
    let mut text = "status".to_owned();
    loop {
        wire.interrupts.forget();
        let mut session = Session { server: wire, person, mode: Mode::Interactive, exit: 0 };
        match line::run(&mut session, &text) {
            Next::More => (),
            Next::Leave => return,
            Next::Interrupted => return person.say(""),
        }
        text = match typed.next(&prompt, wire, person) {
            Ok(text) => text,
            Err(Trouble::Interrupted) => return person.say(""),
            Err(_) => "EOF".to_owned(),
        };
    }
}

/// Where lines come from.
enum Typed {
    /// A terminal, where they can be edited.
    Edited { editor: Box<Editor<Names, FileHistory>>, history: Option<std::path::PathBuf> },
    /// Anything else.
    Plainly,
}

impl Typed {
    fn at_terminal(history: Option<&Path>) -> Option<Self> {
        let config = Config::builder().auto_add_history(true).completion_type(CompletionType::List).build();
        let mut editor = Editor::<Names, FileHistory>::with_config(config).ok()?;
        // There is none before the first time.
        let _ = history.map(|file| editor.load_history(file));
        Some(Self::Edited { editor: Box::new(editor), history: history.map(Path::to_owned) })
    }

    fn next(&mut self, prompt: &str, wire: &Wire, person: &mut AtStandardStreams) -> Result<String, Trouble> {
        let Self::Edited { editor, history } = self else { return person.ask(prompt) };
        editor.set_helper(Some(Names::of(wire)));
        let line = match editor.readline(prompt) {
            Ok(line) => line,
            Err(ReadlineError::Interrupted) => return Err(Trouble::Interrupted),
            Err(_) => return Err(Trouble::EndOfInput),
        };
        // Kept line by line, so that nothing is lost with a terminal that is closed; a file that cannot be written is
        // no reason to stop.
        let _ = history.as_deref().map(|file| editor.append_history(file));
        Ok(line)
    }
}
