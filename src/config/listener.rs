use std::collections::BTreeSet;

use super::table::{Section, known_instead};
use crate::spec::listener::{EventType, Listener};
use crate::vocab::name::ServiceName;

/// Reads `listener = { … }`.
pub(super) fn read(section: &Section<'_>, name: &ServiceName) -> Option<Listener> {
    let whole = section.value("listener")?;
    let section = whole.section()?;
    let asked = section.value("events").map(|value| value.members()).unwrap_or_default();
    if asked.is_empty() {
        whole.add("this listener is told of nothing", "add `events = [\"PROCESS_STATE\"]`");
    }
    let mut events = BTreeSet::new();
    for value in asked {
        let Some(text) = value.text() else { continue };
        match EventType::named(&text) {
            Some(named) => events.extend(named),
            None => {
                let known: Vec<&str> = EventType::names().collect();
                value.add(format!("there is no event `{text}`"), known_instead(&text.to_uppercase(), &known));
            }
        }
    }
    let buffer_size = section.integer("buffer_size", 1..1 << 20).and_then(|size| usize::try_from(size).ok());
    let pool = section.text("pool").map(|(pool, _)| pool);
    section.refuse_others("listener");
    Some(Listener {
        events,
        pool: pool.unwrap_or_else(|| name.to_string()),
        buffer_size: buffer_size.unwrap_or(Listener::BUFFER_SIZE),
    })
}
