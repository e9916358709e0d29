//! Files of other managers, imported and run.

use std::fs;

use crate::harness::{Fleet, free_port};

const NONE: &str = "[services.a]\ncommand = \"true\"\n";

/// Imports a file that stands in the fleet's directory, and makes what comes out the fleet's config.
fn import(fleet: &Fleet, (file, text): (&str, &str), code: i32, said: &[&str]) {
    fs::write(fleet.path().join(file), text).unwrap();
    let imported = fleet.run(&format!("import {file}")).expect(code).says(said);
    fs::write(fleet.config(), imported.stdout).unwrap();
}

#[test]
fn what_is_imported_from_a_procfile_runs() {
    let fleet = Fleet::new(NONE);
    let port = free_port();
    fs::write(fleet.path().join(".env"), "WORD=kept\n").unwrap();
    let procfile = format!(
        "web: PORT={port} python3 -m http.server $PORT\n# says what it was given\nworker: echo \"$WORD\" && exec sleep 600\n"
    );
    let said = ["Procfile:1: web: PORT is", "foreman ends all processes"];
    import(&fleet, ("Procfile", &procfile), 0, &said);
    fleet.run("up").expect(0);
    assert_eq!(fleet.service("web").ports.len(), 1);
    assert!(fleet.run("logs worker").expect(0).stdout.contains("kept"));
    assert!(fs::read_to_string(fleet.config()).unwrap().contains("# says what it was given"));
}

#[test]
fn what_is_imported_from_a_compose_file_runs_and_waits_as_it_did() {
    let fleet = Fleet::new(NONE);
    let port = free_port();
    let compose = format!(
        "services:
  web:
    image: web:1
    command: python3 -m http.server {port}
    ports: ['{port}:{port}']
    depends_on: {{seed: {{condition: service_completed_successfully}}, db: {{condition: service_healthy}}}}
    restart: always
    healthcheck: {{test: test -e seeded, interval: 1s, timeout: 5s}}
  seed: {{command: touch seeded}}
  db: {{image: 'postgres:16'}}
"
    );
    let said = [
        "compose.yaml:3: web: left out, as no container is made: image",
        "does not wait for `db`, which is left out",
        "db: is left out: it runs what the image postgres:16 says",
    ];
    import(&fleet, ("compose.yaml", &compose), 1, &said);
    fleet.run("up").expect(0);
    assert!(fleet.run("status web").expect(0).stdout.contains("healthy"));
}

#[test]
fn what_is_of_no_known_kind_is_refused_with_what_is() {
    let fleet = Fleet::new(NONE);
    fleet.run("import services.toml").expect(2).says(&[
        "none of a known kind",
        ".conf",
        "Procfile",
        "compose",
    ]);
    fleet.run("import nowhere.conf").expect(2).says(&["cannot read nowhere.conf"]);
    fleet.run("import services.toml --env broken").expect(2).says(&["NAME=VALUE"]);
    fs::write(fleet.path().join("compose.yml"), "services: [").unwrap();
    fleet.run("import compose.yml").expect(2).says(&["compose.yml:1: cannot read this as YAML"]);
    fleet.run("import compose.yml --expanded").expect(2).says(&["is for configs of supervisord"]);
}

#[test]
fn what_is_imported_from_supervisord_says_what_no_key_can_say() {
    let fleet = Fleet::new(NONE);
    let config = "[supervisord]\nlogfile=%(here)s/own.log\nminfds=2000\nloglevel=debug\n[program:a]\ncommand=sleep 600\n";
    let said = [
        "supervisord.conf:2: [supervisord] logfile is left out",
        "supervisord.conf:3: [supervisord] minfds is left out: start procman with the limit",
    ];
    import(&fleet, ("supervisord.conf", config), 0, &said);
    assert!(fs::read_to_string(fleet.config()).unwrap().contains("log_level = \"debug\""));
}
