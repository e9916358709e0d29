use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;

use crate::config::environment::Environment;
use crate::config::supervisord::load;
use crate::config::supervisord::model::{Group, Program, Server};
use crate::spec::service::Service;
use crate::vocab::name::ServiceName;

/// What supervisord's clients call the services: each is a process of a group.
#[derive(Debug, Clone, Default)]
pub struct Roster {
    /// What the supervisor calls itself.
    pub identifier: String,
    /// The servers that the config declares.
    pub servers: Vec<Server>,
    units: BTreeMap<ServiceName, Arc<Unit>>,
    /// Groups that are there though no process is in them.
    empty: BTreeSet<String>,
}

/// One process as supervisord's clients know it.
#[derive(Debug)]
pub struct Unit {
    /// Its group.
    pub group: String,
    /// Its own name.
    pub process: String,
    /// Where its group stands among groups.
    pub group_priority: i64,
    /// Where it stands in its group.
    pub priority: i64,
    /// What supervisord's config says of it; none if it stands in another config.
    pub program: Option<Program>,
}

impl Roster {
    /// What procman calls itself unless supervisord's config says otherwise.
    const IDENTIFIER: &'static str = "procman";

    /// The roster of a config's text.
    pub fn of(text: &str, path: &Path, environment: &Environment) -> Self {
        let Some(dialect) = load::dialect(text, path, environment) else {
            return Self { identifier: Self::IDENTIFIER.to_owned(), ..Self::default() };
        };
        let empty = dialect.fleet.groups.iter().filter(|group| group.programs.is_empty());
        let empty = empty.map(|group| group.name.clone()).collect();
        let units =
            dialect.fleet.groups.iter().flat_map(|group| group.programs.iter().map(|it| unit(group, it)));
        Self {
            units: dialect.names.into_iter().zip(units).collect(),
            identifier: dialect.fleet.supervisord.identifier,
            servers: dialect.fleet.servers,
            empty,
        }
    }

    /// This roster with another's entries for a group of these services.
    pub fn with<'n>(
        mut self,
        other: &Self,
        group: &str,
        services: impl Iterator<Item = &'n ServiceName>,
    ) -> Self {
        self.units
            .extend(services.filter_map(|name| Some((name.clone(), Arc::clone(other.units.get(name)?)))));
        self.empty.remove(group);
        self.empty.extend(other.empty.get(group).cloned());
        self
    }

    /// This roster without these groups, as far as nobody is in them: others are there as long as their services are.
    pub fn without(mut self, groups: &BTreeSet<String>) -> Self {
        self.empty.retain(|group| !groups.contains(group));
        self
    }

    /// The groups that are there though no process is in them.
    pub fn empty_groups(&self) -> &BTreeSet<String> {
        &self.empty
    }

    /// What a service is called. One that supervisord's config does not have is a process of its `group`, or of a group of
    /// its own.
    pub fn unit(&self, service: &Service) -> Arc<Unit> {
        self.units.get(&service.name).cloned().unwrap_or_else(|| {
            let own = || service.replica.of.to_string();
            let priority = i64::from(service.priority);
            Arc::new(Unit {
                group: service.group.clone().unwrap_or_else(own),
                process: service.name.to_string(),
                group_priority: priority,
                priority,
                program: None,
            })
        })
    }
}

fn unit(group: &Group, program: &Program) -> Arc<Unit> {
    Arc::new(Unit {
        group: group.name.clone(),
        process: program.name.clone(),
        group_priority: group.priority,
        priority: program.priority,
        program: Some(program.clone()),
    })
}

impl Unit {
    /// How it is named: by its group and itself, unless both have one name.
    pub fn full_name(&self) -> String {
        if self.group == self.process {
            self.process.clone()
        } else {
            format!("{}:{}", self.group, self.process)
        }
    }
}
