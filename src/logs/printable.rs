/// A line as people can read it: bytes that are not UTF-8 become U+FFFD, control characters are escaped so that no line
/// can drive the terminal, a carriage return at the end is dropped, and tabs stay.
pub fn printable(line: &[u8]) -> String {
    let line = line.strip_suffix(b"\r").unwrap_or(line);
    let text = String::from_utf8_lossy(line);
    if !text.chars().any(|c| c.is_control() && c != '\t') {
        return text.into_owned();
    }
    text.chars().fold(String::with_capacity(text.len() + 16), |mut printable, c| {
        if c.is_control() && c != '\t' {
            printable.extend(c.escape_default())
        } else {
            printable.push(c)
        }
        printable
    })
}
