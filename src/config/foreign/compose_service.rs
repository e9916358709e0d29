use std::collections::{BTreeMap, BTreeSet};
use std::ops::RangeInclusive;

use super::imported::Remark;
use super::yaml::{Data, Node};
use super::{compose_command, compose_health, compose_limits};
use crate::config::writer::{self, Table, quoted};

/// The keys that are read.
const READ: [&str; 19] = [
    "command",
    "entrypoint",
    "working_dir",
    "env_file",
    "environment",
    "ports",
    "depends_on",
    "restart",
    "healthcheck",
    "stop_signal",
    "stop_grace_period",
    "scale",
    "deploy",
    "user",
    "mem_limit",
    "cpus",
    "pids_limit",
    "ulimits",
    "profiles",
];

/// The keys that concern the container, which is not made.
const OF_CONTAINERS: [&str; 40] = [
    "annotations",
    "build",
    "cap_add",
    "cap_drop",
    "configs",
    "container_name",
    "devices",
    "dns",
    "dns_search",
    "domainname",
    "expose",
    "extra_hosts",
    "hostname",
    "image",
    "init",
    "ipc",
    "isolation",
    "labels",
    "links",
    "logging",
    "mac_address",
    "network_mode",
    "networks",
    "pid",
    "platform",
    "privileged",
    "pull_policy",
    "read_only",
    "runtime",
    "secrets",
    "security_opt",
    "shm_size",
    "stdin_open",
    "sysctls",
    "tmpfs",
    "tty",
    "userns_mode",
    "volumes",
    "volumes_from",
    "group_add",
];

/// A range of ports is written out up to so many.
const PORTS_MAX: u16 = 100;

/// Whether a service says itself what it runs.
pub(super) fn has_command(service: &Node) -> bool {
    compose_command::read(service, &mut Vec::new()).is_some()
}

/// One service. `kept` are those that others may wait for.
pub(super) fn read(name: &str, node: &Node, kept: &BTreeSet<&str>, said: &mut Vec<Remark>) -> Table {
    let table = Table { name: name.to_owned(), comments: Vec::new(), keys: Vec::new() };
    let mut reader = Reader { name, node, table, said };
    reader.what_runs();
    reader.ports();
    reader.depends_on(kept);
    reader.restart();
    reader.check_and_stop();
    reader.count_and_limits();
    reader.others();
    reader.table
}

struct Reader<'a> {
    name: &'a str,
    node: &'a Node,
    table: Table,
    said: &'a mut Vec<Remark>,
}

