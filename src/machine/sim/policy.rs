use super::check::require;
use super::sickness;
use super::world::Verdict;
use crate::machine::blame::Blame;
use crate::machine::event::{End, Taken};
use crate::machine::fleet::Fleet;
use crate::machine::phase::{Phase, Rest};
use crate::machine::schedule::Queue;
use crate::machine::service::Service;
use crate::spec;
use crate::spec::policy::{EarlyExit, PortConflict, RestartPolicy};
use crate::vocab::moment::Moment;
use crate::vocab::name::ServiceName;
use crate::vocab::outcome::Outcome;
use crate::vocab::state::Goal;

/// What a policy makes of an end.
pub(super) struct Expected {
    service: ServiceName,
    rests: Rests,
}

enum Rests {
    As(Rest),
    /// As its policy for taken ports says, with these failures and restarts behind it as before.
    ByConflict {
        failures: u32,
        restarts: u64,
    },
    /// It waits for a file to change, with these failures behind it as before.
    ByRepair {
        failures: u32,
    },
    /// Only if it failed too often.
    AsFatalAtMost,
}

/// Whoever finds its port taken spends nothing on it, unless another run is to follow anyway. A port that a new config took
/// away is nobody's business.
pub(super) fn conflict(service: &Service, taken: &Taken) -> Option<Expected> {
    let is_declared = service.spec().ports.iter().any(|port| port.overlaps(&taken.port));
    let memory = service.memory();
    let rests = Rests::ByConflict { failures: memory.failures, restarts: memory.restarts };
    let is_followed = service.plan().is_some_and(|plan| plan.queue == Queue::One);
    (is_declared && !is_followed).then(|| Expected { service: service.spec().name.clone(), rests })
}

/// What the policy of a service makes of the end of its run.
pub(super) fn expected(service: &Service, end: &End, now: Moment) -> Option<Expected> {
    let spec = service.spec();
    let is_success = is_success(spec, end.outcome);
    let ended_by_itself = matches!(service.phase(), Phase::Starting(..) | Phase::Running(..));
    let rests = match (service.goal(), spec.restart) {
        (Goal::Down, _) => Rests::As(Rest::Stopped),
        (Goal::Up, _) if service.has_understudy() => return None,
        (Goal::Up, _) if service.plan().is_some_and(|plan| plan.queue == Queue::One) => return None,
        (Goal::Up, _) if sickness::ends_for_good(service) => Rests::As(Rest::Fatal),
        (Goal::Up, _) if !ended_by_itself => return None,
        (Goal::Up, _) if !is_success && end.taken.is_some() => return conflict(service, end.taken.as_ref()?),
        (Goal::Up, policy) if awaits_repair(service, end, now) && policy != RestartPolicy::Never => {
            Rests::ByRepair { failures: service.memory().failures }
        }
        (Goal::Up, _) if is_early_failure(service, now) => Rests::AsFatalAtMost,
        (Goal::Up, RestartPolicy::Never | RestartPolicy::OnFailure) if is_success => {
            Rests::As(Rest::Completed)
        }
        (Goal::Up, RestartPolicy::Never) => Rests::As(Rest::Failed),
        (Goal::Up, RestartPolicy::Always | RestartPolicy::OnFailure) | (Goal::Again, _) => {
            Rests::AsFatalAtMost
        }
    };
    Some(Expected { service: spec.name.clone(), rests })
}

/// Whether a run that ends now is put down to its program, and had not shown that it is a good one.
fn awaits_repair(service: &Service, end: &End, now: Moment) -> bool {
    let spec = service.spec();
    let lasted = service.phase().live().map(|live| now.since(live.since));
    let is_unproven = match service.phase() {
        Phase::Starting(..) => true,
        _ if spec.can_be_probed() => lasted.is_some_and(|it| it < spec.min_uptime),
        _ => lasted.is_some_and(|it| it < spec.min_uptime || it < spec.backoff.reset_after),
    };
    let is_blamed = matches!(end.blame, Blame::Program { .. }) && !is_success(spec, end.outcome);
    is_blamed && is_unproven && spec.restart_by_cause && end.left.is_empty()
}

/// Whether a run that ends now is tried again whatever its exit code.
fn is_early_failure(service: &Service, now: Moment) -> bool {
    let is_starting = matches!(service.phase(), Phase::Starting(..));
    let lasted = service.phase().live().map(|live| now.since(live.since));
    let is_early = is_starting || lasted.is_some_and(|lasted| lasted < service.spec().min_uptime);
    is_early && service.spec().backoff.early_exit == EarlyExit::Failed
}

pub(super) fn is_success(spec: &spec::service::Service, outcome: Outcome) -> bool {
    match outcome {
        Outcome::Code(code) => spec.success_exit_codes.contains(&code),
        Outcome::Signal(_) | Outcome::Unknown => false,
    }
}

/// The policy was followed.
pub(super) fn check(fleet: &Fleet, end: &Expected) -> Verdict {
    let Some(service) = fleet.services().get(&end.service) else { return Ok(()) };
    let is_right = match (&end.rests, service.phase()) {
        (Rests::As(expected), Phase::Resting(rest)) => rest == expected,
        (Rests::As(_), _) => false,
        (Rests::ByConflict { failures, restarts }, phase) => {
            let memory = service.memory();
            let is_as_declared = match service.spec().on_port_conflict {
                PortConflict::Fail => *phase == Phase::Resting(Rest::Fatal),
                PortConflict::Wait | PortConflict::Flush => matches!(phase, Phase::Blocked { .. }),
            };
            is_as_declared && memory.failures == *failures && memory.restarts == *restarts
        }
        (Rests::ByRepair { failures }, _) => {
            let memory = service.memory();
            service.awaits_change() && memory.failures == *failures
        }
        (Rests::AsFatalAtMost, Phase::Resting(rest)) => {
            let has_retries = service.memory().failures <= service.spec().backoff.max_retries;
            let is_worn_out = fleet.reason(&end.service).is_some_and(|why| why.contains("start_limit"));
            *rest == Rest::Fatal && (!has_retries || is_worn_out)
        }
        (Rests::AsFatalAtMost, _) => true,
    };
    require(is_right, || {
        format!("its policy says something else: `{}` is {:?}", end.service, service.phase())
    })
}
