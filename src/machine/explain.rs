use super::event::{End, Obstacle, Taken};
use super::exchange::Second;
use super::order::{Order, Outlook, Wait};
use super::phase::{Awaits, Eviction, Live, Patience, Phase, Rest};
use super::service::{LastRun, Service};
use super::trouble::{Condemned, Remedy, Trouble};
use crate::spec::graph::Condition;
use crate::spec::policy::{RestartPolicy, StartLimit};
use crate::vocab::measure::Brief;
use crate::vocab::name::ServiceName;
use crate::vocab::state::{Goal, Health};

/// Why a service is not running, or not well, in one sentence; none when it is as it should be.
pub(super) fn reason(outlook: &mut Outlook<'_>, name: &ServiceName) -> Option<String> {
    let order = outlook.order();
    let service = order.services.get(name)?;
    match &service.phase {
        Phase::Resting(Rest::Stopped | Rest::Completed | Rest::Planned) => {
            second_hangs(service).or_else(|| residue(service)).or_else(|| hook(service))
        }
        Phase::Resting(Rest::Failed) => Some(last_end(service)),
        Phase::Resting(Rest::Fatal) => Some(fatal(service)),
        Phase::Waiting => second_ends(service)
            .or_else(|| {
                outlook.wait_of(name).map(|wait| waiting(order, &wait)).map(|why| after_fall(service, why))
            })
            .or_else(|| hook(service)),
        Phase::Spawning { .. } => hook(service),
        Phase::Starting(..) if service.goal != Goal::Up => Some(leaving(order, name)),
        Phase::Running(..) if service.goal != Goal::Up => Some(leaving(order, name)),
        Phase::Starting(_, _) => unfit(service).map(|what| format!("not ready: {what}")),
        Phase::Running(_, proof) if proof.health == Health::Unhealthy => {
            unfit(service).map(|what| format!("unhealthy: {what}"))
        }
        Phase::Running(..) => service.renewal_words().or_else(|| service.watched.reason()),
        Phase::Stopping { .. } => {
            condemned(service).or_else(|| taken_down(service)).or_else(|| hook(service))
        }
        Phase::Killing { patience: Patience::RunOut, live } => Some(hang_words(live)),
        Phase::Killing { patience: Patience::Until(_), .. } => {
            Some(format!("did not end within {} and was sent SIGKILL", Brief(service.spec.stop.timeout)))
        }
        Phase::Backoff { awaits: Awaits::Nothing, .. } => Some(last_end(service)),
        Phase::Backoff { awaits: Awaits::Change { what }, .. } => {
            Some(format!("waits for {what}, or for `procman start {name}`: {}", last_end(service)))
        }
        Phase::Blocked { taken, eviction, .. } => Some(match eviction {
            Eviction::Not => taken_words(taken),
            Eviction::UnderWay { .. } => format!("{}, which is being ended", taken_words(taken)),
            Eviction::InVain { .. } => format!("{}, which cannot be ended", taken_words(taken)),
        }),
    }
}

/// Which of its hooks it waits for.
fn hook(service: &Service) -> Option<String> {
    service.hook_under_way().map(|occasion| format!("runs its {}", occasion.key()))
}

fn hang_words(live: &Live) -> String {
    format!("pid {} does not end: SIGKILL was sent, and the kernel still holds it", live.identity.pid)
}

/// That the second run of a service does not end, if it does not.
pub(super) fn second_hangs(service: &Service) -> Option<String> {
    let second = service.second.as_ref().filter(|second| second.hangs_in_kernel())?;
    second.live().map(hang_words)
}

/// That the second run of a service has to end first, if there is one.
fn second_ends(service: &Service) -> Option<String> {
    let ends = |second: &Second| match second.live() {
        Some(live) => format!("waits for pid {} to end", live.identity.pid),
        None => "waits for the end of a run that is being made".to_owned(),
    };
    second_hangs(service).or_else(|| service.second.as_ref().map(ends))
}

