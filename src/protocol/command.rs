use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::vocab::identity::Pid;
use crate::vocab::name::ServiceName;
use crate::vocab::selection::Selection;
use crate::vocab::signal::Signal;

/// What is as it is without a word is not said: so a supervisor of an earlier version understands all that it can do.
pub(super) fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

/// The body of `POST /v1/commands`, such as `{"restart": {"services": ["main_app"]}}`. The answer is a stream of
/// [`super::reply::Line`]s.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Command {
    /// Start every service with `autostart`, or those named, with all that they need; done when each is ready.
    Up(Order),
    /// Start those named, with all that they need; done when each is ready.
    Start(Order),
    /// Stop in reverse dependency order; done when each tree is proven empty.
    Stop(Order),
    /// Stop and start again; done when each new run is ready.
    Restart(Order),
    /// Start a new run of each beside the one that lives, and end that one when the new one is ready; where that does not
    /// come to pass, the new one is ended and the old one stays. Done when each new run is ready and alone.
    Roll(RollOrder),
    /// Give services other counts of replicas; done when each new one is ready, and each that is too many is gone.
    Scale(ScaleOrder),
    /// SIGKILL the whole tree of each and leave it stopped; done when each tree is proven empty.
    Kill(Order),
    /// Send a signal to the main process of each; done when sent.
    Signal(SignalOrder),
    /// Change nothing: a client is about to end the main processes of runs to free their ports, and what is recorded of their
    /// ends is to say so; done when noted.
    Flush(FlushOrder),
    /// Change nothing; done when each is as awaited.
    Wait(WaitOrder),
    /// Let them start by themselves at `up` from now on, over what the config says; done when that is remembered.
    Enable(EnableOrder),
    /// Let them not start by themselves at `up` any more; done when that is remembered.
    Disable(EnableOrder),
}

/// Which services, who else, and for how long to wait.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Order {
    /// The services; all of them when nothing is said.
    #[serde(skip_serializing_if = "is_default")]
    pub services: Selection,
    /// Whether those that need them are meant too.
    #[serde(skip_serializing_if = "is_default")]
    pub dependents: Dependents,
    /// For `stop`: whether each waits for those that need it.
    #[serde(skip_serializing_if = "is_default")]
    pub pace: Pace,
    /// For `stop`: what is to follow, for the records of the runs that it ends.
    #[serde(skip_serializing_if = "is_default")]
    pub sequel: Sequel,
    /// After so many milliseconds the answer is what has been reached; no limit when absent.
    #[serde(skip_serializing_if = "is_default")]
    pub timeout_ms: Option<u64>,
}

/// Which services are exchanged, and how long each may take.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(default, deny_unknown_fields)]
pub struct RollOrder {
    /// The services; all of them when nothing is said.
    #[serde(skip_serializing_if = "is_default")]
    pub services: Selection,
    /// Whether those that need them are meant too.
    #[serde(skip_serializing_if = "is_default")]
    pub dependents: Dependents,
    /// How many milliseconds each new run may take to be ready; a minute when absent.
    #[serde(skip_serializing_if = "is_default")]
    pub ready_within_ms: Option<u64>,
}

/// How many replicas services are to have.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ScaleOrder {
    /// The count of each declared service by its name; others stay as they are.
    pub replicas: BTreeMap<ServiceName, u32>,
    /// After so many milliseconds the answer is what has been reached; no limit when absent.
    #[serde(default, skip_serializing_if = "is_default")]
    pub timeout_ms: Option<u64>,
}

/// Whether services that are stopped wait for each other.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Pace {
    /// Each is asked to end when those that need it have.
    #[default]
    InOrder,
    /// All are asked at once.
    AtOnce,
}

/// What whoever stops services is about to do.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Sequel {
    /// Nothing.
    #[default]
    Nothing,
    /// Start the whole system again.
    Restart,
}

/// Whether a command reaches further than the services it names.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Dependents {
    /// Only the services named. `stop` and `kill` are refused if that takes others down.
    #[default]
    Untouched,
    /// Also all that need them, by any path.
    Included,
    /// Only the services named; for `stop` and `kill`, those that cannot be up without them are taken down, and come back
    /// when they do.
    Forced,
}

/// A signal for some services.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SignalOrder {
    /// The services; all of them when nothing is said.
    #[serde(default, skip_serializing_if = "is_default")]
    pub services: Selection,
    /// The signal, such as `SIGHUP`; each service's own `reload_signal` when absent.
    #[serde(default, skip_serializing_if = "is_default")]
    pub signal: Option<Signal>,
}

/// Whom a client is about to end to free ports.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct FlushOrder {
    /// The processes; those that are no main process of a run are passed over.
    pub pids: BTreeSet<Pid>,
}

/// Services of which something is to be remembered; of replicas all are meant.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(default, deny_unknown_fields)]
pub struct EnableOrder {
    /// The services; all of them when nothing is said.
    #[serde(skip_serializing_if = "is_default")]
    pub services: Selection,
}

/// A state to wait for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct WaitOrder {
    /// The services; all of them when nothing is said.
    #[serde(default, skip_serializing_if = "is_default")]
    pub services: Selection,
    /// What is awaited.
    #[serde(rename = "for")]
    pub awaited: Awaited,
    /// After so many milliseconds the answer is what has been reached; no limit when absent.
    #[serde(default, skip_serializing_if = "is_default")]
    pub timeout_ms: Option<u64>,
}

/// What `procman wait` waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Awaited {
    /// Running, ports held, checks passed.
    Ready,
    /// Its process lives.
    Running,
    /// It has no process.
    Stopped,
}

/// The body of `POST /v1/reload`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(default, deny_unknown_fields)]
pub struct ReloadOrder {
    /// Whether the difference is applied or only shown.
    #[serde(skip_serializing_if = "is_default")]
    pub run: Rehearsal,
}

/// The body of `POST /v1/shutdown`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(default, deny_unknown_fields)]
pub struct ShutdownOrder {
    /// What becomes of the services.
    #[serde(skip_serializing_if = "is_default")]
    pub services: Fate,
}

/// What becomes of the services when their supervisor ends.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Fate {
    /// They are stopped first.
    #[default]
    Stop,
    /// They are left as they are, for the next supervisor to take over.
    Leave,
    /// They are left as they are, and the guardian puts the procman on disk in charge of them.
    Upgrade,
}

/// Whether something is done or only shown.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Rehearsal {
    /// It is done.
    #[default]
    Real,
    /// It is shown, and nothing is touched.
    Dry,
}

#[cfg(test)]
mod tests {
    use super::{Command, EnableOrder, Fate, Order, ReloadOrder, RollOrder, Sequel, ShutdownOrder};

    fn json(value: &impl serde::Serialize) -> String {
        serde_json::to_string(value).unwrap()
    }

    #[test]
    fn what_is_as_it_is_without_a_word_is_not_said() {
        assert_eq!(json(&Command::Stop(Order::default())), r#"{"stop":{}}"#);
        assert_eq!(json(&Command::Roll(RollOrder::default())), r#"{"roll":{}}"#);
        assert_eq!(json(&Command::Enable(EnableOrder::default())), r#"{"enable":{}}"#);
        assert_eq!(json(&ReloadOrder::default()) + &json(&ShutdownOrder::default()), "{}{}");
        let sequel = Order { sequel: Sequel::Restart, ..Order::default() };
        assert_eq!(json(&Command::Stop(sequel)), r#"{"stop":{"sequel":"restart"}}"#);
        assert_eq!(json(&ShutdownOrder { services: Fate::Upgrade }), r#"{"services":"upgrade"}"#);
    }
}
