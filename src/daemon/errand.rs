use super::engine::Engine;
use super::perform::credentials_of;
use super::warden::Charge;
use crate::probe::exec::Errand;
use crate::spec::health::{Aspect, Check};
use crate::spec::service::{Command, Service};
use crate::vocab::run::{RunId, Tag};

impl Engine {
    /// The command that answers for one aspect of a run, if one does, or why it cannot be run.
    pub(super) fn errand(
        &self,
        service: &Service,
        aspect: Aspect,
        charge: &Charge,
    ) -> Option<Result<Errand, String>> {
        match &service.health(aspect)?.check {
            Check::Exec(command) => Some(self.errand_of(service, command, charge)),
            Check::Tcp { .. } | Check::Http(_) | Check::Heartbeat { .. } => None,
            Check::Log(_) | Check::Notify { .. } => None,
        }
    }

    fn errand_of(&self, service: &Service, command: &Command, charge: &Charge) -> Result<Errand, String> {
        let tag = Tag { run: RunId::NONE, ..charge.tag.clone() };
        let environment = self.environment_of(service, &tag);
        let search = environment.get("PATH").map(String::as_str);
        let program = command.resolve(&service.directory, search);
        let program = program.ok_or_else(|| format!("there is no program `{}`", command.program()))?;
        Ok(Errand {
            command: command.clone(),
            program,
            environment,
            directory: service.directory.clone(),
            umask: service.umask,
            nice: service.nice,
            credentials: credentials_of(service),
            tag,
            reach: self.reach,
            waited_for: self.leaders.clone(),
        })
    }
}
