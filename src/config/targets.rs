use std::collections::BTreeSet;
use std::path::Path;

use super::health::{headers, positive};
use super::load::Machine;
use super::prove;
use super::table::{Section, known_instead};
use super::value::Value;
use crate::spec::target::{BadWebhook, News, Target, Targets, Way, Webhook};
use crate::vocab::selection::Selection;

/// Reads `[notify.NAME]`: who is told of changes. Commands are looked up from the config file's directory.
pub(super) fn read(value: &Value<'_>, base: &Path, machine: Machine) -> Targets {
    if value.expect_table().is_none() {
        return Targets::new();
    }
    let target =
        |(name, _, value): (&str, _, Value<'_>)| Some((name.to_owned(), one(&value, base, machine)?));
    value.entries().into_iter().filter_map(target).collect()
}

fn one(value: &Value<'_>, base: &Path, machine: Machine) -> Option<Target> {
    let section = value.section()?;
    let way = way(&section, value, base, machine);
    let on = section.value("on").map_or_else(|| Some(Target::USUAL.into()), |value| on(&value));
    let services =
        section.value("services").map_or_else(|| Some(Selection::all()), |value| selection(&value));
    let timeout = section.value("timeout").map_or(Some(Target::TIMEOUT), |value| positive(&value));
    section.refuse_others("[notify]");
    Some(Target { way: way?, on: on?, services: services?, timeout: timeout? })
}

fn way(section: &Section<'_>, whole: &Value<'_>, base: &Path, machine: Machine) -> Option<Way> {
    let (command, webhook) = (section.value("command"), section.value("webhook"));
    let fields = section.value("headers");
    match (command, webhook) {
        (Some(line), None) => {
            let command = prove::command(&line, base, machine)?;
            if let Some(fields) = fields {
                fields.add("a command is given no header fields", "remove `headers`");
            }
            Some(Way::Command(command))
        }
        (None, Some(address)) => {
            let headers = fields.map(|fields| headers(&fields)).unwrap_or_default();
            let webhook = parse(&address)?;
            Some(Way::Webhook(Webhook { headers, ..webhook }))
        }
        (Some(_), Some(address)) => {
            address.add("`command` and `webhook` are two targets", "give each a section of its own");
            None
        }
        (None, None) => {
            whole.add("this target is told in no way", "add `command = \"…\"` or `webhook = \"http://…\"`");
            None
        }
    }
}

fn parse(address: &Value<'_>) -> Option<Webhook> {
    let text = address.text()?;
    let hint = |bad: BadWebhook| match bad {
        BadWebhook::Https => {
            format!("a command does: command = [\"curl\", \"-fsS\", \"--json\", \"@-\", \"{text}\"]")
        }
        BadWebhook::Unreadable => "write \"http://host:port/path\"".to_owned(),
    };
    text.parse().map_err(|bad: BadWebhook| address.add(bad.to_string(), hint(bad))).ok()
}

fn on(value: &Value<'_>) -> Option<BTreeSet<News>> {
    let words: Vec<&str> = News::all().map(News::word).collect();
    let news = |value: &Value<'_>| {
        let text = value.text()?;
        let found = News::all().find(|news| news.word() == text);
        if found.is_none() {
            value.add(format!("`{text}` is nothing that can be told"), known_instead(&text, &words));
        }
        found
    };
    let all: Vec<Option<News>> = value.members().iter().map(news).collect();
    all.into_iter().collect()
}

fn selection(value: &Value<'_>) -> Option<Selection> {
    let words: Vec<Option<String>> = value.members().iter().map(Value::text).collect();
    words.into_iter().collect::<Option<Vec<String>>>().map(Selection::of)
}

/// Notes targets that are told of services that are not there.
pub(super) fn refuse_unknown(value: &Value<'_>, targets: &Targets, fleet: &crate::spec::fleet::Fleet) {
    for (name, _, value) in value.entries() {
        let Some(target) = targets.get(name) else { continue };
        if let Err(unknown) = fleet.pick(&target.services) {
            let names: Vec<&str> = fleet.services().keys().map(|name| name.as_str()).collect();
            value.add(unknown.to_string(), known_instead(&unknown.word, &names));
        }
    }
}
