/// Lines of 100 bytes that begin with their number: the puppet writes them, and a test knows what comes next.
pub(crate) struct Numbered {
    line: [u8; Numbered::BYTES],
    is_first: bool,
}

const DIGITS: usize = 12;

impl Numbered {
    /// The length of a line, with its end.
    pub(crate) const BYTES: usize = 100;

    /// Lines from that number on.
    pub(crate) fn from(number: u64) -> Self {
        let mut line = [b'x'; Self::BYTES];
        line[..DIGITS].copy_from_slice(format!("{number:0DIGITS$}").as_bytes());
        line[Self::BYTES - 1] = b'\n';
        Self { line, is_first: true }
    }

    pub(crate) fn next_line(&mut self) -> &[u8] {
        if !std::mem::take(&mut self.is_first) {
            let nines = self.line[..DIGITS].iter().rev().take_while(|digit| **digit == b'9').count();
            self.line[DIGITS - nines..DIGITS].fill(b'0');
            self.line[DIGITS - nines - 1] += 1;
        }
        &self.line
    }
}
