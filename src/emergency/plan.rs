use std::collections::BTreeSet;
use std::path::PathBuf;

use super::observe::{Situation, Victim};
use crate::rundir::lock::Supervisor;
use crate::vocab::identity::Identity;

/// What an emergency restart does before anything is started, in this order. It is what `--dry-run` prints.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plan {
    /// The supervisor is stopped (SIGSTOP) first, so that it starts nothing while its services are killed, and killed
    /// when they are.
    pub supervisor: Target,
    /// Its guardian, and others that carry the mark of a supervisor: ended with it, so that none brings it back.
    pub helpers: Vec<Identity>,
    /// Every process of every service.
    pub victims: Vec<Victim>,
    /// Files of the run directory to remove.
    pub files: Vec<PathBuf>,
    /// The command that asks, and all that it descends from: never touched.
    pub caller: BTreeSet<Identity>,
}

/// The supervisor as a target.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Target {
    /// There is none.
    Absent,
    /// This process holds the lock.
    Proven(Identity),
    /// Somebody holds the lock, and the system does not say who.
    Unproven,
}

/// Makes the plan; touches nothing.
pub fn plan(situation: &Situation) -> Plan {
    let supervisor = match situation.supervisor {
        Supervisor::Nobody => Target::Absent,
        Supervisor::Alive(Some(identity)) => Target::Proven(identity),
        Supervisor::Alive(None) => Target::Unproven,
    };
    Plan {
        supervisor,
        helpers: situation.helpers.clone(),
        victims: situation.victims.clone(),
        files: situation.files.clone(),
        caller: situation.caller.clone(),
    }
}
