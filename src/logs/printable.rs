use std::borrow::Cow;

/// A line as people can read it: bytes that are not UTF-8 become U+FFFD, control characters are escaped so that no line
/// can drive the terminal, a carriage return at the end is dropped, and tabs stay.
pub fn printable(line: &[u8]) -> Cow<'_, str> {
    let line = line.strip_suffix(b"\r").unwrap_or(line);
    let text = String::from_utf8_lossy(line);
    // Nearly every line is of such bytes alone, and the loop that sees it looks at many at once.
    let is_plain = text.bytes().fold(true, |is_plain, byte| is_plain & (0x20..0x7f).contains(&byte));
    if is_plain || !text.chars().any(|c| c.is_control() && c != '\t') {
        return text;
    }
    let printable = text.chars().fold(String::with_capacity(text.len() + 16), |mut printable, c| {
        if c.is_control() && c != '\t' {
            printable.extend(c.escape_default())
        } else {
            printable.push(c)
        }
        printable
    });
    Cow::Owned(printable)
}
