use std::collections::BTreeMap;
use std::ops::Range;

/// One service on its way into a services.toml: its keys with their values as they are written.
#[derive(Debug, Clone)]
pub(super) struct Table {
    pub(super) name: String,
    /// What its author said of it.
    pub(super) comments: Vec<String>,
    pub(super) keys: Vec<(&'static str, String)>,
}

impl Table {
    pub(super) fn set(&mut self, key: &'static str, value: String) {
        self.keys.push((key, value));
    }

    fn get(&self, key: &str) -> Option<&String> {
        self.keys.iter().find(|(name, _)| *name == key).map(|(_, value)| value)
    }
}

/// Keys that are written once, in `[defaults]`, where all services have the same.
const SHARED: [&str; 12] = [
    "priority",
    "user",
    "umask",
    "restart",
    "backoff",
    "min_uptime",
    "stop_signal",
    "stop_asks",
    "stop_timeout",
    "autostart",
    "stdin",
    "log",
];

/// Moves what all tables say alike out of them.
fn share(tables: &mut [Table]) -> Vec<(&'static str, String)> {
    if tables.len() < 2 {
        return Vec::new();
    }
    let alike = SHARED.into_iter().filter_map(|key| {
        let value = tables.first()?.get(key)?;
        tables.iter().all(|table| table.get(key) == Some(value)).then(|| (key, value.clone()))
    });
    let shared: Vec<_> = alike.collect();
    for table in tables {
        table.keys.retain(|(key, _)| shared.iter().all(|(name, _)| name != key));
    }
    shared
}

/// The tables as text behind `head`, and where each of them is in it.
pub(super) fn whole(head: String, mut tables: Vec<Table>) -> (String, Vec<Range<usize>>) {
    let shared = share(&mut tables);
    let mut text = head;
    if !shared.is_empty() {
        text.push_str(&format!("[defaults]\n{}\n", lines(&shared)));
    }
    let mut spans = Vec::new();
    for table in &tables {
        let start = text.len();
        for comment in &table.comments {
            text.push_str(&format!("# {comment}\n"));
        }
        text.push_str(&format!("[services.{}]\n{}\n", key(&table.name), lines(&table.keys)));
        spans.push(start..text.len());
    }
    let end = text.trim_end().len();
    text.truncate(end);
    text.push('\n');
    (text, spans)
}

/// A service's name as a key: one with a dot is quoted.
fn key(name: &str) -> String {
    if name.contains('.') { format!("\"{name}\"") } else { name.to_owned() }
}

/// `key = value` lines.
fn lines(keys: &[(&'static str, String)]) -> String {
    keys.iter().map(|(key, value)| format!("{key} = {value}\n")).collect()
}

/// A string of TOML that is this text and no variable: `$` is doubled.
pub(super) fn quoted(text: &str) -> String {
    let mut written = String::from('"');
    for c in text.chars() {
        match c {
            '"' | '\\' => written.extend(['\\', c]),
            '$' => written.push_str("$$"),
            '\n' => written.push_str("\\n"),
            '\t' => written.push_str("\\t"),
            c if c.is_control() => written.push_str(&format!("\\u{:04X}", u32::from(c))),
            c => written.push(c),
        }
    }
    written.push('"');
    written
}

/// An array of TOML on one line, of values as they are written.
pub(super) fn array(values: &[String]) -> String {
    format!("[{}]", values.join(", "))
}

/// A table of TOML on one line, of texts.
pub(super) fn inline_table(values: &BTreeMap<String, String>) -> String {
    let written = values.iter().map(|(name, value)| (name.clone(), quoted(value)));
    table(&written.collect::<Vec<_>>())
}

/// A table of TOML on one line, of values as they are written.
pub(super) fn table(values: &[(String, String)]) -> String {
    let is_bare = |key: &str| {
        !key.is_empty() && key.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '-'))
    };
    // A key is no value: no variable stands in it.
    let key = |key: &str| if is_bare(key) { key.to_owned() } else { quoted(key).replace("$$", "$") };
    let pairs: Vec<String> = values.iter().map(|(name, value)| format!("{} = {value}", key(name))).collect();
    format!("{{ {} }}", pairs.join(", "))
}

/// A duration of whole seconds; less than none is none.
pub(super) fn seconds(seconds: i64) -> String {
    format!("\"{}s\"", seconds.max(0))
}

/// A size; none at all means a file that is never set aside.
pub(super) fn size(bytes: i64) -> String {
    let units = [("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10)];
    let unit = units.iter().find(|(_, unit)| bytes % unit == 0);
    match (bytes, unit) {
        (..=0, _) => "\"1PiB\"".to_owned(),
        (bytes, Some((name, unit))) => format!("\"{}{name}\"", bytes / unit),
        (bytes, None) => format!("\"{bytes}B\""),
    }
}
