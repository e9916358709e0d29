use super::scope::Knowledge;
use super::table::Section;
use super::value::Value;
use crate::spec::policy::{Backoff, EarlyExit, Growth, PortConflict, Recovery};
use crate::vocab::port::Endpoint;

/// Reads `backoff = { … }`.
pub(super) fn backoff(value: &Value<'_>) -> Option<Backoff> {
    let section = value.section()?;
    let usual = Backoff::default();
    let growth = growth(&section);
    let early_exit = section.text("early_exit").and_then(|(text, value)| match text.as_str() {
        "judged" => Some(EarlyExit::Judged),
        "failed" => Some(EarlyExit::Failed),
        other => {
            let hint = "use \"judged\", or \"failed\" to try again whatever the exit code";
            value.add(format!("`{other}` is not what an early exit can be"), hint);
            None
        }
    });
    let retries = section.integer("max_retries", 0..1 << 32).and_then(|count| u32::try_from(count).ok());
    let backoff = Backoff {
        initial: section.duration("initial").unwrap_or(usual.initial),
        max: section.duration("max").unwrap_or(usual.max),
        growth: growth.unwrap_or(usual.growth),
        jitter: section.value("jitter").and_then(|value| value.share()).unwrap_or(usual.jitter),
        reset_after: section.duration("reset_after").unwrap_or(usual.reset_after),
        max_retries: retries.unwrap_or(usual.max_retries),
        early_exit: early_exit.unwrap_or(usual.early_exit),
    };
    section.refuse_others("backoff");
    Some(backoff)
}

fn growth(section: &Section<'_>) -> Option<Growth> {
    let factor = section.value("factor").map(|value| (value.float(), value));
    let shape = section.text("growth").and_then(|(text, value)| match text.as_str() {
        "linear" => Some(Growth::Linear),
        "exponential" => None,
        other => {
            value.add(format!("`{other}` is not a growth"), "use \"linear\" or \"exponential\"");
            None
        }
    });
    match (shape, factor) {
        (Some(Growth::Linear), Some((_, value))) => {
            value.add("waits that grow linearly have no factor", "remove `factor` or `growth`");
            None
        }
        (shape, None) => shape,
        (_, Some((Some(factor), value))) if factor < 1.0 => {
            value.add(format!("a factor of {factor} lets the waits shrink"), "use 1 or more");
            None
        }
        (_, Some((factor, _))) => factor.map(Growth::Factor),
    }
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

pub(super) fn recovery(section: &Section<'_>) -> Recovery {
    match section.flag("smooth_recovery") {
        Some(true) => Recovery::Smooth,
        Some(false) | None => Recovery::WithDependents,
    }
}
