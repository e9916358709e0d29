use std::io::{self, Write};
use std::os::fd::OwnedFd;

use super::engine::Engine;
use crate::probe::exec::{Channels, Errand};
use crate::spec::health::{Aspect, Check};
use crate::spec::service::{Command, Service};
use crate::vocab::run::{RunId, Tag};

impl Engine {
    /// The command that answers for one aspect of a run, if one does, or why it cannot be run.
    pub(super) fn errand(&self, service: &Service, aspect: Aspect) -> Option<Result<Errand, String>> {
        match &service.health(aspect)?.check {
            Check::Exec(command) => Some(self.errand_of(service, command, Channels::Caught)),
            Check::Tcp { .. } | Check::Http(_) | Check::Heartbeat { .. } => None,
            Check::Log(_) | Check::Notify { .. } => None,
        }
    }

    /// A command of a service, made ready to run beside it. What it is run as is no run: so a check or a hook is not taken
    /// for a process of the service's.
    pub(super) fn errand_of(
        &self,
        service: &Service,
        command: &Command,
        channels: Channels,
    ) -> Result<Errand, String> {
        let instance = self.paths.instance.clone();
        let tag = Tag { instance, service: service.name.clone(), run: RunId::NONE };
        let environment = self.environment_of(service, &tag);
        let search = environment.get("PATH").map(String::as_str);
        let program = command.resolve(&service.directory, search);
        let program = program.ok_or_else(|| format!("there is no program `{}`", command.program()))?;
        Ok(Errand {
            command: command.clone(),
            program,
            environment,
            directory: service.directory.clone(),
            rlimits: service.limits.rlimits,
            umask: service.umask,
            nice: service.nice,
            credentials: service.credentials(),
            tag,
            channels,
            reach: self.reach,
            waited_for: self.leaders.clone(),
        })
    }
}

/// A descriptor from which a command can read one line. A pipe takes a few thousand bytes without anybody reading, so no
/// command holds up the supervisor.
pub(super) fn given(line: &str) -> io::Result<OwnedFd> {
    let (reader, mut writer) = io::pipe()?;
    writeln!(writer, "{line}")?;
    Ok(reader.into())
}
