use std::sync::Arc;

use super::boot::keep_applied;
use super::engine::Engine;
use super::orders::deadline;
use crate::config::change;
use crate::machine::event::{Command, Event, Verb};
use crate::machine::ticket::TicketId;
use crate::protocol::command::ScaleOrder;
use crate::protocol::problem::{Kind, Problem};
use crate::spec::replicas::Replica;
use crate::vocab::name::ServiceName;

impl Engine {
    /// Gives services other counts of replicas. What is more or less than before is all that is touched.
    pub(super) fn scale(&mut self, ticket: TicketId, order: &ScaleOrder) -> Result<Command, Problem> {
        for (name, count) in &order.replicas {
            self.prove_count(name, *count)?;
        }
        let fresh = self.fleet.spec().scaled(&order.replicas).map_err(|problems| {
            let words: Vec<String> = problems.iter().map(ToString::to_string).collect();
            Problem {
                kind: Kind::ConfigForbids,
                what: format!("cannot scale: {}", words.join("; ")),
                hint: Some("`procman help scale` says what replicas may share".to_owned()),
            }
        })?;
        let difference = change::difference(self.fleet.spec(), &fresh);
        for service in difference.added.iter().filter_map(|name| fresh.service(name)) {
            self.declare_channels_of(service);
        }
        self.applied.counts.extend(order.replicas.clone());
        keep_applied(&self.paths, &self.applied);
        if !difference.is_empty() {
            self.watch_files(&fresh);
            let fresh = Arc::new(fresh);
            self.feed(Event::Reconfigured(Arc::clone(&fresh)));
            self.keep_targets(&fresh);
            self.keep_schedules(&fresh);
        }
        let services = difference.added.into_iter().chain(difference.removed).collect();
        Ok(Command { ticket, verb: Verb::Fit, services, deadline: deadline(order.timeout_ms) })
    }

    fn prove_count(&self, name: &ServiceName, count: u32) -> Result<(), Problem> {
        let is_declared = self.fleet.spec().service(name).is_some_and(|it| it.replica.number == 1);
        if !is_declared {
            return Err(Problem {
                kind: Kind::NoSuchService,
                what: format!("cannot scale `{name}`: the config declares no such service"),
                hint: Some(
                    "`procman status` lists them; replicas are scaled by the name of the first".to_owned(),
                ),
            });
        }
        if (1..=Replica::COUNT_MAX).contains(&count) {
            return Ok(());
        }
        Err(Problem {
            kind: Kind::ConfigForbids,
            what: format!(
                "cannot scale `{name}` to {count}: a service has 1 to {} replicas",
                Replica::COUNT_MAX
            ),
            hint: Some(format!("`procman stop {name}` stops all of them")),
        })
    }
}
