use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::path::Path;

use super::printable::printable;

/// The last `count` lines of a file from an offset on, fit for people, oldest first; of more than `bytes_max` bytes the last
/// ones are read. A line that begins before those has `…` in place of its beginning.
pub fn last_lines(path: &Path, from: u64, count: usize, bytes_max: u64) -> io::Result<Vec<String>> {
    let mut file = File::open(path)?;
    let begin = file.metadata()?.len().saturating_sub(bytes_max).max(from);
    let before = u64::from(begin > from);
    file.seek(SeekFrom::Start(begin - before))?;
    let mut bytes = Vec::new();
    file.take(bytes_max + before).read_to_end(&mut bytes)?;
    if before > 0 && !bytes.is_empty() {
        let mark = if bytes[0] == b'\n' { "" } else { "…" };
        bytes.splice(..1, mark.bytes());
    }
    Ok(last_lines_of(&bytes, count))
}

/// The last `count` lines of these bytes, fit for people, oldest first.
pub fn last_lines_of(bytes: &[u8], count: usize) -> Vec<String> {
    let text = bytes.strip_suffix(b"\n").unwrap_or(bytes);
    if text.is_empty() {
        return Vec::new();
    }
    let mut lines: Vec<String> =
        text.rsplit(|byte| *byte == b'\n').take(count).map(|line| printable(line).into_owned()).collect();
    lines.reverse();
    lines
}

#[cfg(test)]
mod tests {
    use super::last_lines;

    #[test]
    fn the_last_lines_come_out_in_order_and_fit_to_read() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("log");
        let check_from = |text: &[u8], from, count, bytes, expected: &[&str]| {
            std::fs::write(&path, text).unwrap();
            assert_eq!(last_lines(&path, from, count, bytes).unwrap(), expected);
        };
        let check =
            |text: &[u8], count, bytes, expected: &[&str]| check_from(text, 0, count, bytes, expected);
        check(b"", 3, 100, &[]);
        check(b"a\nb\nc\n", 2, 100, &["b", "c"]);
        check(b"a\nb\nc", 5, 100, &["a", "b", "c"]);
        check(b"a\n\n", 2, 100, &["a", ""]);
        check(b"0123456789\n", 1, 4, &["…789"]);
        check(b"0123456789\nab\n", 9, 5, &["…9", "ab"]);
        check(b"0123456789\nab\n", 9, 3, &["ab"]);
        check_from(b"0123456789\n", 7, 9, 4, &["789"]);
        check_from(b"0123456789\n", 11, 9, 4, &[]);
        check_from(b"cut short", 11, 9, 4, &[]);
        check(b"\x1b[31mred\xff\t.\r\n", 1, 100, &["\\u{1b}[31mred\u{fffd}\t."]);
    }
}
