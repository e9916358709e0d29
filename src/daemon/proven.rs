use super::boot::{Boot, BootError, Config};
use super::groups;
use super::roster::Roster;
use crate::config::load::{self, Machine};
use crate::rundir::applied::Applied;
use crate::spec::fleet::Fleet;

/// The config as it is acted on, and the fleet that it makes. Counts of replicas that were asked for hold until the file
/// is applied again.
pub(super) fn prove(boot: &Boot) -> Result<Proven, BootError> {
    let before = Applied::read(&boot.paths);
    let (text, fleet) = prove_text(boot, before.as_ref())?;
    let before = before.unwrap_or_default();
    let roster = Roster::of(&text, &boot.path, &boot.environment);
    let patched = match boot.config {
        Config::AsApplied if before.text == text => Applied { text, ..before },
        Config::AsApplied | Config::File => Applied { text, counts: before.counts, ..Applied::default() },
    };
    let composed = groups::compose(&patched, (&fleet, &roster), &boot.path, &boot.environment);
    let (applied, (fleet, roster)) = match composed {
        Ok(composed) => (patched, composed.unwrap_or((fleet, roster))),
        Err(problems) => {
            tracing::warn!(problems, "cannot keep to the groups that were added and removed");
            let whole = Applied { text: patched.text, counts: patched.counts, ..Applied::default() };
            (whole, (fleet, roster))
        }
    };
    match fleet.scaled(&applied.counts) {
        Ok(fleet) => Ok(Proven { applied, fleet, roster }),
        Err(problems) => {
            let words: Vec<String> = problems.iter().map(ToString::to_string).collect();
            tracing::warn!(problems = words.join("; "), "cannot keep to the counts of replicas asked for");
            Ok(Proven { applied: Applied { counts: [].into(), ..applied }, fleet, roster })
        }
    }
}

/// A config as it is acted on.
pub(super) struct Proven {
    /// What the next supervisor goes by.
    pub(super) applied: Applied,
    /// What it makes.
    pub(super) fleet: Fleet,
    /// What its services are called.
    pub(super) roster: Roster,
}

fn prove_text(boot: &Boot, before: Option<&Applied>) -> Result<(String, Fleet), BootError> {
    if boot.config == Config::AsApplied {
        if let Some(Applied { text, .. }) = before {
            match load::prove(text, &boot.path, &boot.environment, Machine::Trusted) {
                Ok(fleet) => return Ok((text.clone(), fleet)),
                Err(problems) => {
                    tracing::warn!(%problems, "cannot go on with the config as it was; reading the file")
                }
            }
        }
    }
    let text = load::read_whole(&boot.path, &boot.environment).map_err(BootError::Config)?;
    let fleet =
        load::prove(&text, &boot.path, &boot.environment, Machine::Proven).map_err(BootError::Config)?;
    Ok((text, fleet))
}
