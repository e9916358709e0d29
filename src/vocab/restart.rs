/// How much force a restart of the whole system uses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// Graceful, with strays ended and every assigned port flushed and proven free.
    Master,
    /// Graceful, ports untouched.
    Quick,
    /// Nothing is assumed to work: everything of ours is killed and everything is started afresh.
    Emergency,
}

/// One step of a restart, in the words that are printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Step {
    /// Read and prove the config before anything is touched.
    ProveConfig,
    /// Stop all services gracefully, in reverse dependency order.
    StopServices,
    /// SIGKILL every process of every service.
    KillServices,
    /// SIGKILL the supervisor.
    KillSupervisor,
    /// Remove socket and pid files of the dead supervisor.
    RemoveLeftovers,
    /// End processes that earlier runs left behind.
    EndStrays,
    /// End listeners on the assigned ports and prove each port free.
    FlushPorts,
    /// Start the supervisor afresh: new binary, new config.
    StartSupervisor,
    /// Start the services in dependency order.
    StartServices,
    /// Prove each service: process alive, health good, ports held by its own tree.
    Verify,
}

impl Mode {
    /// Its steps, in order.
    pub fn steps(self) -> &'static [Step] {
        match self {
            Self::Master => &[
                Step::ProveConfig,
                Step::StopServices,
                Step::EndStrays,
                Step::FlushPorts,
                Step::StartSupervisor,
                Step::StartServices,
                Step::Verify,
            ],
            Self::Quick => &[
                Step::ProveConfig,
                Step::StopServices,
                Step::StartSupervisor,
                Step::StartServices,
                Step::Verify,
            ],
            Self::Emergency => &[
                Step::ProveConfig,
                Step::KillServices,
                Step::KillSupervisor,
                Step::RemoveLeftovers,
                Step::FlushPorts,
                Step::StartSupervisor,
                Step::StartServices,
                Step::Verify,
            ],
        }
    }

    /// The word of the contract.
    pub fn word(self) -> &'static str {
        match self {
            Self::Master => "master",
            Self::Quick => "quick",
            Self::Emergency => "emergency",
        }
    }
}

impl Step {
    /// What it does, as printed beside its number.
    pub fn words(self) -> &'static str {
        match self {
            Self::ProveConfig => "prove the config",
            Self::StopServices => "stop the services",
            Self::KillServices => "kill every process of every service",
            Self::KillSupervisor => "kill the supervisor",
            Self::RemoveLeftovers => "remove socket and state files",
            Self::EndStrays => "end strays of earlier runs",
            Self::FlushPorts => "flush the assigned ports",
            Self::StartSupervisor => "start the supervisor afresh",
            Self::StartServices => "start the services in order",
            Self::Verify => "verify every service",
        }
    }
}
