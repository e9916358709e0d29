use std::io::{self, BufRead, Write};

use serde::Serialize;

use super::failure::Failure;

/// Prints a line of data. A reader who has left (`| head`) ends the command quietly.
pub(super) fn line(text: &str) -> Result<(), Failure> {
    let mut out = anstream::stdout().lock();
    writeln!(out, "{text}").map_err(Failure::of_output)
}

/// Prints a value as one JSON document.
pub(super) fn json(value: &impl Serialize) -> Result<(), Failure> {
    let text =
        serde_json::to_string_pretty(value).map_err(|error| Failure::of_output(io::Error::other(error)))?;
    line(&text)
}

/// Prints a value as one line of JSON.
pub(super) fn json_line(value: &impl Serialize) -> Result<(), Failure> {
    let text = serde_json::to_string(value).map_err(|error| Failure::of_output(io::Error::other(error)))?;
    line(&text)
}

/// Talks: a line on standard error. Nobody listening is no failure.
pub(super) fn say(text: &str) {
    let mut err = anstream::stderr().lock();
    let _ = writeln!(err, "{text}");
}

/// Asks a yes-or-no question on the terminal; anything but a yes is a no.
pub(super) fn agrees(question: &str) -> bool {
    let _ = write!(io::stderr(), "{question} [y/N] ");
    let mut answer = String::new();
    let _ = io::stdin().lock().read_line(&mut answer);
    matches!(answer.trim(), "y" | "Y" | "yes")
}
