use std::collections::{BTreeMap, BTreeSet};

use super::imported::{Imported, Remark};
use super::variables;
use crate::config::writer::{self, Table, quoted};
use crate::spec::supervisor::Supervisor;
use crate::vocab::name::ServiceName;

/// Whether a `.env` lies beside a Procfile: foreman reads it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DotEnv {
    /// It does.
    Beside,
    /// It does not.
    Absent,
}

/// Foreman gives the first process this port, and each further one the next in steps of a hundred.
const PORT_FIRST: u16 = 5000;
const PORT_STEP: u16 = 100;

/// What only a shell understands.
const SHELL: [char; 17] =
    ['|', '&', ';', '<', '>', '(', ')', '$', '`', '*', '?', '[', ']', '#', '~', '{', '}'];

/// What the splitting of a command understands as a shell does.
const QUOTES: [char; 3] = ['\'', '"', '\\'];

/// Translates a Procfile: `NAME: COMMAND` lines, and `#` comments.
pub fn read(text: &str, dot_env: DotEnv) -> Imported {
    let mut reader = Reader { imported: Imported::default(), names: BTreeSet::new(), ports: ports() };
    let mut tables = Vec::new();
    let mut comments = Vec::new();
    for (index, line) in text.lines().enumerate() {
        match line.trim() {
            "" => comments.clear(),
            comment if comment.starts_with('#') => {
                comments.push(comment.trim_start_matches('#').trim().to_owned());
            }
            line => {
                let comments = std::mem::take(&mut comments);
                tables.extend(reader.process(index + 1, line, comments));
            }
        }
    }
    for table in tables.iter_mut().filter(|_| dot_env == DotEnv::Beside) {
        table.set("env_file", writer::array(&[quoted(".env")]));
    }
    let mut imported = reader.imported;
    if tables.is_empty() {
        imported.refusals.push(Remark::at(1, "there is no process: a line is `NAME: COMMAND`"));
        return imported;
    }
    let end = "foreman ends all processes when one ends; procman starts each again by itself";
    imported.remarks.push(Remark::at(1, end));
    imported.text = writer::whole(String::new(), tables).0;
    imported
}

/// The ports that processes are given: foreman's, without those that procman leaves to the system.
fn ports() -> impl Iterator<Item = u16> {
    let all = (PORT_FIRST..u16::MAX).step_by(usize::from(PORT_STEP));
    all.filter(|port| !Supervisor::PROTECTED_PORTS.contains(port))
}

struct Reader<P> {
    imported: Imported,
    names: BTreeSet<ServiceName>,
    ports: P,
}

impl<P: Iterator<Item = u16>> Reader<P> {
    fn process(&mut self, line: usize, text: &str, comments: Vec<String>) -> Option<Table> {
        let parts = text.split_once(':').map(|(name, command)| (name.trim(), command.trim()));
        let Some((name, command)) = parts.filter(|(_, command)| !command.is_empty()) else {
            let what = format!("`{text}` is no process: a line is `NAME: COMMAND`");
            self.imported.refusals.push(Remark::at(line, what));
            return None;
        };
        let name = match ServiceName::parse(name) {
            Ok(name) => name,
            Err(bad) => {
                self.imported.refusals.push(Remark::at(line, bad.to_string()));
                return None;
            }
        };
        if !self.names.insert(name.clone()) {
            self.imported.refusals.push(Remark::at(line, format!("`{name}` stands here twice")));
            return None;
        }
        let (mut env, command) = assignments(command);
        let mut table = Table { name: name.to_string(), comments, keys: Vec::new() };
        table.set("command", written(command));
        if names_port(command) {
            let said = env.get("PORT").and_then(|port| port.parse().ok());
            if let Some(port) = said.or_else(|| self.ports.next()) {
                env.insert("PORT".to_owned(), port.to_string());
                table.set("port", port.to_string());
                let what = format!("{name}: PORT is {port}, and is expected to be listened on");
                self.imported.remarks.push(Remark::at(line, what));
            }
        }
        if !env.is_empty() {
            table.set("env", writer::inline_table(&env));
        }
        if name.as_str() == "release" {
            table.set("restart", quoted("never"));
            let what = "`release` runs once, beside the others: let them have `depends_on = { release = \"completed\" }` if they need it";
            self.imported.remarks.push(Remark::at(line, what));
        }
        Some(table)
    }
}

