use jiff::Zoned;

use crate::daemon::http::xmlrpc::desk::Desk;
use crate::daemon::http::xmlrpc::system;
use crate::protocol::xmlrpc::fault::{Fault, FaultCode};
use crate::protocol::xmlrpc::message::Call;
use crate::protocol::xmlrpc::value::Value;

/// Does what a link or a button of the page asks for; says what came of it. Nothing for what nobody knows.
pub(super) async fn act(desk: &Desk, action: &str, name: Option<&str>) -> Option<String> {
    match (action, name) {
        ("refresh", _) => Some(format!("Page refreshed at {}", time())),
        ("stopall", _) => Some(of_all(stop_all(desk).await, "stopped")),
        ("restartall", _) => Some(of_all(restart_all(desk).await, "restarted")),
        ("start", Some(name)) => Some(words(name, call(desk, "startProcess", name).await, "started")),
        ("stop", Some(name)) => Some(words(name, call(desk, "stopProcess", name).await, "stopped")),
        ("restart", Some(name)) => Some(words(name, restart(desk, name).await, "restarted")),
        ("clearlog", Some(name)) => Some(match call(desk, "clearProcessLogs", name).await {
            Ok(()) => format!("Log for {name} cleared"),
            Err(fault) => words(name, Err(fault), ""),
        }),
        (_, _) => None,
    }
}

async fn call(desk: &Desk, method: &str, name: &str) -> Result<(), Fault> {
    let call = Call { method: format!("supervisor.{method}"), params: vec![name.into()] };
    system::answer(desk, call).await.map(drop)
}

/// One that is not up is started.
async fn restart(desk: &Desk, name: &str) -> Result<(), Fault> {
    match call(desk, "stopProcess", name).await {
        Err(fault) if fault.code != FaultCode::NotRunning.number() => Err(fault),
        Ok(()) | Err(_) => call(desk, "startProcess", name).await,
    }
}

async fn stop_all(desk: &Desk) -> Result<(), Fault> {
    all(desk, "stopAllProcesses").await
}

async fn restart_all(desk: &Desk) -> Result<(), Fault> {
    stop_all(desk).await?;
    all(desk, "startAllProcesses").await
}

async fn all(desk: &Desk, method: &str) -> Result<(), Fault> {
    let call = Call { method: format!("supervisor.{method}"), params: Vec::<Value>::new() };
    system::answer(desk, call).await.map(drop)
}

fn of_all(result: Result<(), Fault>, done: &str) -> String {
    match result {
        Ok(()) => format!("All {done} at {}", time()),
        Err(fault) => format!("ERROR: {}", fault.text),
    }
}

fn words(name: &str, result: Result<(), Fault>, done: &str) -> String {
    let Err(fault) = result else { return format!("Process {name} {done}") };
    let why = match FaultCode::of(fault.code) {
        Some(FaultCode::BadName) => return format!("No such process named {name}"),
        Some(FaultCode::NoFile) => "no such file",
        Some(FaultCode::NotExecutable) => "file is not executable",
        Some(FaultCode::AlreadyStarted) => "already started",
        Some(FaultCode::NotRunning) => "not running",
        Some(FaultCode::SpawnError) => "spawn error",
        Some(FaultCode::AbnormalTermination) => "abnormal termination",
        Some(_) | None => return format!("ERROR: Process {name}: {}", fault.text),
    };
    format!("ERROR: Process {name}: {why}")
}

/// As `time.ctime` of Python has it.
fn time() -> String {
    Zoned::now().strftime("%a %b %e %H:%M:%S %Y").to_string()
}
