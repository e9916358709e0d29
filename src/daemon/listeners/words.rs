use crate::daemon::roster::Unit;
use crate::spec::listener::EventType;
use crate::vocab::run::RunId;
use crate::vocab::state::State;

/// How a process looked when listeners were last told of it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Seen {
    state: State,
    run: Option<RunId>,
    pid: i32,
}

/// How a process looks.
#[derive(Debug)]
pub(super) struct Look<'a> {
    pub(super) unit: &'a Unit,
    pub(super) state: State,
    pub(super) run: Option<RunId>,
    /// Its main process, if it has one.
    pub(super) pid: Option<i32>,
    /// How many starts in a row have failed.
    pub(super) tries: u32,
    /// Whether its last run succeeded.
    pub(super) expected: bool,
}

impl Seen {
    pub(super) const NEVER: Self = Self { state: State::Stopped, run: None, pid: 0 };

    /// The main process that it had last.
    pub(super) fn pid(&self) -> i32 {
        self.pid
    }

    /// What listeners are told of a process that looks like this: each state on the way, as supervisord's events name them.
    pub(super) fn told(&mut self, look: &Look<'_>) -> Vec<(EventType, String)> {
        // Who waits for what it needs has not been started.
        if look.state == State::Starting && look.run.is_none() {
            return Vec::new();
        }
        let is_other_run = look.run.is_some() && self.run.is_some() && look.run != self.run;
        let mut from = self.state;
        let mut told = Vec::new();
        for state in way(from, look.state, is_other_run) {
            told.push(words(look, from, state, self.pid));
            from = state;
        }
        self.state = look.state;
        self.run = look.run;
        self.pid = look.pid.unwrap_or(self.pid);
        told
    }
}

/// The states between two looks, and the last.
fn way(from: State, to: State, is_other_run: bool) -> Vec<State> {
    use State::{Backoff, Exited, Fatal, Running, Starting, Stopped, Stopping};
    match (from, to) {
        (Starting | Running, Starting) if is_other_run => vec![Exited, Starting],
        // A run that replaces another in a rolling exchange is no news.
        (Running, Running) => Vec::new(),
        (Starting, Running) if is_other_run => vec![Exited, Starting, Running],
        (Stopping, Starting) => vec![Stopped, Starting],
        (Stopping, Running) => vec![Stopped, Starting, Running],
        (Stopped | Exited | Fatal | Backoff, Running) => vec![Starting, Running],
        (Stopped | Exited | Fatal | Backoff, Stopping) => vec![Starting, Stopping],
        (Running, Backoff | Fatal) => vec![Exited, to],
        // Nothing is given up there but from a wait.
        (Starting, Fatal) => vec![Backoff, Fatal],
        (Starting, Exited) => vec![Running, Exited],
        (Starting | Running, Stopped) => vec![Stopping, Stopped],
        (from, to) if from == to => Vec::new(),
        (_, to) => vec![to],
    }
}

fn words(look: &Look<'_>, from: State, to: State, pid_before: i32) -> (EventType, String) {
    let unit = look.unit;
    let from = from.to_string().to_uppercase();
    let common = format!("processname:{} groupname:{} from_state:{from}", unit.process, unit.group);
    let pid = look.pid.unwrap_or(pid_before);
    let tries = look.tries;
    match to {
        State::Starting => (EventType::ProcessStateStarting, format!("{common} tries:{tries}")),
        State::Running => (EventType::ProcessStateRunning, format!("{common} pid:{pid}")),
        State::Backoff => (EventType::ProcessStateBackoff, format!("{common} tries:{tries}")),
        State::Stopping => (EventType::ProcessStateStopping, format!("{common} pid:{pid}")),
        State::Exited => {
            let expected = u8::from(look.expected);
            (EventType::ProcessStateExited, format!("{common} expected:{expected} pid:{pid_before}"))
        }
        State::Stopped => (EventType::ProcessStateStopped, format!("{common} pid:{pid_before}")),
        State::Fatal => (EventType::ProcessStateFatal, common),
    }
}

#[cfg(test)]
mod tests {
    use super::{Look, Seen};
    use crate::daemon::roster::Unit;
    use crate::vocab::run::RunId;
    use crate::vocab::state::State;

    /// What is told of a process that looks like these, one after another.
    fn check(looks: &[(State, Option<u64>)], expected: &[&str]) {
        let unit = Unit {
            group: "g".to_owned(),
            process: "p".to_owned(),
            group_priority: 0,
            priority: 0,
            program: None,
        };
        let mut seen = Seen::NEVER;
        let mut told = Vec::new();
        for (state, run) in looks {
            let run = run.map(RunId);
            let pid = run.map(|run| i32::try_from(run.0).unwrap_or(0));
            let look = Look { unit: &unit, state: *state, run, pid, tries: 1, expected: false };
            told.extend(seen.told(&look).into_iter().map(|(event, payload)| {
                let rest =
                    payload.strip_prefix("processname:p groupname:g from_state:").unwrap_or("?").to_owned();
                format!("{} {rest}", event.name().trim_start_matches("PROCESS_STATE_"))
            }));
        }
        assert_eq!(told, expected, "{looks:?}");
    }

    #[test]
    fn what_is_given_up_has_waited_before() {
        use State::{Fatal, Starting};
        check(
            &[(Starting, Some(1)), (Fatal, None)],
            &["STARTING STOPPED tries:1", "BACKOFF STARTING tries:1", "FATAL BACKOFF"],
        );
    }

    #[test]
    fn every_state_on_the_way_is_told() {
        use State::{Backoff, Fatal, Running, Starting, Stopped, Stopping};
        check(&[(Starting, None), (Starting, Some(1))], &["STARTING STOPPED tries:1"]);
        check(
            &[(Running, Some(1)), (Running, Some(1)), (Stopping, Some(1)), (Stopped, None)],
            &[
                "STARTING STOPPED tries:1",
                "RUNNING STARTING pid:1",
                "STOPPING RUNNING pid:1",
                "STOPPED STOPPING pid:1",
            ],
        );
        check(
            &[(Running, Some(1)), (Starting, Some(2)), (Backoff, None), (Fatal, None)],
            &[
                "STARTING STOPPED tries:1",
                "RUNNING STARTING pid:1",
                "EXITED RUNNING expected:0 pid:1",
                "STARTING EXITED tries:1",
                "BACKOFF STARTING tries:1",
                "FATAL BACKOFF",
            ],
        );
        check(
            &[(Running, Some(1)), (Running, Some(2))],
            &["STARTING STOPPED tries:1", "RUNNING STARTING pid:1"],
        );
    }
}
