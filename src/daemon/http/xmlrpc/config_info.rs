use std::borrow::Cow;

use super::desk::Desk;
use super::method::{AtEnd, Method};
use crate::config::supervisord::model::{AutoRestart, Destination, Output, Program};
use crate::daemon::processes::Configured;
use crate::daemon::question::Question;
use crate::protocol::xmlrpc::message::Answer;
use crate::protocol::xmlrpc::value::Value;
use crate::spec::policy::RestartPolicy;
use crate::spec::service::Service;

pub(super) const METHODS: &[Method] = &[Method {
    names: &["supervisor.getAllConfigInfo"],
    types: &["array"],
    optional: 0,
    help: "Says what the config that was read last has of each process.",
    at_end: AtEnd::Refused,
    run: |desk, _| Box::pin(all(desk)),
}];

async fn all(desk: &Desk) -> Answer {
    let configured = desk.ask(Question::Configs).await?;
    Ok(Value::Array(configured.iter().map(info).collect()))
}

/// What the config has of one process, in supervisord's words; what it does not know of is as supervisord has it unsaid.
fn info(it: &Configured) -> Value {
    let Configured { unit, spec, in_use } = it;
    let program = unit.program.as_ref();
    let uid = spec.user.as_ref().map(|user| Value::Int(user.credentials.uid.into()));
    let members = Value::members([
        ("autostart", spec.autostart.into()),
        ("autorestart", autorestart(spec, program)),
        ("directory", program.map_or_else(|| spec.directory.display().to_string().into(), directory)),
        ("uid", uid.unwrap_or_else(none)),
        ("command", program.map_or_else(|| spec.command.line(), |program| program.command.clone()).into()),
        ("exitcodes", Value::Array(spec.success_exit_codes.iter().map(|code| Value::from(*code)).collect())),
        ("group", unit.group.as_str().into()),
        ("group_prio", unit.group_priority.into()),
        ("inuse", (*in_use).into()),
        ("killasgroup", program.is_none_or(|program| program.killasgroup).into()),
        ("name", unit.process.as_str().into()),
        ("process_prio", unit.priority.into()),
        ("redirect_stderr", program.map_or(spec.logs.are_joined(), |program| program.redirect_stderr).into()),
        ("startretries", i64::from(spec.backoff.max_retries).into()),
        ("startsecs", seconds(spec.min_uptime)),
        ("stopsignal", spec.stop.signal.as_raw().into()),
        ("stopwaitsecs", seconds(spec.stop.timeout)),
        ("serverurl", program.and_then(|it| it.serverurl.clone()).map_or_else(|| "auto".into(), Value::from)),
    ]);
    let Value::Struct(mut members) = members else { return Value::Nil };
    members.extend(stream("stdout", spec, program.map(|program| &program.stdout)));
    members.extend(stream("stderr", spec, program.map(|program| &program.stderr)));
    Value::Struct(members)
}

fn none() -> Value {
    "none".into()
}

fn seconds(duration: std::time::Duration) -> Value {
    i64::try_from(duration.as_secs()).unwrap_or(i64::MAX).into()
}

fn directory(program: &Program) -> Value {
    program.directory.clone().map_or_else(none, Value::from)
}

fn autorestart(spec: &Service, program: Option<&Program>) -> Value {
    let policy = program.map_or_else(
        || match spec.restart {
            RestartPolicy::Always => AutoRestart::Always,
            RestartPolicy::OnFailure => AutoRestart::Unexpected,
            RestartPolicy::Never => AutoRestart::Never,
        },
        |program| program.autorestart,
    );
    match policy {
        AutoRestart::Always => true.into(),
        AutoRestart::Never => false.into(),
        AutoRestart::Unexpected => "unexpected".into(),
    }
}

fn stream(name: &str, spec: &Service, output: Option<&Output>) -> Vec<(Cow<'static, str>, Value)> {
    let own = match name {
        "stderr" if spec.logs.are_joined() => none(),
        "stderr" => spec.logs.stderr.display().to_string().into(),
        _ => spec.logs.stdout.display().to_string().into(),
    };
    let events = if name == "stderr" { spec.logs.stderr_events } else { spec.logs.stdout_events };
    let capture_max = i64::try_from(events.capture_max).unwrap_or(i64::MAX);
    let rotation = spec.logs.rotation;
    let size = i64::try_from(rotation.size_max).unwrap_or(i64::MAX);
    let said = |said: fn(&Output) -> i64, unsaid: i64| Value::Int(output.map_or(unsaid, said));
    let members = [
        ("capture_maxbytes", said(|output| output.capture_maxbytes, capture_max)),
        ("events_enabled", output.map_or(events.log, |output| output.events_enabled).into()),
        ("logfile", output.map_or(own, |output| destination(&output.logfile))),
        ("logfile_backups", said(|output| output.logfile_backups, rotation.keep.into())),
        ("logfile_maxbytes", said(|output| output.logfile_maxbytes, size)),
        ("syslog", output.is_some_and(|output| output.syslog).into()),
    ];
    members.into_iter().map(|(member, value)| (format!("{name}_{member}").into(), value)).collect()
}

fn destination(destination: &Destination) -> Value {
    match destination {
        Destination::Nowhere | Destination::Syslog => none(),
        Destination::Automatic => "auto".into(),
        Destination::File(file) => file.as_str().into(),
    }
}
