use std::fmt::Write;

use crate::daemon::engine::Engine;
use crate::logs::tap::{Heard, Part};
use crate::spec::listener::EventType;
use crate::vocab::stream::Stream;

impl Engine {
    /// Before listeners are told that a process has ended, they are told what it said.
    pub(in crate::daemon) fn tell_what_was_heard(&mut self) {
        while let Ok(heard) = self.heard.try_recv() {
            self.tell_of_output(&heard);
        }
    }

    /// Tells listeners of what a process wrote.
    pub(in crate::daemon) fn tell_of_output(&mut self, heard: &Heard) {
        if self.switchboard.is_idle() {
            return;
        }
        let (name, stream) = (&heard.key.service, heard.key.stream);
        let Some(service) = self.fleet.services().get(name) else { return };
        let live = service.phase().live().map(|live| live.identity.pid.as_raw());
        let pid = live.unwrap_or_else(|| self.switchboard.last_pid(name));
        let unit = self.roster.unit(service.spec());
        let who = format!("processname:{} groupname:{} pid:{pid}", unit.process, unit.group);
        for part in &heard.parts {
            let (event, payload) = words(part, stream, &who);
            self.switchboard.tell(event, payload);
        }
    }
}

fn words(part: &Part, stream: Stream, who: &str) -> (EventType, String) {
    match (part, stream) {
        (Part::Written(data), Stream::Stdout) => {
            (EventType::ProcessLogStdout, format!("{who} channel:stdout\n{}", text(data)))
        }
        (Part::Written(data), Stream::Stderr) => {
            (EventType::ProcessLogStderr, format!("{who} channel:stderr\n{}", text(data)))
        }
        (Part::Captured(data), Stream::Stdout) => {
            (EventType::ProcessCommunicationStdout, format!("{who}\n{}", text(data)))
        }
        (Part::Captured(data), Stream::Stderr) => {
            (EventType::ProcessCommunicationStderr, format!("{who}\n{}", text(data)))
        }
    }
}

/// Text as it is, and anything else as Python writes bytes, as supervisord has it.
fn text(data: &[u8]) -> String {
    std::str::from_utf8(data).map_or_else(|_| format!("Undecodable: {}", python_bytes(data)), str::to_owned)
}

fn python_bytes(data: &[u8]) -> String {
    let quote = if data.contains(&b'\'') && !data.contains(&b'"') { '"' } else { '\'' };
    let mut text = format!("b{quote}");
    for byte in data {
        match char::from(*byte) {
            '\n' => text.push_str("\\n"),
            '\r' => text.push_str("\\r"),
            '\t' => text.push_str("\\t"),
            '\\' => text.push_str("\\\\"),
            it if it == quote => text.extend(['\\', quote]),
            it @ ' '..='~' => text.push(it),
            _ => drop(write!(text, "\\x{byte:02x}")),
        }
    }
    text.push(quote);
    text
}

#[cfg(test)]
mod tests {
    use super::text;

    #[test]
    fn what_is_no_text_is_told_as_python_writes_bytes() {
        let check = |data: &[u8], expected: &str| assert_eq!(text(data), expected);
        check("grün\n".as_bytes(), "grün\n");
        check(b"\x88\n\r\t\\a~\x7f", r"Undecodable: b'\x88\n\r\t\\a~\x7f'");
        check(b"\xff'", r#"Undecodable: b"\xff'""#);
        check(b"\xff'\"", r#"Undecodable: b'\xff\'"'"#);
    }
}