/// The `NAME=value` words that a command begins with, as far as they are plain, and what follows them.
fn assignments(command: &str) -> (BTreeMap<String, String>, &str) {
    let (mut variables, mut rest) = (BTreeMap::new(), command);
    while let Some((word, after)) = rest.split_once(char::is_whitespace) {
        let Some((name, value)) = word.split_once('=') else { break };
        let is_name = name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
            && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
        if !is_name || value.contains(SHELL) || value.contains(QUOTES) {
            break;
        }
        variables.insert(name.to_owned(), value.to_owned());
        rest = after.trim_start();
    }
    (variables, rest)
}

/// Whether a command asks for the port that foreman gives.
fn names_port(command: &str) -> bool {
    command.contains("$PORT") || command.contains("${PORT}") || command.contains("${PORT:")
}

/// A command as a value of a services.toml: by a shell only where it needs one.
fn written(command: &str) -> String {
    if !command.contains(SHELL) && shlex::split(command).is_some() {
        return quoted(command);
    }
    let translated = variables::translate(command);
    let is_plain = !command.contains(QUOTES) && !translated.outside.contains(SHELL);
    if is_plain && translated.remarks.is_empty() {
        return translated.written;
    }
    let script = if is_one_program(command) { format!("exec {command}") } else { command.to_owned() };
    writer::array(&[quoted("/bin/sh"), quoted("-c"), quoted(&script)])
}

/// Whether a shell would start one program and nothing else, so that it may become it.
fn is_one_program(command: &str) -> bool {
    let starts_plainly =
        command.starts_with(|c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '/' | '_'));
    let first = command.split_whitespace().next().unwrap_or_default();
    let is_of_shell = matches!(
        first,
        "cd" | "exec"
            | "if"
            | "while"
            | "for"
            | "case"
            | "until"
            | "source"
            | "."
            | "export"
            | "set"
            | "trap"
            | "eval"
    );
    starts_plainly
        && !is_of_shell
        && !first.contains('=')
        && !command.contains(['|', '&', ';', '(', ')', '`'])
}

#[cfg(test)]
mod tests {
    use super::{DotEnv, read};

    fn check(text: &str, dot_env: DotEnv, toml: &str, said: &[&str]) {
        let imported = read(text, dot_env);
        let all = imported.remarks.iter().chain(&imported.refusals);
        let found: Vec<String> = all.map(|it| format!("{}: {}", it.line, it.what)).collect();
        let end = "1: foreman ends all processes when one ends; procman starts each again by itself";
        let expected: Vec<&str> = said.iter().copied().chain((!toml.is_empty()).then_some(end)).collect();
        let (mut found, mut expected): (Vec<_>, Vec<_>) =
            (found, expected.iter().map(|it| (*it).to_owned()).collect());
        found.sort();
        expected.sort();
        assert_eq!(found, expected, "{text}");
        assert_eq!(imported.text.trim(), toml.trim(), "{text}");
    }

    #[test]
    fn plain_commands_stay_plain_and_others_are_given_to_a_shell() {
        let toml = r#"
[services.web]
command = "gunicorn -b 0.0.0.0:${PORT:-} app"
port = 5100
env = { PORT = "5100" }

# takes jobs
[services.worker]
command = "python3 'my worker.py'"
env = { QUEUE = "fast" }

[services.clock]
command = ["/bin/sh", "-c", "exec ./clock > clock.log"]

[services.two]
command = ["/bin/sh", "-c", "cd sub && ./two"]
"#;
        check(
            "web: gunicorn -b 0.0.0.0:$PORT app\n\n# takes jobs\nworker: QUEUE=fast python3 'my worker.py'\n\
             clock: ./clock > clock.log\ntwo: cd sub && ./two\n",
            DotEnv::Absent,
            toml,
            &["1: web: PORT is 5100, and is expected to be listened on"],
        );
    }

    #[test]
    fn what_is_no_process_is_refused_with_its_line() {
        let said = ["1: `web` is no process: a line is `NAME: COMMAND`", "3: `a` stands here twice"];
        let toml = "[services.a]\ncommand = \"x\"\nenv_file = [\".env\"]";
        check("web\na: x\na: y\n", DotEnv::Beside, toml, &said);
        check("", DotEnv::Absent, "", &["1: there is no process: a line is `NAME: COMMAND`"]);
    }
}
