use super::python::Trouble;
use crate::protocol::xmlrpc::value::Value;

/// What a supervisor can be asked for. Every action stands on this alone.
pub(super) trait Server {
    /// Where it is.
    fn url(&self) -> &str;

    /// Asks another one from here on.
    fn turn_to(&mut self, url: &str);

    /// Says who asks from here on.
    fn log_in(&mut self, username: String, password: String);

    /// Calls a method.
    fn call(&mut self, method: &str, params: Vec<Value>) -> Result<Value, Trouble>;

    /// Prints what a path of its web server sends until that ends or somebody presses Ctrl-C.
    fn follow(&mut self, path: &str) -> Followed;

    /// Prints what paths send, beside whatever is done meanwhile, until the answer is dropped.
    fn follow_beside(&mut self, paths: &[String]) -> Box<dyn Beside>;
}

/// How following came to its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Followed {
    /// The server ended it, or never began.
    Over,
    /// Somebody pressed Ctrl-C.
    Interrupted,
}

/// Something that goes on until it is dropped.
pub(super) trait Beside {}

/// A process as `getProcessInfo` tells of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct ProcessInfo {
    pub(super) group: String,
    pub(super) name: String,
    pub(super) state: i64,
    pub(super) statename: String,
    pub(super) description: String,
    pub(super) pid: i64,
}

/// The codes of the states that matter here (supervisord's `states.py`).
pub(super) const RUNNING: i64 = 20;
const STOPPED_STATES: [i64; 4] = [0, 100, 200, 1000];

impl ProcessInfo {
    pub(super) fn of(value: &Value) -> Result<Self, Trouble> {
        Ok(Self {
            group: text(value, "group")?,
            name: text(value, "name")?,
            state: number(value, "state")?,
            statename: text(value, "statename")?,
            description: text(value, "description")?,
            pid: number(value, "pid")?,
        })
    }

    /// Whether it is down and will stay down.
    pub(super) fn is_stopped(&self) -> bool {
        STOPPED_STATES.contains(&self.state)
    }
}

/// What became of one process of many.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Outcome {
    pub(super) group: String,
    pub(super) name: String,
    pub(super) status: i64,
    pub(super) description: String,
}

impl Outcome {
    pub(super) fn of(value: &Value) -> Result<Self, Trouble> {
        Ok(Self {
            group: text(value, "group")?,
            name: text(value, "name")?,
            status: number(value, "status")?,
            description: text(value, "description")?,
        })
    }
}

/// How all processes are.
pub(super) fn all_process_info(server: &mut (impl Server + ?Sized)) -> Result<Vec<ProcessInfo>, Trouble> {
    elements(&server.call("supervisor.getAllProcessInfo", Vec::new())?)?.iter().map(ProcessInfo::of).collect()
}

pub(super) fn elements(value: &Value) -> Result<&[Value], Trouble> {
    value.as_array().ok_or_else(|| Trouble::Strange(format!("expected an array, and got {value:?}")))
}

pub(super) fn text(value: &Value, member: &str) -> Result<String, Trouble> {
    let found = value.member(member).and_then(Value::as_str);
    found.map(str::to_owned).ok_or_else(|| missing(member, "text"))
}

pub(super) fn number(value: &Value, member: &str) -> Result<i64, Trouble> {
    value.member(member).and_then(Value::as_int).ok_or_else(|| missing(member, "number"))
}

/// A truth value, which may be a number as well.
pub(super) fn truth(value: &Value, member: &str) -> Result<bool, Trouble> {
    let found = value.member(member);
    let found = found.and_then(|value| value.as_bool().or(value.as_int().map(|number| number != 0)));
    found.ok_or_else(|| missing(member, "truth value"))
}

fn missing(member: &str, what: &str) -> Trouble {
    Trouble::Strange(format!("the answer has no {what} `{member}`"))
}