fn waiting(order: Order<'_>, wait: &Wait<'_>) -> String {
    match wait {
        Wait::For(needed, Condition::Ready) => format!("waits for `{needed}` to be ready"),
        Wait::For(needed, Condition::Started) => format!("waits for `{needed}` to be started"),
        Wait::For(needed, Condition::Completed) => format!("waits for `{needed}` to complete"),
        Wait::InVain(needed, Condition::Completed) if may_not_complete(order, needed) => {
            format!("waits in vain for `{needed}` to complete: its policy always starts it again")
        }
        Wait::InVain(needed, _) if order.services.get(*needed).is_some_and(is_planned) => {
            format!("waits in vain for `{needed}` until a time of its schedule comes")
        }
        Wait::InVain(needed, _) => in_vain(order, needed),
    }
}

/// How what is waited for in vain stands; of one that has failed, how it ended.
fn in_vain(order: Order<'_>, needed: &ServiceName) -> String {
    let Some(service) = order.services.get(needed) else {
        return format!("waits in vain for `{needed}`, which is gone");
    };
    let how = match &service.phase {
        Phase::Resting(Rest::Failed) => format!(" ({})", last_end(service)),
        Phase::Resting(Rest::Fatal) => format!(" ({})", fatal(service)),
        Phase::Resting(Rest::Stopped | Rest::Completed | Rest::Planned) => String::new(),
        Phase::Waiting | Phase::Spawning { .. } => String::new(),
        Phase::Starting(..) | Phase::Running(..) | Phase::Stopping { .. } => String::new(),
        Phase::Killing { .. } | Phase::Backoff { .. } | Phase::Blocked { .. } => String::new(),
    };
    format!("waits in vain for `{needed}`, which is {}{how}", service.state())
}

fn may_not_complete(order: Order<'_>, needed: &ServiceName) -> bool {
    let is_stopped = |service: &Service| matches!(service.phase, Phase::Resting(_));
    order.services.get(needed).is_some_and(|it| it.spec.restart == RestartPolicy::Always && !is_stopped(it))
}

fn is_planned(service: &Service) -> bool {
    service.phase == Phase::Resting(Rest::Planned)
}

/// Whose fall takes it down, if it is that.
fn taken_down(service: &Service) -> Option<String> {
    let (_, words) = service.taken_down_by()?;
    Some(format!("is taken down: {words}"))
}

/// What it waits for, and whose fall had taken it down before.
fn after_fall(service: &Service, why: String) -> String {
    match &service.fallen_with {
        Some(fall) => format!("{why}; was taken down: {}", fall.words()),
        None => why,
    }
}

fn leaving(order: Order<'_>, name: &ServiceName) -> String {
    if let Some(words) = order.services.get(name).and_then(taken_down) {
        return words;
    }
    const NAMED_MAX: usize = 3;
    let leavers = order.leavers.before(name);
    if leavers.len() == 0 {
        return "is stopped after those of higher priority values".to_owned();
    }
    let more = leavers.len().saturating_sub(NAMED_MAX);
    let names: Vec<String> = leavers.take(NAMED_MAX).map(|dependent| format!("`{dependent}`")).collect();
    let more = if more == 0 { String::new() } else { format!(" and {more} more") };
    format!("is stopped after {}{more}", names.join(", "))
}

fn unfit(service: &Service) -> Option<String> {
    match &service.trouble {
        Some(Trouble::Unfit(what)) => Some(what.clone()),
        Some(Trouble::NotSpawned(_) | Trouble::Condemned(_) | Trouble::StartedTooOften) | None => None,
    }
}

/// Why its run ends, if it is not people who want that.
fn condemned(service: &Service) -> Option<String> {
    let (cause, remedy) = service.condemned().filter(|_| service.goal == Goal::Up)?;
    Some(match remedy {
        Remedy::Restart | Remedy::Fail | Remedy::Renew => format!("is restarted: {cause}"),
        Remedy::Stop => format!("is stopped: {cause}"),
    })
}

