use std::collections::BTreeSet;

use super::compose_service;
use super::imported::{Imported, Remark};
use super::yaml::{self, Node};
use crate::config::writer;
use crate::vocab::name::ServiceName;

/// Translates the services of a compose file, as the Compose Specification has them, as far as they are plain commands:
/// each runs on the machine itself, and everything that only a container has is left out and said.
pub fn read(text: &str) -> Imported {
    let mut imported = Imported::default();
    let root = match yaml::read(text) {
        Ok(root) => root,
        Err(error) => {
            let line = error.marker().line().min(text.lines().count());
            imported.refusals.push(Remark::at(line, format!("cannot read this as YAML: {}", error.info())));
            return imported;
        }
    };
    if let Some(include) = root.get("include") {
        let what = "what `include` names is left out: import those files too";
        imported.remarks.push(Remark::at(include.line, what));
    }
    let services = root.get("services").map(Node::entries).unwrap_or_default();
    let kept: BTreeSet<&str> = services
        .iter()
        .filter(|(_, node)| compose_service::has_command(node))
        .map(|(name, _)| name.as_str())
        .collect();
    let mut tables = Vec::new();
    for (name, node) in services {
        match refusal(name, node, &kept) {
            Some(what) => imported.refusals.push(Remark::at(node.line, what)),
            None => tables.push(compose_service::read(name, node, &kept, &mut imported.remarks)),
        }
    }
    if services.is_empty() {
        imported.refusals.push(Remark::at(1, "there are no `services`"));
    } else if !tables.is_empty() {
        imported.text = writer::whole(String::new(), tables).0;
    }
    imported.remarks.sort_by_key(|remark| remark.line);
    imported
}

/// Why a service cannot be one of procman's.
fn refusal(name: &str, node: &Node, kept: &BTreeSet<&str>) -> Option<String> {
    if let Err(bad) = ServiceName::parse(name) {
        return Some(format!("{name}: is left out: {bad}"));
    }
    if node.get("extends").is_some() {
        return Some(format!("{name}: is left out: `extends` is not followed, and may say its command"));
    }
    if kept.contains(name) {
        return None;
    }
    let image = node.get("image").and_then(Node::text);
    let of = image.map_or_else(|| "its image".to_owned(), |image| format!("the image {image}"));
    Some(format!("{name}: is left out: it runs what {of} says, and no command stands here"))
}

#[cfg(test)]
mod tests {
    use super::read;

    /// The services.toml, and what is said of it.
    fn check(text: &str, toml: &str, said: &[&str]) {
        let imported = read(text);
        let all = imported.remarks.iter().chain(&imported.refusals);
        let found: Vec<String> = all.map(|it| format!("{}: {}", it.line, it.what)).collect();
        assert_eq!(found, said, "{text}");
        assert_eq!(imported.text.trim(), toml.trim(), "{text}");
    }

    #[test]
    fn a_plain_service_keeps_everything_that_a_command_has() {
        let text = r#"
services:
  web:
    command: uvicorn app:web --port ${PORT:-8000}
    working_dir: backend
    environment: {DEBUG: "1", VERSION: 1.10, HOME:, PRICE: a$$b}
    env_file: [.env]
    ports: ["8000:8000", "127.0.0.1:9000-9001:7000-7001/udp"]
    depends_on: {db: {condition: service_healthy, required: false}, seed: {condition: service_completed_successfully}}
    restart: unless-stopped
    stop_signal: SIGINT
    stop_grace_period: 1m30s
    healthcheck: {test: [CMD, curl, -f, "http://localhost:8000"], interval: 10s}
    mem_limit: 512m
    cpus: "1.50"
    ulimits: {nofile: {soft: 1024, hard: 2048}}
    scale: 2
  db: {command: [postgres, -D, data], restart: on-failure:3}
  seed: {entrypoint: python3, command: seed.py --all}
"#;
        let toml = r#"
[services.web]
command = "uvicorn app:web --port ${PORT:-8000}"
directory = "backend"
env_file = [".env"]
env = { DEBUG = "1", HOME = "${HOME:-}", PRICE = "a$$b", VERSION = "1.10" }
ports = [8000, "7000/udp", "7001/udp"]
depends_on = { db = { condition = "ready", required = false }, seed = "completed" }
health = { exec = ["curl", "-f", "http://localhost:8000"], interval = "10s", timeout = "30s", retries = 3, start_period = "0s" }
stop_signal = "INT"
stop_timeout = "1m30s"
replicas = 2
limits = { memory = "512MiB", open_files = 1024, cpu = 1.5 }

[services.db]
command = ["postgres", "-D", "data"]
restart = "on-failure"
backoff = { max_retries = 3 }

[services.seed]
command = ["python3", "seed.py", "--all"]
restart = "never"
"#;
        check(
            text,
            toml,
            &[
                "8: web: nobody forwards port 9000-9001 of the machine: the program listens on 7000-7001 itself",
            ],
        );
    }

    #[test]
    fn what_only_a_container_has_is_left_out_and_said() {
        let text = "
x-common: &common {restart: always, logging: {driver: none}}
services:
  web:
    <<: *common
    image: web:1
    command: ./run
    networks: [a]
    volumes: [./x:/x]
    depends_on: [db]
    profiles: [debug]
    unheard_of: 1
  db: {image: 'postgres:16'}
  other: {extends: {service: web}}
";
        let said = [
            "5: web: left out, as no container is made: image, networks, volumes, logging",
            "10: web: does not wait for `db`, which is left out",
            "11: web: is of a profile, and is not started unless asked for: `procman start web`",
            "12: web: `unheard_of` is left out",
            "13: db: is left out: it runs what the image postgres:16 says, and no command stands here",
            "14: other: is left out: `extends` is not followed, and may say its command",
        ];
        check(text, "[services.web]\ncommand = \"./run\"\nautostart = false", &said);
    }

    #[test]
    fn a_share_of_the_processors_that_cannot_be_given_is_left_out_and_said() {
        for cpus in ["inf", "1e12", "0.001", "two"] {
            let text = format!("services:\n  a:\n    command: ./run\n    cpus: {cpus}\n");
            let said = ["4: a: `cpus` is left out: it is no number of processors"];
            check(&text, "[services.a]\ncommand = \"./run\"\nrestart = \"never\"\n", &said);
        }
    }

    #[test]
    fn a_file_that_is_none_is_refused_with_its_line() {
        check(
            "services:\n  a: [\n",
            "",
            &["2: cannot read this as YAML: while parsing a node, did not find expected node content"],
        );
        check("version: '3'\n", "", &["1: there are no `services`"]);
    }
}
