/// What `str.isspace` takes for white space: Unicode's own and four separators of ASCII.
pub(super) fn is_space(c: char) -> bool {
    c.is_whitespace() || ('\u{1c}'..='\u{1f}').contains(&c)
}

/// `str.strip`.
pub(super) fn strip(text: &str) -> &str {
    text.trim_matches(is_space)
}

/// `repr` of a string.
pub fn repr(text: &str) -> String {
    let quote = if text.contains('\'') && !text.contains('"') { '"' } else { '\'' };
    let mut written = String::from(quote);
    for c in text.chars() {
        match c {
            '\n' => written.push_str("\\n"),
            '\r' => written.push_str("\\r"),
            '\t' => written.push_str("\\t"),
            '\\' => written.push_str("\\\\"),
            c if c == quote => written.extend(['\\', c]),
            c if u32::from(c) < 0x20 || u32::from(c) == 0x7f => {
                written.push_str(&format!("\\x{:02x}", u32::from(c)));
            }
            c if ('\u{80}'..'\u{a1}').contains(&c) || c == '\u{ad}' => {
                written.push_str(&format!("\\x{:02x}", u32::from(c)));
            }
            '\u{feff}' | '\u{2028}' | '\u{2029}' => written.push_str(&format!("\\u{:04x}", u32::from(c))),
            c => written.push(c),
        }
    }
    written.push(quote);
    written
}

/// `int(text)`, in supervisord's words when it is none.
pub fn int(text: &str) -> Result<i64, String> {
    digits(text, 10).ok_or_else(|| format!("invalid literal for int() with base 10: {}", repr(text)))
}

/// `int(text, 8)`.
pub(super) fn octal(text: &str) -> Option<i64> {
    digits(text, 8)
}

fn digits(text: &str, radix: u32) -> Option<i64> {
    let text = strip(text);
    let (sign, magnitude) = match text.strip_prefix('-') {
        Some(rest) => ("-", rest),
        None => ("", text.strip_prefix('+').unwrap_or(text)),
    };
    let octal = (radix == 8).then(|| magnitude.strip_prefix("0o").or_else(|| magnitude.strip_prefix("0O")));
    // After a prefix, and there alone, an underscore may come first.
    let (magnitude, may_lead) = match octal.flatten() {
        Some(rest) => (rest, true),
        None => (magnitude, false),
    };
    let lone = magnitude.ends_with('_') || magnitude.contains("__");
    let leads = magnitude.starts_with('_') && !may_lead;
    if lone || leads || !magnitude.starts_with(|c: char| c.is_digit(radix) || c == '_') {
        return None;
    }
    i64::from_str_radix(&format!("{sign}{}", magnitude.replace('_', "")), radix).ok()
}

/// `os.path.normpath` of an absolute path, without looking at the file system.
pub(super) fn normal(path: &str) -> String {
    let mut parts: Vec<&str> = Vec::new();
    for part in path.split('/') {
        match part {
            "" | "." => (),
            ".." => {
                parts.pop();
            }
            part => parts.push(part),
        }
    }
    // POSIX leaves two slashes at the front, and Python keeps them.
    let front = if path.starts_with("//") && !path.starts_with("///") { "//" } else { "/" };
    format!("{front}{}", parts.join("/"))
}

/// `os.path.join` of two.
pub(super) fn join(base: &str, path: &str) -> String {
    if path.starts_with('/') || base.is_empty() {
        path.to_owned()
    } else if base.ends_with('/') {
        format!("{base}{path}")
    } else {
        format!("{base}/{path}")
    }
}

/// `os.path.dirname`.
pub(super) fn directory_of(path: &str) -> &str {
    let end = path.rfind('/').map_or(0, |slash| slash + 1);
    let head = &path[..end];
    if head.chars().all(|c| c == '/') { head } else { head.trim_end_matches('/') }
}

#[cfg(test)]
mod tests {
    use super::{directory_of, int, normal, octal, repr};

    #[test]
    fn a_text_is_shown_as_python_shows_it() {
        for (text, shown) in [
            ("a", "'a'"),
            ("it's", "\"it's\""),
            ("a'b\"c", "'a\\'b\"c'"),
            ("a\n\t\\", "'a\\n\\t\\\\'"),
            ("é", "'é'"),
            ("\u{7f}\u{feff}", "'\\x7f\\ufeff'"),
        ] {
            assert_eq!(repr(text), shown);
        }
    }

    #[test]
    fn a_number_is_what_python_takes_for_one() {
        for (text, number) in [("5", 5), (" 5\n", 5), ("+5", 5), ("-5", -5), ("1_000", 1000), ("007", 7)] {
            assert_eq!(int(text), Ok(number), "{text}");
        }
        for text in ["", "1.5", "5s", "_1", "1_", "1__0", "+-5", "0x1"] {
            assert!(int(text).is_err(), "{text}");
        }
        assert_eq!(int("x"), Err("invalid literal for int() with base 10: 'x'".to_owned()));
        assert_eq!([octal("022"), octal("0o22"), octal("9")], [Some(18), Some(18), None]);
    }

    #[test]
    fn a_path_is_normal_without_a_look_at_the_disk() {
        for (path, expected) in
            [("/a/./b/../c/", "/a/c"), ("/../a", "/a"), ("//a", "//a"), ("///a", "/a"), ("/", "/")]
        {
            assert_eq!(normal(path), expected, "{path}");
        }
        assert_eq!(["/a/b", "/a", "a", "/"].map(directory_of), ["/a", "/", "", "/"]);
    }
}
