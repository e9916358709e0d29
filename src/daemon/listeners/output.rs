use std::fmt::Write;

use tokio::sync::mpsc;

use crate::daemon::engine::Engine;
use crate::logs::tap::{Heard, Part};
use crate::spec::listener::EventType;
use crate::spec::supervisor::Copies;
use crate::vocab::stream::Stream;

impl Engine {
    /// Before listeners are told that a process has ended, they are told what it said.
    pub(in crate::daemon) fn tell_what_was_heard(&mut self) {
        for heard in at_hand(&mut self.heard) {
            self.tell_of_output(&heard);
        }
    }

    /// Tells listeners of what a process wrote, and the own log, as far as each is to be told.
    pub(in crate::daemon) fn tell_of_output(&mut self, heard: &Heard) {
        let (name, stream) = (&heard.key.service, heard.key.stream);
        let Some(service) = self.fleet.services().get(name) else { return };
        if self.fleet.spec().supervisor().log.copies == Copies::All {
            copy(&self.roster.unit(service.spec()).process, heard);
        }
        if self.switchboard.is_idle() {
            return;
        }
        let logs = &service.spec().logs;
        let is_told = match stream {
            Stream::Stdout => logs.stdout_events.log,
            Stream::Stderr => logs.stderr_events.log,
        };
        let live = service.phase().live().map(|live| live.identity.pid.as_raw());
        let pid = live.unwrap_or_else(|| self.switchboard.last_pid(name));
        let unit = self.roster.unit(service.spec());
        let who = format!("processname:{} groupname:{} pid:{pid}", unit.process, unit.group);
        let is_for_them = |part: &&Part| is_told || matches!(part, Part::Captured(_));
        for part in heard.parts.iter().filter(is_for_them) {
            let (event, payload) = words(part, stream, &who);
            self.switchboard.tell(event, payload);
        }
    }
}

/// What a process wrote, in the own log, in supervisord's words.
fn copy(process: &str, heard: &Heard) {
    let stream = match heard.key.stream {
        Stream::Stdout => "stdout",
        Stream::Stderr => "stderr",
    };
    for part in &heard.parts {
        match part {
            Part::Written(data) => tracing::debug!("'{process}' {stream} output:\n{}", text(data)),
            Part::Captured(_) => tracing::debug!("'{process}' {stream} emitted a comm event"),
        }
    }
}

/// What is in the queue at this moment, in which all is that a run wrote whose end is told. Others go on writing: an end of
/// the queue may never come.
fn at_hand<T>(queue: &mut mpsc::Receiver<T>) -> Vec<T> {
    (0..queue.len()).map_while(|_| queue.try_recv().ok()).collect()
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
    use super::{at_hand, text};
    use tokio::sync::mpsc;

    #[test]
    fn who_goes_on_writing_does_not_hold_up_the_end_of_a_run() {
        let (sender, mut queue) = mpsc::channel(1);
        assert_eq!(at_hand(&mut queue), [] as [(); 0]);
        let refill = std::thread::spawn(move || {
            while !sender.is_closed() {
                let _ = sender.try_send(());
            }
        });
        // It writes.
        assert_eq!(queue.blocking_recv(), Some(()));
        for _ in 0..100_000 {
            assert!(at_hand(&mut queue).len() <= 1);
        }
        drop(queue);
        refill.join().unwrap();
    }

    #[test]
    fn what_is_no_text_is_told_as_python_writes_bytes() {
        let check = |data: &[u8], expected: &str| assert_eq!(text(data), expected);
        check("grün\n".as_bytes(), "grün\n");
        check(b"\x88\n\r\t\\a~\x7f", r"Undecodable: b'\x88\n\r\t\\a~\x7f'");
        check(b"\xff'", r#"Undecodable: b"\xff'""#);
        check(b"\xff'\"", r#"Undecodable: b'\xff\'"'"#);
    }
}
