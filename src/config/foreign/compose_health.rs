use super::compose_command::text;
use super::imported::Remark;
use super::yaml::{Data, Node};
use crate::config::writer::{self, quoted};

/// What the Compose Specification takes where a check says nothing.
const USUAL: [(&str, &str); 3] = [("interval", "30s"), ("timeout", "30s"), ("start_period", "0s")];

/// A `healthcheck` as the value of `health`; none if it is switched off, or its test is the image's own.
pub(super) fn read(name: &str, check: &Node, said: &mut Vec<Remark>) -> Option<String> {
    if check.get("disable").is_some_and(Node::is_true) {
        return None;
    }
    let mut remarks = Vec::new();
    let words = check.get("test").map(test)?;
    let Some(words) = words else {
        said.push(Remark::at(check.line, format!("{name}: has no check: its test is none that can be run")));
        return None;
    };
    if words.is_empty() {
        return None;
    }
    let words: Vec<String> = words.iter().map(|word| text(word, &mut remarks)).collect();
    let mut keys = vec![("exec".to_owned(), writer::array(&words))];
    for (key, usual) in USUAL {
        let asked = check.get(key).and_then(Node::text).unwrap_or(usual);
        keys.push((
            key.to_owned(),
            quoted(&duration(asked).unwrap_or_else(|| {
                remarks.push(format!("{key} is {usual}: `{asked}` is not understood"));
                usual.to_owned()
            })),
        ));
    }
    let retries = check.get("retries").and_then(Node::text).and_then(|text| text.parse::<u32>().ok());
    keys.insert(3, ("retries".to_owned(), retries.unwrap_or(3).max(1).to_string()));
    if check.get("start_interval").is_some() {
        remarks.push("`start_interval` is left out: the interval is the same from the start".to_owned());
    }
    said.extend(
        remarks.into_iter().map(|what| Remark::at(check.line, format!("{name}: healthcheck: {what}"))),
    );
    Some(writer::table(&keys))
}

/// The words of a test; none at all where there is no test, and none where they cannot be run.
fn test(node: &Node) -> Option<Vec<String>> {
    let by_shell = |script: &str| Some(["/bin/sh", "-c", script].map(str::to_owned).to_vec());
    let members = match &node.data {
        Data::Text(script) => return by_shell(script),
        Data::List(members) => members,
        Data::Nothing | Data::Table(_) => return None,
    };
    let words: Vec<&str> = members.iter().filter_map(Node::text).collect();
    match words.split_first()? {
        (&"NONE", _) => Some(Vec::new()),
        (&"CMD", words) if !words.is_empty() => Some(words.iter().map(|word| (*word).to_owned()).collect()),
        (&"CMD-SHELL", [script]) => by_shell(script),
        _ => None,
    }
}

/// A duration in its own words, if procman reads them too.
pub(super) fn duration(text: &str) -> Option<String> {
    humantime::parse_duration(text).ok().map(|_| text.to_owned())
}
