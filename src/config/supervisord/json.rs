use std::collections::BTreeMap;

use serde::ser::SerializeMap;
use serde::{Serialize, Serializer};

use super::model::{
    AutoRestart, Ctl, Destination, Expanded, FastCgi, Group, GroupKind, Output, Owner, Program, Reading,
    RpcInterface, Server, Settings,
};
use super::refusal::Refusal;

/// What `procman import --expanded` prints: the whole fleet, or why there is none.
#[derive(Debug, Serialize)]
#[expect(missing_docs, reason = "the names are those of the options and of supervisord's own words")]
pub struct Report<'a> {
    pub ok: bool,
    pub error: Option<&'a str>,
    pub wrapped: bool,
    #[serde(flatten)]
    pub fleet: Option<FleetReport<'a>>,
    pub warnings: &'a [String],
    pub infos: &'a [String],
    pub supervisorctl: CtlReport<'a>,
}

/// What supervisorctl takes from the file.
#[derive(Debug, Serialize)]
#[serde(untagged)]
pub enum CtlReport<'a> {
    /// This.
    Read(&'a Ctl),
    /// Nothing.
    Refused {
        /// Why.
        error: &'a str,
    },
}

/// The fleet of a [`Report`].
#[derive(Debug, Serialize)]
#[expect(missing_docs, reason = "the names are those of the options and of supervisord's own words")]
pub struct FleetReport<'a> {
    pub supervisord: &'a Settings,
    pub servers: &'a [Server],
    pub rpcinterfaces: &'a [RpcInterface],
    pub groups: Vec<GroupReport<'a>>,
    pub programs: Vec<&'a Program>,
}

/// A group of a [`Report`]; what only some kinds have is left out of the others.
#[derive(Debug, Serialize)]
#[expect(missing_docs, reason = "the names are those of the options and of supervisord's own words")]
pub struct GroupReport<'a> {
    pub name: &'a str,
    pub priority: i64,
    #[serde(rename = "type")]
    pub kind: &'static str,
    pub processes: Vec<&'a str>,
    #[serde(flatten)]
    pub more: BTreeMap<&'static str, serde_json::Value>,
}

impl<'a> Report<'a> {
    /// The report of a reading, and of what supervisorctl makes of the same file.
    pub fn of(reading: &'a Reading, ctl: &'a Result<Ctl, Refusal>) -> Self {
        let error = reading.outcome.as_ref().err().and_then(|refusals| refusals.first());
        Self {
            ok: reading.outcome.is_ok(),
            error: error.map(|refusal| refusal.what.as_str()),
            wrapped: reading.is_fragment,
            fleet: reading.outcome.as_ref().ok().map(FleetReport::of),
            warnings: &reading.warnings,
            infos: &reading.infos,
            supervisorctl: match ctl {
                Ok(ctl) => CtlReport::Read(ctl),
                Err(refusal) => CtlReport::Refused { error: &refusal.what },
            },
        }
    }
}

impl<'a> FleetReport<'a> {
    fn of(fleet: &'a Expanded) -> Self {
        Self {
            supervisord: &fleet.supervisord,
            servers: &fleet.servers,
            rpcinterfaces: &fleet.rpcinterfaces,
            groups: fleet.groups.iter().map(GroupReport::of).collect(),
            programs: fleet.programs().collect(),
        }
    }
}

impl<'a> GroupReport<'a> {
    fn of(group: &'a Group) -> Self {
        let (kind, more) = match &group.kind {
            GroupKind::Programs => ("program/group", BTreeMap::new()),
            GroupKind::Listeners { buffer_size, events, result_handler } => {
                let more = [
                    ("buffer_size", (*buffer_size).into()),
                    ("events", events.clone().into()),
                    ("result_handler", result_handler.clone().into()),
                ];
                ("eventlistener", more.into())
            }
            GroupKind::FastCgi(socket) => ("fcgi-program", of_socket(socket)),
        };
        let processes = group.programs.iter().map(|program| program.name.as_str()).collect();
        Self { name: &group.name, priority: group.priority, kind, processes, more }
    }
}

fn of_socket(socket: &FastCgi) -> BTreeMap<&'static str, serde_json::Value> {
    let owner = |owner: &Owner| match owner {
        Owner::Unsaid(number) => (*number).into(),
        Owner::Named(name) => serde_json::Value::from(name.clone()),
    };
    let both = socket.owner.as_ref().map(|(user, group)| vec![owner(user), owner(group)]);
    BTreeMap::from([
        ("socket", socket.url.clone().into()),
        ("socket_backlog", socket.backlog.into()),
        ("socket_mode", socket.mode.map(|mode| format!("{mode:04o}")).into()),
        ("socket_owner", both.into()),
    ])
}

impl Serialize for AutoRestart {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(match self {
            Self::Always => "true",
            Self::Never => "false",
            Self::Unexpected => "unexpected",
        })
    }
}

impl Serialize for Destination {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Nowhere | Self::Syslog => serializer.serialize_none(),
            Self::Automatic => serializer.serialize_str("AUTO"),
            Self::File(path) => serializer.serialize_str(path),
        }
    }
}

pub(super) fn stdout<S: Serializer>(output: &Output, serializer: S) -> Result<S::Ok, S::Error> {
    stream(output, "stdout", serializer)
}

pub(super) fn stderr<S: Serializer>(output: &Output, serializer: S) -> Result<S::Ok, S::Error> {
    stream(output, "stderr", serializer)
}

fn stream<S: Serializer>(output: &Output, name: &str, serializer: S) -> Result<S::Ok, S::Error> {
    let mut map = serializer.serialize_map(Some(6))?;
    map.serialize_entry(&format!("{name}_logfile"), &output.logfile)?;
    map.serialize_entry(&format!("{name}_logfile_maxbytes"), &output.logfile_maxbytes)?;
    map.serialize_entry(&format!("{name}_logfile_backups"), &output.logfile_backups)?;
    map.serialize_entry(&format!("{name}_capture_maxbytes"), &output.capture_maxbytes)?;
    map.serialize_entry(&format!("{name}_events_enabled"), &output.events_enabled)?;
    map.serialize_entry(&format!("{name}_syslog"), &output.syslog)?;
    map.end()
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde hands a reference over")]
pub(super) fn three_octal_digits<S: Serializer>(mask: &u32, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(&format_args!("{mask:03o}"))
}

#[expect(clippy::ref_option, reason = "serde hands a reference over")]
pub(super) fn three_octal_digits_or_none<S: Serializer>(
    mask: &Option<u32>,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    match mask {
        Some(mask) => three_octal_digits(mask, serializer),
        None => serializer.serialize_none(),
    }
}

#[expect(clippy::ref_option, reason = "serde hands a reference over")]
pub(super) fn four_octal_digits<S: Serializer>(mode: &Option<u32>, serializer: S) -> Result<S::Ok, S::Error> {
    match mode {
        Some(mode) => serializer.collect_str(&format_args!("{mode:04o}")),
        None => serializer.serialize_none(),
    }
}
