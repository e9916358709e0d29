use std::fs;
use std::path::Path;

use regex::Regex;

/// The files that a pattern of `[include]` means, sorted, as Python's `glob.glob` finds them: `*`, `?` and `[…]` stand
/// for what no slash and no leading dot is in, and `**` is not special.
pub(super) fn find(pattern: &str) -> Vec<String> {
    let mut found = walk(pattern);
    found.sort();
    found
}

fn walk(pattern: &str) -> Vec<String> {
    let (head, base) = pattern.rfind('/').map_or(("", pattern), |slash| pattern.split_at(slash + 1));
    if !has_magic(pattern) {
        let is_there =
            Path::new(pattern).symlink_metadata().is_ok() && (!base.is_empty() || Path::new(head).is_dir());
        return if is_there { vec![pattern.to_owned()] } else { Vec::new() };
    }
    let stripped = head.trim_end_matches('/');
    let directories: Vec<String> = if has_magic(stripped) {
        walk(stripped).into_iter().map(|directory| format!("{directory}/")).collect()
    } else {
        vec![head.to_owned()]
    };
    directories.iter().flat_map(|directory| inside(directory, base)).collect()
}

/// What one directory, named with its slash, has for the last part of a pattern.
fn inside(directory: &str, base: &str) -> Vec<String> {
    if !has_magic(base) {
        let path = format!("{directory}{base}");
        return if Path::new(&path).symlink_metadata().is_ok() { vec![path] } else { Vec::new() };
    }
    let Some(pattern) = translate(base) else { return Vec::new() };
    let entries = fs::read_dir(if directory.is_empty() { "." } else { directory }).into_iter().flatten();
    let names = entries.filter_map(|entry| entry.ok()?.file_name().into_string().ok());
    let visible = names.filter(|name| base.starts_with('.') || !name.starts_with('.'));
    visible.filter(|name| pattern.is_match(name)).map(|name| format!("{directory}{name}")).collect()
}

fn has_magic(pattern: &str) -> bool {
    pattern.contains(['*', '?', '['])
}

/// The pattern as Python's `fnmatch` reads it.
fn translate(pattern: &str) -> Option<Regex> {
    let mut regex = String::from("(?s)^");
    let mut rest = pattern;
    while let Some(c) = rest.chars().next() {
        rest = &rest[c.len_utf8()..];
        match c {
            '*' => regex.push_str(".*"),
            '?' => regex.push('.'),
            '[' => match set(rest) {
                Some((set, behind)) => {
                    regex.push_str(&set);
                    rest = behind;
                }
                None => regex.push_str("\\["),
            },
            c => regex.push_str(&regex::escape(&c.to_string())),
        }
    }
    regex.push('$');
    Regex::new(&regex).ok()
}

/// `[…]` without its opening bracket, and what is behind it.
fn set(rest: &str) -> Option<(String, &str)> {
    let negated = rest.strip_prefix('!');
    let inner = negated.unwrap_or(rest);
    // A bracket that comes first is a member.
    let from = usize::from(inner.starts_with(']'));
    let end = from + inner[from..].find(']')?;
    let members: String =
        inner[..end]
            .chars()
            .map(|c| {
                if matches!(c, '\\' | '[' | ']' | '^' | '&' | '~') { format!("\\{c}") } else { c.to_string() }
            })
            .collect();
    Some((format!("[{}{members}]", if negated.is_some() { "^" } else { "" }), &inner[end + 1..]))
}

#[cfg(test)]
mod tests {
    use super::find;
    use std::fs;

    #[test]
    fn a_pattern_finds_what_python_would_find() {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path().canonicalize().unwrap();
        for name in ["a/1.conf", "a/2.conf", "a/.hidden.conf", "b/3.conf", "b/c/4.conf", "a/x[1].conf"] {
            let file = root.join(name);
            fs::create_dir_all(file.parent().unwrap()).unwrap();
            fs::write(file, "").unwrap();
        }
        let root = root.to_str().unwrap();
        let check = |pattern: &str, expected: &[&str]| {
            let expected: Vec<String> = expected.iter().map(|name| format!("{root}/{name}")).collect();
            assert_eq!(find(&format!("{root}/{pattern}")), expected, "{pattern}");
        };
        check("a/*.conf", &["a/1.conf", "a/2.conf", "a/x[1].conf"]);
        check("a/.*.conf", &["a/.hidden.conf"]);
        check("*/?.conf", &["a/1.conf", "a/2.conf", "b/3.conf"]);
        check("a/[!1].conf", &["a/2.conf"]);
        check("a/[12].conf", &["a/1.conf", "a/2.conf"]);
        check("./b/3.conf", &["./b/3.conf"]);
        check("**/*.conf", &["a/1.conf", "a/2.conf", "a/x[1].conf", "b/3.conf"]);
        check("a/x[[]1].conf", &["a/x[1].conf"]);
        check("none/*.conf", &[]);
        check("none.conf", &[]);
    }
}
