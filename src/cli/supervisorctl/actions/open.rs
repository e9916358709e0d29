use super::status;
use crate::cli::supervisorctl::python::Trouble;
use crate::cli::supervisorctl::session::{Session, exits};

pub(in crate::cli::supervisorctl) const HELP: &str = "\
open <url>\tConnect to a remote supervisord process.
\t\t(for UNIX domain socket, use unix:///socket/path)";

/// Asks another supervisor from here on, and shows what it has. What that shows does not change the exit code.
pub(in crate::cli::supervisorctl) fn open(session: &mut Session<'_>, rest: &str) -> Result<(), Trouble> {
    let scheme = rest.split_once(':').map(|(scheme, _)| scheme.to_ascii_lowercase());
    if !matches!(scheme.as_deref(), Some("unix" | "http")) {
        session.fail("ERROR: url must be http:// or unix://", exits::GENERIC);
        return Ok(());
    }
    session.server.turn_to(rest);
    let before = session.exit;
    status::status(session, "")?;
    session.exit = before;
    Ok(())
}
