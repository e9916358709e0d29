use super::scope::Knowledge;
use super::table::{Room, Section};
use super::value::Value;
use crate::spec::policy::{Backoff, PortConflict};
use crate::vocab::port::Endpoint;

/// Reads `backoff = { … }`.
pub(super) fn backoff(value: &Value<'_>) -> Option<Backoff> {
    let section = value.section()?;
    let usual = Backoff::default();
    let factor = section.value("factor").map_or(Some(usual.factor), |value| {
        let factor = value.float()?;
        if factor < 1.0 {
            value.add(format!("a factor of {factor} lets the waits shrink"), "use 1 or more");
            return None;
        }
        Some(factor)
    });
    let retries = section.integer("max_retries", 0..1 << 32).and_then(|count| u32::try_from(count).ok());
    let backoff = Backoff {
        initial: section.duration("initial").unwrap_or(usual.initial),
        max: section.duration("max").unwrap_or(usual.max),
        factor: factor.unwrap_or(usual.factor),
        reset_after: section.duration("reset_after").unwrap_or(usual.reset_after),
        max_retries: retries.unwrap_or(usual.max_retries),
    };
    section.refuse_others(Room { name: "backoff", planned: &[] });
    Some(backoff)
}

/// Reads `on_port_conflict`.
pub(super) fn port_conflict(section: &Section<'_>) -> PortConflict {
    let Some((text, value)) = section.text("on_port_conflict") else { return PortConflict::default() };
    match text.as_str() {
        "wait" => PortConflict::Wait,
        "fail" => PortConflict::Fail,
        "flush" => PortConflict::Flush,
        other => {
            let what = format!("`{other}` is not what can happen when a port is taken");
            value.add(what, "use \"wait\", \"fail\" or \"flush\"");
            PortConflict::default()
        }
    }
}

/// The ports that a service declares, and whether they are all.
pub(super) struct Ports {
    pub(super) list: Vec<Endpoint>,
    pub(super) knowledge: Knowledge,
}
