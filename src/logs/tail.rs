use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::path::Path;

use super::printable::printable;

/// The last `count` lines of a file, fit for people, oldest first; never more than the last `bytes_max` bytes are read.
/// A line that begins before those is given without its beginning.
pub fn last_lines(path: &Path, count: usize, bytes_max: u64) -> io::Result<Vec<String>> {
    let mut file = File::open(path)?;
    let size = file.metadata()?.len();
    file.seek(SeekFrom::Start(size.saturating_sub(bytes_max)))?;
    let mut bytes = Vec::new();
    file.take(bytes_max).read_to_end(&mut bytes)?;
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
        let check = |text: &[u8], count, bytes, expected: &[&str]| {
            std::fs::write(&path, text).unwrap();
            assert_eq!(last_lines(&path, count, bytes).unwrap(), expected);
        };
        check(b"", 3, 100, &[]);
        check(b"a\nb\nc\n", 2, 100, &["b", "c"]);
        check(b"a\nb\nc", 5, 100, &["a", "b", "c"]);
        check(b"a\n\n", 2, 100, &["a", ""]);
        check(b"0123456789\n", 1, 4, &["789"]);
        check(b"\x1b[31mred\xff\t.\r\n", 1, 100, &["\\u{1b}[31mred\u{fffd}\t."]);
    }
}
