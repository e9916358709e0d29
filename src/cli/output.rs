use std::io::{self, BufRead, BufWriter, StdoutLock, Write};

use serde::Serialize;

use super::failure::Failure;

/// Prints a line of data. A reader who has left (`| head`) ends the command quietly.
pub(super) fn line(text: &str) -> Result<(), Failure> {
    let mut out = anstream::stdout().lock();
    out.write_all(text.as_bytes()).and_then(|()| out.write_all(b"\n")).map_err(Failure::of_output)
}

/// Prints what may have colours, with the ends of its lines.
pub(super) fn text(text: &[u8]) -> Result<(), Failure> {
    let mut out = anstream::stdout().lock();
    out.write_all(text).and_then(|()| out.flush()).map_err(Failure::of_output)
}

/// Prints bytes as they are.
pub(super) fn bytes(bytes: &[u8]) -> Result<(), Failure> {
    let mut out = io::stdout().lock();
    out.write_all(bytes).and_then(|()| out.flush()).map_err(Failure::of_output)
}

/// Prints a value as one JSON document.
pub(super) fn json(value: &impl Serialize) -> Result<(), Failure> {
    write_json(|out| serde_json::to_writer_pretty(out, value))
}

/// Prints a value as one line of JSON.
pub(super) fn json_line(value: &impl Serialize) -> Result<(), Failure> {
    write_json(|out| serde_json::to_writer(out, value))
}

/// JSON writes control characters as escapes: there is no colour in it, and nobody has to look for any, which takes a third of
/// the time of a large status.
fn write_json(
    write: impl FnOnce(&mut BufWriter<StdoutLock<'_>>) -> serde_json::Result<()>,
) -> Result<(), Failure> {
    let mut out = BufWriter::with_capacity(64 * 1024, io::stdout().lock());
    let written = write(&mut out).map_err(io::Error::from);
    written.and_then(|()| out.write_all(b"\n")).and_then(|()| out.flush()).map_err(Failure::of_output)
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