impl Reader<'_> {
    fn say(&mut self, line: usize, what: impl AsRef<str>) {
        self.said.push(Remark::at(line, format!("{}: {}", self.name, what.as_ref())));
    }

    /// A text of a service with its variables.
    fn text(&mut self, node: &Node) -> Option<String> {
        let mut remarks = Vec::new();
        let written = compose_command::text(node.text()?, &mut remarks);
        for remark in remarks {
            self.say(node.line, remark);
        }
        Some(written)
    }

    fn what_runs(&mut self) {
        let mut remarks = Vec::new();
        let command = compose_command::read(self.node, &mut remarks);
        self.table.keys.extend(command.map(|command| ("command", command)));
        for remark in remarks {
            self.say(self.node.line, remark);
        }
        if let Some(directory) = self.node.get("working_dir") {
            if directory.text().is_some_and(|path| path.starts_with('/')) {
                self.say(directory.line, "working_dir is a path of this machine here, not of a container");
            }
            let written = self.text(directory);
            self.table.keys.extend(written.map(|written| ("directory", written)));
        }
        let files = self.node.get("env_file").map(Node::members).unwrap_or_default();
        let files: Vec<String> =
            files.iter().filter_map(|file| self.text(file.get("path").unwrap_or(file))).collect();
        if !files.is_empty() {
            self.table.set("env_file", writer::array(&files));
        }
        let env = self.environment();
        if !env.is_empty() {
            self.table.set("env", writer::table(&env));
        }
        if let Some(user) = self.node.get("user") {
            let written = self.text(user);
            if user.text().is_some_and(|user| user.contains(':')) {
                self.say(user.line, "`user` is left out: a login of this machine has its own groups");
            } else {
                self.table.keys.extend(written.map(|written| ("user", written)));
            }
        }
    }

    /// The variables of `environment`, sorted. One without a value is that of whoever starts procman.
    fn environment(&mut self) -> Vec<(String, String)> {
        let Some(node) = self.node.get("environment") else { return Vec::new() };
        let inherited = |name: &str| format!("\"${{{name}:-}}\"");
        let mut variables = BTreeMap::new();
        for (name, value) in node.entries() {
            let written = self.text(value).unwrap_or_else(|| inherited(name));
            variables.insert(name.clone(), written);
        }
        let lines = if node.entries().is_empty() { node.members() } else { &[] };
        for line in lines {
            let Some(text) = line.text() else { continue };
            let (name, value) = match text.split_once('=') {
                Some((name, value)) => {
                    let value = Node { line: line.line, data: Data::Text(value.to_owned()) };
                    (name, self.text(&value).unwrap_or_default())
                }
                None => (text, inherited(text)),
            };
            variables.insert(name.to_owned(), value);
        }
        variables.into_iter().collect()
    }

    fn ports(&mut self) {
        let mut ports = Vec::new();
        for node in self.node.get("ports").map(Node::members).unwrap_or_default() {
            let long = |key| node.get(key).and_then(Node::text).map(str::to_owned);
            let (published, target, protocol) = match node.text() {
                Some(text) => short(text),
                None => (long("published"), long("target").unwrap_or_default(), long("protocol")),
            };
            let Some(range) = range(&target) else {
                self.say(node.line, format!("port `{target}` is left out: it is no number"));
                continue;
            };
            if let Some(published) = published.filter(|published| *published != target) {
                let what = format!(
                    "nobody forwards port {published} of the machine: the program listens on {target} itself"
                );
                self.say(node.line, what);
            }
            let is_udp = protocol.as_deref() == Some("udp");
            ports.extend(range.map(|port| if is_udp { format!("\"{port}/udp\"") } else { port.to_string() }));
        }
        match ports.as_slice() {
            [] => (),
            [one] => self.table.set("port", one.clone()),
            many => self.table.set("ports", writer::array(many)),
        }
    }

    fn depends_on(&mut self, kept: &BTreeSet<&str>) {
        let Some(node) = self.node.get("depends_on") else { return };
        let named: Vec<(&str, Option<&Node>, usize)> = match &node.data {
            Data::Table(entries) => {
                entries.iter().map(|(name, node)| (name.as_str(), Some(node), node.line)).collect()
            }
            Data::Nothing | Data::Text(_) | Data::List(_) => {
                node.members().iter().filter_map(|it| Some((it.text()?, None, it.line))).collect()
            }
        };
        let mut needs = Vec::new();
        for (needed, how, line) in named {
            if !kept.contains(needed) {
                self.say(line, format!("does not wait for `{needed}`, which is left out"));
                continue;
            }
            let condition = match how.and_then(|how| how.get("condition")).and_then(Node::text) {
                Some("service_healthy") => "ready",
                Some("service_completed_successfully") => "completed",
                Some(_) | None => "started",
            };
            let is_soft = how.and_then(|how| how.get("required")).and_then(Node::text) == Some("false");
            let (condition, soft) = (quoted(condition), [("required".to_owned(), "false".to_owned())]);
            let need = if is_soft {
                writer::table(&[[("condition".to_owned(), condition)], soft].concat())
            } else {
                condition
            };
            needs.push((needed.to_owned(), need));
        }
        if !needs.is_empty() {
            self.table.set("depends_on", writer::table(&needs));
        }
    }

    /// Docker starts a container again only where it is told to.
    fn restart(&mut self) {
        let policy = self.node.get("deploy").and_then(|deploy| deploy.get("restart_policy"));
        let of_deploy = policy.and_then(|policy| policy.get("condition")).and_then(Node::text);
        let attempts = policy.and_then(|policy| policy.get("max_attempts")).and_then(Node::text);
        let said = of_deploy.or(policy.map(|_| "any")).or(self.node.get("restart").and_then(Node::text));
        let (policy, retries) = match said.unwrap_or("no").split_once(':') {
            Some((policy, retries)) => (policy, Some(retries)),
            None => (said.unwrap_or("no"), attempts),
        };
        match policy {
            "always" | "unless-stopped" | "any" => (),
            "on-failure" => self.table.set("restart", quoted("on-failure")),
            _ => self.table.set("restart", quoted("never")),
        }
        if let Some(retries) = retries.and_then(|retries| retries.parse::<u32>().ok()) {
            self.table.set("backoff", format!("{{ max_retries = {retries} }}"));
        }
    }

    fn check_and_stop(&mut self) {
        let check =
            self.node.get("healthcheck").and_then(|node| compose_health::read(self.name, node, self.said));
        self.table.keys.extend(check.map(|check| ("health", check)));
        if let Some(signal) = self.node.get("stop_signal").and_then(Node::text) {
            self.table.set("stop_signal", quoted(signal.trim_start_matches("SIG")));
        }
        if let Some(node) = self.node.get("stop_grace_period") {
            match node.text().and_then(compose_health::duration) {
                Some(time) => self.table.set("stop_timeout", quoted(&time)),
                None => self.say(node.line, "stop_grace_period is left out: it is no duration"),
            }
        }
    }

    fn count_and_limits(&mut self) {
        let deploy = self.node.get("deploy");
        let replicas = deploy.and_then(|deploy| deploy.get("replicas")).or(self.node.get("scale"));
        let count = replicas.and_then(|node| node.text()?.parse::<u32>().ok());
        self.table.keys.extend(count.filter(|count| *count > 1).map(|count| ("replicas", count.to_string())));
        let mut remarks = Vec::new();
        let limits = compose_limits::read(self.node, &mut remarks);
        if !limits.is_empty() {
            self.table.set("limits", writer::table(&limits));
        }
        for (line, what) in remarks {
            self.say(line, what);
        }
        if let Some(profiles) = self.node.get("profiles") {
            self.table.set("autostart", "false".to_owned());
            let how = format!(
                "is of a profile, and is not started unless asked for: `procman start {}`",
                self.name
            );
            self.say(profiles.line, how);
        }
    }

    /// What is left out.
    fn others(&mut self) {
        let others = self
            .node
            .entries()
            .iter()
            .filter(|(key, _)| !READ.contains(&key.as_str()) && !key.starts_with("x-"));
        let (of_container, unknown): (Vec<_>, Vec<_>) =
            others.partition(|(key, _)| OF_CONTAINERS.contains(&key.as_str()));
        if !of_container.is_empty() {
            let keys: Vec<&str> = of_container.iter().map(|(key, _)| key.as_str()).collect();
            let what = format!("left out, as no container is made: {}", keys.join(", "));
            self.say(self.node.line, what);
        }
        for (key, node) in unknown {
            self.say(node.line, format!("`{key}` is left out"));
        }
        let deploy = self.node.get("deploy").map(Node::entries).unwrap_or_default();
        let read = ["replicas", "resources", "restart_policy"];
        for (key, node) in deploy.iter().filter(|(key, _)| !read.contains(&key.as_str())) {
            self.say(node.line, format!("`deploy.{key}` is left out"));
        }
    }
}

/// `[[ADDRESS:]PUBLISHED:]TARGET[/PROTOCOL]`.
fn short(text: &str) -> (Option<String>, String, Option<String>) {
    let (rest, protocol) = match text.split_once('/') {
        Some((rest, protocol)) => (rest, Some(protocol.to_owned())),
        None => (text, None),
    };
    let (before, target) = match rest.rsplit_once(':') {
        Some((before, target)) => (Some(before), target),
        None => (None, rest),
    };
    let published = before.map(|before| before.rsplit(':').next().unwrap_or(before).to_owned());
    (published, target.to_owned(), protocol)
}

fn range(text: &str) -> Option<RangeInclusive<u16>> {
    let (first, last) = text.split_once('-').unwrap_or((text, text));
    let range: RangeInclusive<u16> = first.parse().ok()?..=last.parse().ok()?;
    (!range.is_empty() && range.end() - range.start() < PORTS_MAX).then_some(range)
}
