use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::time::Duration;

use super::holder::{self, Holder};
use super::verdict::{Ours, ancestors};
use crate::spec::supervisor::Supervisor;
use crate::sys::{clock, process, signal};
use crate::vocab::identity::{Identity, Pid};
use crate::vocab::name::ServiceName;
use crate::vocab::port::{Endpoint, Whose};
use crate::vocab::signal::Signal;

/// Which ports are to be freed, and how far one may go.
#[derive(Debug)]
pub struct Request<'a> {
    /// Each port, with the service it is assigned to if there is one.
    pub ports: BTreeMap<Endpoint, Option<ServiceName>>,
    /// What is known to be ours.
    pub ours: &'a Ours,
    /// Which ports are out of bounds.
    pub fence: &'a Supervisor,
    /// What becomes of a live service on its own port.
    pub own: Own,
    /// What becomes of a foreign listener.
    pub foreign: Foreign,
}

/// What becomes of a live service that listens on its own port.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Own {
    /// It is left alone.
    Spared,
    /// It is ended like any other.
    Ended,
}

/// What becomes of a listener that is not ours.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Foreign {
    /// It is left alone, and the port counts as refused.
    Refused,
    /// These were seen, and somebody agreed to end them; any other is left alone.
    Only(BTreeSet<Identity>),
    /// Somebody agreed to end any.
    Ended,
}

/// What is done about one listener, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    /// The port.
    pub port: Endpoint,
    /// The listener.
    pub holder: Holder,
    /// Whose it is.
    pub whose: Whose,
    /// What is done.
    pub fate: Fate,
}

/// What is done about a listener.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fate {
    /// It is ended.
    End,
    /// It is a live service on its own port, or the supervisor, which holds it for one.
    SpareOwn,
    /// It is foreign, and nobody agreed.
    RefuseForeign,
    /// It is pid 1, or the caller, or an ancestor of the caller.
    RefuseAncestor,
    /// The port is protected.
    RefuseProtected,
}

/// What would be done, port by port. It can be read and printed before it is executed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Plan {
    /// Every listener that was seen on the ports.
    pub steps: Vec<Step>,
    /// Ports held by processes that this user may not see.
    pub unseen: Vec<Endpoint>,
    /// Ports that nobody holds.
    pub free: Vec<Endpoint>,
}

/// How much time a listener gets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Force {
    /// SIGTERM, this long, then SIGKILL.
    Ask(Duration),
    /// SIGKILL at once.
    Kill,
}

/// What became of a flush.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Flushed {
    /// Listeners that were ended.
    pub ended: Vec<Step>,
    /// Listeners that are alive though they should not be.
    pub alive: Vec<Step>,
}

/// How long a listener or a stray has between SIGTERM and SIGKILL.
pub const GRACE: Duration = Duration::from_secs(2);

/// How long a process may take to vanish after SIGKILL.
pub const KILLED_MAX: Duration = Duration::from_secs(5);

/// How often a process that is to end is looked at.
const LOOK_AGAIN: Duration = Duration::from_millis(5);

impl Plan {
    /// Looks at the ports and plans, touching nothing.
    ///
    /// # Errors
    /// The system does not say who listens.
    pub fn make(request: &Request<'_>) -> io::Result<Self> {
        let observed = holder::observe(&request.ports.keys().copied().collect())?;
        let own = process::own();
        let mut untouchable: BTreeSet<Pid> =
            ancestors(own.pid).into_iter().map(|identity| identity.pid).chain([own.pid]).collect();
        untouchable.extend(Pid::new(1));
        Ok(Self::of(request, observed, &untouchable))
    }

