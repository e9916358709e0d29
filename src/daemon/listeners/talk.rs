/// What a listener says on its standard output, by the protocol of supervisord's event listeners.
#[derive(Debug)]
pub(super) struct Talk {
    stage: Stage,
    /// What has come and says nothing yet.
    pending: Vec<u8>,
}

/// What is to be said next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    /// `READY`.
    Acknowledged,
    /// Nothing: it waits for an event.
    Ready,
    /// `RESULT` with a length.
    Busy,
    /// So many bytes of a result.
    Answering(usize),
    /// Whatever it says means nothing any more.
    Lost,
}

/// What was said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Heard {
    /// It waits for an event.
    Ready,
    /// It has dealt with its event.
    Accepted,
    /// It has not, and gets it again.
    Rejected,
    /// It broke the protocol, and is not told of anything any more.
    Lost(String),
}

/// The longest line or result that is waited for.
const BYTES_MAX: usize = 64 * 1024;

const READY: &[u8] = b"READY\n";

/// What stands before a result's length.
const RESULT: &[u8] = b"RESULT ";

impl Talk {
    pub(super) fn new() -> Self {
        Self { stage: Stage::Acknowledged, pending: Vec::new() }
    }

    /// It was sent an event.
    pub(super) fn sent(&mut self) {
        assert!(self.stage == Stage::Ready, "an event goes to a listener that waits for one");
        self.stage = Stage::Busy;
    }

    /// Takes what it wrote.
    pub(super) fn hear(&mut self, bytes: &[u8]) -> Vec<Heard> {
        self.pending.extend_from_slice(bytes);
        let mut heard = Vec::new();
        while let Some(said) = self.next() {
            heard.extend(said);
        }
        if self.pending.len() > BYTES_MAX {
            heard.push(self.lose("it writes without end"));
        }
        heard
    }

    /// The next thing that is said as a whole: something, or a step on the way to it. None if more has to come.
    fn next(&mut self) -> Option<Option<Heard>> {
        match self.stage {
            Stage::Lost => {
                self.pending.clear();
                None
            }
            Stage::Acknowledged if self.pending.len() < READY.len() => None,
            Stage::Acknowledged => Some(Some(if self.pending.starts_with(READY) {
                self.pending.drain(..READY.len());
                self.stage = Stage::Ready;
                Heard::Ready
            } else {
                self.lose("it says something else than READY")
            })),
            Stage::Ready if self.pending.is_empty() => None,
            Stage::Ready => Some(Some(self.lose("it writes while it waits for an event"))),
            Stage::Busy => {
                let end = self.pending.iter().position(|byte| *byte == b'\n')?;
                let line: Vec<u8> = self.pending.drain(..=end).collect();
                let length = line.get(RESULT.len()..).and_then(|rest| std::str::from_utf8(rest).ok());
                match length.and_then(|text| text.trim().parse().ok()) {
                    Some(length) => {
                        self.stage = Stage::Answering(length);
                        Some(None)
                    }
                    None => {
                        let line = String::from_utf8_lossy(&line).trim_end().to_owned();
                        Some(Some(self.lose(&format!("`{line}` is no result line"))))
                    }
                }
            }
            Stage::Answering(length) if self.pending.len() < length => None,
            Stage::Answering(length) => {
                let result: Vec<u8> = self.pending.drain(..length).collect();
                self.stage = Stage::Acknowledged;
                Some(Some(if result == b"OK" { Heard::Accepted } else { Heard::Rejected }))
            }
        }
    }

    fn lose(&mut self, why: &str) -> Heard {
        self.stage = Stage::Lost;
        self.pending.clear();
        Heard::Lost(why.to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::{Heard, Talk};

    /// Everything that is said in pieces, with an event sent whenever one is waited for.
    fn check(pieces: &[&str], expected: &[Heard]) {
        let mut talk = Talk::new();
        let mut heard = Vec::new();
        for piece in pieces {
            for said in talk.hear(piece.as_bytes()) {
                if said == Heard::Ready {
                    talk.sent();
                }
                heard.push(said);
            }
        }
        assert_eq!(heard, expected, "{pieces:?}");
    }

    fn lost(why: &str) -> Heard {
        Heard::Lost(why.to_owned())
    }

    #[test]
    fn results_are_heard_however_they_are_cut() {
        use Heard::{Accepted, Ready, Rejected};
        check(&["READY\n", "RESULT 2\nOK", "READY\n"], &[Ready, Accepted, Ready]);
        check(&["REA", "DY\n", "RES", "ULT 2\n", "O", "KREADY\n"], &[Ready, Accepted, Ready]);
        check(&["READY\n", "RESULT 4\nFAIL"], &[Ready, Rejected]);
        check(&["READY\n", "RESULT 0\n"], &[Ready, Rejected]);
    }

    #[test]
    fn who_breaks_the_protocol_is_lost() {
        check(&["hello\n"], &[lost("it says something else than READY")]);
        check(
            &["READY\n", "RESULT two\n", "READY\n"],
            &[Heard::Ready, lost("`RESULT two` is no result line")],
        );
        let newline = ["READY\n", "RESULT 2\nOK\n", "READY\n"];
        check(&newline, &[Heard::Ready, Heard::Accepted, lost("it says something else than READY")]);
        let mut talk = Talk::new();
        assert_eq!(talk.hear(b"READY\nx"), [Heard::Ready, lost("it writes while it waits for an event")]);
        let endless = "x".repeat(super::BYTES_MAX + 1);
        check(&["READY\n", &endless], &[Heard::Ready, lost("it writes without end")]);
    }
}
