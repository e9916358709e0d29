use std::fs::File;
use std::io::{self, BufRead, BufReader, IsTerminal, Write};
use std::os::fd::AsFd;

use nix::sys::termios::{LocalFlags, SetArg, tcgetattr, tcsetattr};

use super::interrupts::Interrupts;
use super::python::Trouble;

/// Who is talked to.
pub(super) trait Person {
    /// Prints a line. Everything that supervisorctl says is data.
    fn say(&mut self, line: &str);

    /// Asks for a line.
    ///
    /// # Errors
    /// [`Trouble::EndOfInput`] or [`Trouble::Interrupted`].
    fn ask(&mut self, question: &str) -> Result<String, Trouble>;

    /// Asks for a line that is not shown while it is typed.
    ///
    /// # Errors
    /// As [`Person::ask`].
    fn ask_secret(&mut self, question: &str) -> Result<String, Trouble>;
}

/// Whoever sits at standard input and output.
pub(super) struct AtStandardStreams {
    interrupts: Interrupts,
    /// Standard input with what was read of it beyond the last line.
    input: BufReader<File>,
}

impl AtStandardStreams {
    /// A duplicate of the descriptor, for the standard library keeps a buffer of its own that cannot be looked into.
    pub(super) fn new(interrupts: Interrupts) -> io::Result<Self> {
        let input = io::stdin().as_fd().try_clone_to_owned()?;
        Ok(Self { interrupts, input: BufReader::new(File::from(input)) })
    }
}

impl Person for AtStandardStreams {
    fn say(&mut self, line: &str) {
        print(format!("{line}\n").as_bytes());
    }

    fn ask(&mut self, question: &str) -> Result<String, Trouble> {
        print(question.as_bytes());
        if self.input.buffer().is_empty() && self.interrupts.come_before(self.input.get_ref()) {
            return Err(Trouble::Interrupted);
        }
        let mut line = Vec::new();
        match self.input.read_until(b'\n', &mut line) {
            Ok(0) | Err(_) => Err(Trouble::EndOfInput),
            Ok(_) => {
                if line.last() == Some(&b'\n') {
                    line.pop();
                }
                Ok(String::from_utf8_lossy(&line).into_owned())
            }
        }
    }

    fn ask_secret(&mut self, question: &str) -> Result<String, Trouble> {
        let stdin = io::stdin();
        let before = if stdin.is_terminal() { tcgetattr(&stdin).ok() } else { None };
        let Some(before) = before else { return self.ask(question) };
        let mut hidden = before.clone();
        hidden.local_flags.remove(LocalFlags::ECHO);
        // A terminal that cannot hide what is typed is no place to type a secret.
        tcsetattr(&stdin, SetArg::TCSAFLUSH, &hidden).map_err(|_| Trouble::EndOfInput)?;
        let line = self.ask(question);
        let _ = tcsetattr(&stdin, SetArg::TCSAFLUSH, &before);
        print(b"\n");
        line
    }
}

/// Prints to standard output at once. A reader who has left hears nothing more, and that is all.
pub(super) fn print(bytes: &[u8]) {
    let mut out = io::stdout().lock();
    let _ = out.write_all(bytes).and_then(|()| out.flush());
}
