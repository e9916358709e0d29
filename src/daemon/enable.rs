use std::collections::BTreeSet;
use std::sync::Arc;

use super::engine::Engine;
use crate::machine::event::Event;
use crate::protocol::problem::Problem;
use crate::protocol::reply::{Report, ServiceResult, Verdict};
use crate::rundir::enabled;
use crate::vocab::enablement::Enablement;
use crate::vocab::name::ServiceName;
use crate::vocab::selection::Selection;

impl Engine {
    /// Notes whether services start by themselves at `up`; what runs and what rests stays so. Of replicas all are meant.
    pub(super) fn enable(
        &mut self,
        selection: &Selection,
        enablement: Enablement,
    ) -> Result<Report, Problem> {
        let names = self.pick(selection)?;
        let services = self.fleet.spec().services();
        let declared: BTreeSet<ServiceName> =
            names.iter().filter_map(|name| Some(services.get(name)?.replica.of.clone())).collect();
        let reason = match enabled::say(&self.paths, declared.iter(), enablement) {
            Ok(said) => {
                let fresh = self.fleet.spec().overruled(&said);
                self.feed(Event::Reconfigured(Arc::new(fresh)));
                None
            }
            Err(error) => Some(format!("cannot remember that in {}: {error}", self.paths.enabled.display())),
        };
        let verdict = if reason.is_none() { Verdict::Done } else { Verdict::Failed };
        let result = |service: ServiceName| ServiceResult {
            state: self.fleet.services()[&service].state(),
            service,
            verdict,
            reason: reason.clone(),
            stderr: Vec::new(),
        };
        Ok(Report { results: names.into_iter().map(result).collect() })
    }
}
