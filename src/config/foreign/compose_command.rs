use super::variables;
use super::yaml::{Data, Node};
use crate::config::writer;

/// The command of a service as a value of a services.toml: `entrypoint` with `command` behind it, as docker has them. None
/// if there is none, or if it cannot be split into words.
pub(super) fn read(service: &Node, remarks: &mut Vec<String>) -> Option<String> {
    let [entrypoint, command] =
        ["entrypoint", "command"].map(|key| service.get(key).filter(|node| is_said(node)));
    if let (None, Some(Data::Text(line))) = (entrypoint, command.map(|node| &node.data)) {
        shlex::split(line)?;
        let line = line.trim().replace('\n', " ");
        return Some(text(&line, remarks));
    }
    let parts = entrypoint.into_iter().chain(command);
    let words: Vec<Vec<String>> = parts.map(words).collect::<Option<_>>()?;
    let written: Vec<String> = words.concat().iter().map(|word| text(word, remarks)).collect();
    (!written.is_empty()).then(|| writer::array(&written))
}

/// A text with its variables.
pub(super) fn text(text: &str, remarks: &mut Vec<String>) -> String {
    let value = variables::translate(text);
    remarks.extend(value.remarks);
    value.written
}

fn is_said(node: &Node) -> bool {
    match &node.data {
        Data::Nothing | Data::Table(_) => false,
        Data::Text(text) => !text.trim().is_empty(),
        Data::List(members) => !members.is_empty(),
    }
}

fn words(node: &Node) -> Option<Vec<String>> {
    match &node.data {
        Data::Text(line) => shlex::split(line),
        Data::List(members) => members.iter().map(|member| member.text().map(str::to_owned)).collect(),
        Data::Nothing | Data::Table(_) => None,
    }
}