    /// The pure part: what was seen becomes what is to be done.
    fn of(
        request: &Request<'_>,
        mut observed: BTreeMap<Endpoint, Vec<Holder>>,
        untouchable: &BTreeSet<Pid>,
    ) -> Self {
        let mut plan = Self::default();
        for (port, assigned) in &request.ports {
            match observed.remove(port) {
                None => plan.free.push(*port),
                Some(holders) if holders.is_empty() => plan.unseen.push(*port),
                Some(holders) => plan.steps.extend(holders.into_iter().map(|holder| {
                    let whose = request.ours.judge(&holder);
                    let fate = if request.fence.protects(port.port) {
                        Fate::RefuseProtected
                    } else if untouchable.contains(&holder.identity.pid) {
                        Fate::RefuseAncestor
                    } else {
                        fate(request, assigned.as_ref(), &holder, &whose)
                    };
                    Step { port: *port, holder, whose, fate }
                })),
            }
        }
        plan
    }

    /// Those that are to be ended.
    pub fn ends(&self) -> impl Iterator<Item = &Step> {
        self.steps.iter().filter(|step| step.fate == Fate::End)
    }

    /// Those that stand in the way and are refused.
    pub fn refusals(&self) -> impl Iterator<Item = &Step> {
        self.steps.iter().filter(|step| match step.fate {
            Fate::RefuseForeign | Fate::RefuseAncestor | Fate::RefuseProtected => true,
            Fate::End | Fate::SpareOwn => false,
        })
    }

    /// Ends whom the plan says, and nobody else; waits until each is gone or the force is spent.
    pub fn execute(&self, force: Force) -> Flushed {
        let targets: BTreeMap<Identity, Vec<&Step>> =
            self.ends().fold(BTreeMap::new(), |mut targets, step| {
                targets.entry(step.holder.identity).or_insert_with(Vec::new).push(step);
                targets
            });
        let identities: Vec<Identity> = targets.keys().copied().collect();
        let alive = end(&identities, force);
        let (alive, ended): (Vec<_>, Vec<_>) =
            targets.into_iter().partition(|(identity, _)| alive.contains(identity));
        let steps =
            |of: Vec<(Identity, Vec<&Step>)>| of.into_iter().flat_map(|(_, steps)| steps).cloned().collect();
        Flushed { ended: steps(ended), alive: steps(alive) }
    }
}

fn fate(request: &Request<'_>, assigned: Option<&ServiceName>, holder: &Holder, whose: &Whose) -> Fate {
    match whose {
        Whose::Live(service) if Some(service) == assigned && request.own == Own::Spared => Fate::SpareOwn,
        // It closes the port when the service is stopped, and with itself.
        Whose::Supervisor => Fate::SpareOwn,
        Whose::Live(_) | Whose::Stray(_) => Fate::End,
        Whose::Foreign => match &request.foreign {
            Foreign::Ended => Fate::End,
            Foreign::Only(agreed) if agreed.contains(&holder.identity) => Fate::End,
            Foreign::Only(_) | Foreign::Refused => Fate::RefuseForeign,
        },
    }
}

/// Ends processes together, with the force that is allowed; returns those that are alive all the same.
pub fn end(identities: &[Identity], force: Force) -> BTreeSet<Identity> {
    let mut alive: BTreeSet<Identity> = identities.iter().copied().collect();
    if let Force::Ask(grace) = force {
        send_all(&alive, Signal::TERM);
        wait_for_end(&mut alive, grace);
    }
    send_all(&alive, Signal::KILL);
    wait_for_end(&mut alive, KILLED_MAX);
    alive
}

fn send_all(identities: &BTreeSet<Identity>, signal: Signal) {
    for identity in identities {
        if let Err(error) = signal::send(*identity, signal) {
            tracing::debug!(%identity, %signal, %error, "not sent");
        }
    }
}

fn wait_for_end(alive: &mut BTreeSet<Identity>, limit: Duration) {
    let deadline = clock::now().after(limit);
    loop {
        alive.retain(|identity| process::is_alive(*identity));
        if alive.is_empty() || clock::now() >= deadline {
            return;
        }
        std::thread::sleep(LOOK_AGAIN);
    }
}
