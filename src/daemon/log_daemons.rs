use std::collections::BTreeMap;
use std::io;
use std::os::unix::net::UnixDatagram;
use std::path::Path;
use std::sync::Arc;

use crate::spec::log::{Sockets, Target};
use crate::spec::service::Service;
use crate::vocab::name::ServiceName;

/// Which of these services write to a log daemon that nobody is behind at this moment, each with that and the way out, in
/// words that go on after its name. This is a fact of the machine and none of the config: what is to be made of it is for
/// whoever asks.
pub fn away<'a>(
    services: impl IntoIterator<Item = &'a Arc<Service>>,
    sockets: &Sockets,
) -> Vec<(ServiceName, String)> {
    let mut asked: BTreeMap<Target, Option<String>> = BTreeMap::new();
    let mut found = Vec::new();
    for service in services {
        for target in service.logs.stdout_to.union(&service.logs.stderr_to) {
            let lack = asked.entry(*target).or_insert_with(|| lack(*target, sockets));
            found.extend(lack.iter().map(|words| (service.name.clone(), words.clone())));
        }
    }
    found
}

fn lack(target: Target, sockets: &Sockets) -> Option<String> {
    let (daemon, socket) = match target {
        Target::Syslog => ("syslog", &sockets.syslog),
        Target::Journald => ("journald", &sockets.journald),
        Target::File | Target::Inherit => return None,
    };
    let error = connect(socket).err()?;
    let place = socket.display();
    Some(format!(
        "nobody takes lines for {daemon} on {place}: {error}; start that daemon, or name its socket by `{daemon}_socket` of [supervisor]"
    ))
}

/// A datagram socket is connected at once, or not at all.
fn connect(socket: &Path) -> io::Result<()> {
    UnixDatagram::unbound()?.connect(socket)
}

#[cfg(test)]
mod tests {
    use super::away;
    use crate::spec::log::{Sockets, Target};
    use crate::spec::service::{Command, Service};
    use crate::vocab::name::ServiceName;
    use std::os::unix::net::UnixDatagram;
    use std::path::Path;
    use std::sync::Arc;

    #[test]
    fn a_daemon_that_is_away_is_named_for_those_that_write_to_it_alone() {
        let dir = tempfile::tempdir().unwrap();
        let sockets = Sockets { syslog: dir.path().join("log"), journald: dir.path().join("journal") };
        let _journal = UnixDatagram::bind(&sockets.journald).unwrap();
        let service = |name: &str, to: &[Target]| {
            let command = Command::new(vec!["true".to_owned()]).unwrap();
            let plain = Service::plain(ServiceName::parse(name).unwrap(), command, Path::new("/").to_owned());
            let mut logs = plain.logs.clone();
            logs.stderr_to = to.iter().copied().collect();
            Arc::new(Service { logs, ..plain })
        };
        let services = [
            service("plain", &[Target::File]),
            service("journal", &[Target::File, Target::Journald]),
            service("sys", &[Target::Syslog, Target::Journald]),
        ];
        let found = away(&services, &sockets);
        assert_eq!(found.len(), 1, "{found:?}");
        let (name, words) = &found[0];
        assert_eq!(name.as_str(), "sys");
        let expected = format!("nobody takes lines for syslog on {}: ", sockets.syslog.display());
        assert!(words.starts_with(&expected) && words.contains("`syslog_socket`"), "{words}");
    }
}
