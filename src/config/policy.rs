use super::scope::Knowledge;
use super::table::Room;
use super::value::Value;
use crate::spec::policy::Backoff;
use crate::vocab::port::Port;

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

/// The ports that a service declares, and whether they are all.
pub(super) struct Ports {
    pub(super) list: Vec<Port>,
    pub(super) knowledge: Knowledge,
}
