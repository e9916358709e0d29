use super::load::Places;
use super::table::Section;
use super::value::Value;
use crate::spec::graph::{Bond, Condition, Need, Needs};
use crate::vocab::name::ServiceName;

/// What a service depends on: `["db"]`, `{ db = "started" }` or `{ db = { condition = "started", required = false } }`.
pub(super) fn read(section: &Section<'_>, name: &ServiceName, places: &mut Places) -> Needs {
    let Some(value) = section.value("depends_on") else { return Needs::new() };
    let mut needs = Needs::new();
    let mut add = |word: Option<String>, need, value: Value<'_>| {
        let Some(needed) = word.and_then(|word| value.note(ServiceName::parse(&word))) else { return };
        places.needs.insert((name.clone(), needed.clone()), value.span());
        needs.insert(needed, need);
    };
    if value.table().is_some() {
        for (word, _, value) in value.entries() {
            // A condition that cannot be read leaves the name to be proven.
            add(value.expand(word), need(&value), value);
        }
    } else {
        for value in value.members() {
            add(value.text(), Need::hard(Condition::Ready), value);
        }
    }
    needs
}

fn need(value: &Value<'_>) -> Need {
    if value.table().is_none() {
        return Need::hard(condition(value).unwrap_or(Condition::Ready));
    }
    let Some(section) = value.section() else { return Need::hard(Condition::Ready) };
    let condition = section.value("condition").and_then(|value| condition(&value));
    let bond = if section.flag("required").unwrap_or(true) { Bond::Hard } else { Bond::Soft };
    section.refuse_others("a dependency");
    Need { condition: condition.unwrap_or(Condition::Ready), bond }
}

fn condition(value: &Value<'_>) -> Option<Condition> {
    let text = value.text()?;
    match text.as_str() {
        "ready" => Some(Condition::Ready),
        "started" => Some(Condition::Started),
        "completed" => Some(Condition::Completed),
        other => {
            value.add(format!("`{other}` is not a condition"), "use \"ready\", \"started\" or \"completed\"");
            None
        }
    }
}