fn fatal(service: &Service) -> String {
    let tries = service.spec.backoff.max_retries.saturating_add(1);
    match &service.trouble {
        Some(Trouble::NotSpawned(_)) => last_end(service),
        Some(Trouble::StartedTooOften) => started_too_often(service),
        Some(Trouble::Condemned(Condemned { cause, remedy: Remedy::Fail })) => {
            format!("{cause} (given up after {tries} quick failures)")
        }
        Some(Trouble::Condemned(Condemned { cause, .. })) => format!("was stopped: {cause}"),
        Some(Trouble::Unfit(_)) | None => {
            format!("{} (given up after {tries} quick failures)", last_end(service))
        }
    }
}

fn started_too_often(service: &Service) -> String {
    let last =
        service.last.as_ref().map_or_else(String::new, |last| format!("; at last it {}", run_words(last)));
    let limit = service.spec.start_limit.map(|StartLimit { starts, within }| {
        format!("was started {starts} times within {}, which start_limit allows and no more", Brief(within))
    });
    format!("{}{last}", limit.unwrap_or_else(|| "was started as often as start_limit allowed".to_owned()))
}

fn last_end(service: &Service) -> String {
    match (&service.trouble, &service.last) {
        (Some(Trouble::NotSpawned(obstacle)), _) => obstacle_words(obstacle),
        (Some(Trouble::Condemned(Condemned { cause, remedy: Remedy::Fail })), _) => cause.clone(),
        (Some(Trouble::StartedTooOften), _) => started_too_often(service),
        (Some(Trouble::Unfit(_) | Trouble::Condemned(_)) | None, Some(last)) => run_words(last),
        (Some(Trouble::Unfit(_) | Trouble::Condemned(_)) | None, None) => "failed".to_owned(),
    }
}

/// How a service fell, in words that follow its name.
pub(super) fn fall(service: &Service) -> String {
    match (&service.phase, &service.trouble) {
        (Phase::Blocked { taken, .. }, _) => taken_words(taken),
        (_, Some(Trouble::Condemned(Condemned { cause, .. }))) => format!("failed: {cause}"),
        (_, Some(Trouble::NotSpawned(obstacle))) => obstacle_words(obstacle),
        (_, Some(Trouble::StartedTooOften)) => started_too_often(service),
        (_, Some(Trouble::Unfit(_)) | None) => format!("ended: {}", last_end(service)),
    }
}

/// What kept a process from being made.
pub(super) fn obstacle_words(obstacle: &Obstacle) -> String {
    match obstacle {
        Obstacle::PortTaken(taken) => taken_words(taken),
        Obstacle::Refused { why } => why.clone(),
    }
}

fn taken_words(Taken { port, holder, .. }: &Taken) -> String {
    format!("cannot start: port {port} is held by {holder}")
}

/// How a run has failed that has just ended.
pub(super) fn failure(service: &Service, condemned: Option<&Trouble>) -> String {
    match condemned.and_then(Trouble::condemnation) {
        Some(condemned) => condemned.cause.clone(),
        None => service.last.as_deref().map(run_words).unwrap_or_default(),
    }
}

/// How a run ended.
pub(super) fn run_words(last: &LastRun) -> String {
    let End { outcome, last_words, left, taken: _, blame: _ } = &last.end;
    let mut text = format!("{outcome} after {}", Brief(last.lasted));
    if !left.is_empty() {
        text.push_str(&format!("; still alive of its tree: {}", left.join(", ")));
    }
    if let Some(words) = last_words {
        text.push_str(&format!(": {words}"));
    }
    text
}

fn residue(service: &Service) -> Option<String> {
    let last = service.last.as_ref().filter(|last| !last.end.left.is_empty())?;
    Some(format!("stopped, but still alive of its tree: {}", last.end.left.join(", ")))
}
