use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use tokio::task::JoinSet;

use super::compile::{Interpreter, Trouble, compile};
use crate::spec::script::{Language, script_of};
use crate::spec::service::Service;
use crate::sys::writable;
use crate::vocab::measure::Brief;

/// What can be told of a start before there is one.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Foresight {
    /// Why it would fail, each in words that go on after the service's name.
    pub problems: Vec<String>,
    /// What could not be told.
    pub remarks: Vec<String>,
}

/// How long an interpreter may take over scripts. Shorter than any client waits for its answer.
const LIMIT: Duration = Duration::from_secs(4);

/// What differs between services and is nothing to an interpreter.
const OF_A_SERVICE: [&str; 2] = ["PROCMAN_SERVICE", "PROCMAN_REPLICA"];

/// A script that an interpreter has to be asked about.
struct Question {
    interpreter: Interpreter,
    /// As the interpreter is told it.
    script: String,
    file: PathBuf,
}

/// Looks at all that starts of these services need, each in its environment, and starts none: directory, program and
/// script, log files, and for Python whether the script can be compiled, as the service's user. Takes four seconds at
/// most; what takes longer is a remark and no problem, since a slow disk is no broken program. The answers come in the
/// order of the services.
pub async fn foresee(starts: &[(&Service, BTreeMap<String, String>)]) -> Vec<Foresight> {
    let mut found = Vec::with_capacity(starts.len());
    let mut groups: Vec<(Interpreter, Vec<(usize, Question)>)> = Vec::new();
    for (at, (service, environment)) in starts.iter().enumerate() {
        let (foresight, question) = look(service, environment);
        found.push(foresight);
        let Some(question) = question else { continue };
        match groups.iter_mut().find(|(interpreter, _)| *interpreter == question.interpreter) {
            Some((_, questions)) => questions.push((at, question)),
            None => groups.push((question.interpreter.clone(), vec![(at, question)])),
        }
    }
    let mut asked = JoinSet::new();
    for (interpreter, questions) in groups {
        asked.spawn(ask(interpreter, questions));
    }
    for (at, trouble) in asked.join_all().await.into_iter().flatten() {
        match trouble {
            Trouble::Problem(problem) => found[at].problems.push(problem),
            Trouble::Remark(remark) => found[at].remarks.push(remark),
        }
    }
    found
}

/// What is wrong with which of the services that start one interpreter.
async fn ask(interpreter: Interpreter, questions: Vec<(usize, Question)>) -> Vec<(usize, Trouble)> {
    let scripts: Vec<String> = questions.iter().map(|(_, question)| question.script.clone()).collect();
    let late =
        || vec![Err(Trouble::Remark(format!("was not compiled within {}", Brief(LIMIT)))); scripts.len()];
    let answers =
        tokio::time::timeout(LIMIT, compile(&interpreter, &scripts)).await.unwrap_or_else(|_| late());
    let about = |question: &Question, trouble| match trouble {
        Trouble::Problem(problem) => Trouble::Problem(format!("{}: {problem}", question.file.display())),
        Trouble::Remark(remark) => Trouble::Remark(format!("{}: {remark}", question.file.display())),
    };
    let answered = questions.iter().zip(answers);
    answered.filter_map(|((at, question), answer)| Some((*at, about(question, answer.err()?)))).collect()
}

fn look(service: &Service, environment: &BTreeMap<String, String>) -> (Foresight, Option<Question>) {
    let logs: Vec<_> = service.logs.files().map(|(_, file)| file).collect();
    let mut found =
        Foresight { problems: logs.into_iter().filter_map(closed_log).collect(), remarks: Vec::new() };
    if !service.directory.is_dir() {
        found.problems.push(format!("the directory {} does not exist", service.directory.display()));
        return (found, None);
    }
    let search = environment.get("PATH").map(String::as_str);
    let Some(program) = service.command.resolve(&service.directory, search) else {
        found.problems.push(format!("there is no program `{}`", service.command.program()));
        return (found, None);
    };
    let words = std::iter::once(service.command.program())
        .chain(service.command.arguments().iter().map(String::as_str));
    let mut words: Vec<String> = words.map(str::to_owned).collect();
    let Some(script) = script_of(&words) else { return (found, None) };
    let file = service.directory.join(&script.file);
    if let Some(problem) = closed_script(service, &file) {
        found.problems.push(problem);
        return (found, None);
    }
    if script.language != Language::Python || file.extension().is_none_or(|it| it != "py") {
        return (found, None);
    }
    words.truncate(script.interpreter + 1);
    let mut environment = environment.clone();
    environment.retain(|name, _| !OF_A_SERVICE.contains(&name.as_str()));
    let interpreter = Interpreter {
        program,
        words,
        directory: service.directory.clone(),
        environment,
        user: service.user.clone(),
        umask: service.umask,
        nice: service.nice,
    };
    (found, Some(Question { interpreter, script: script.file, file }))
}

/// A file that is there must be writable; one that is not is made in its directory.
fn closed_log(file: &Path) -> Option<String> {
    let (what, looked) = if file.exists() {
        ("file", writable::look_at_file(file))
    } else {
        ("directory", writable::look_at_directory(file.parent()?))
    };
    let closed = looked.err()?.words();
    Some(format!("its log {what} {closed}; name another by `stdout`, `stderr` or `log_dir` of [supervisor]"))
}

/// Whether another user may read it is seen by trying as that user.
fn closed_script(service: &Service, file: &Path) -> Option<String> {
    match fs::metadata(file) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            Some(format!("the script {} does not exist", file.display()))
        }
        Ok(found) if found.is_file() && service.user.is_none() => {
            File::open(file).err().map(|error| format!("cannot read the script {}: {error}", file.display()))
        }
        Ok(_) | Err(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::{Foresight, foresee};
    use crate::spec::service::{Command, Service};
    use crate::vocab::name::ServiceName;
    use std::collections::BTreeMap;
    use std::fs;
    use std::path::Path;

    fn service(directory: &Path, line: &str) -> Service {
        let command = Command::new(line.split_whitespace().map(str::to_owned).collect()).unwrap();
        Service::plain(ServiceName::parse("api").unwrap(), command, directory.to_owned())
    }

    fn seen(service: &Service) -> Foresight {
        let environment = BTreeMap::from([("PATH".to_owned(), "/usr/bin:/bin".to_owned())]);
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(foresee(&[(service, environment)])).remove(0)
    }

    #[test]
    fn what_a_start_would_fail_by_is_told_and_what_cannot_be_told_is_no_problem() {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path();
        fs::write(root.join("good.py"), "import nowhere\nraise SystemExit(3)\n").unwrap();
        fs::write(root.join("bad.py"), "import sys\n\ndef main(:\n    pass\n").unwrap();
        let interpreter = root.join("python3");
        fs::write(&interpreter, "").unwrap();
        let check = |line: &str, problems: &[&str]| {
            let found = seen(&service(root, line));
            assert_eq!(found.problems.len(), problems.len(), "{line}: {found:?}");
            for (found, expected) in found.problems.iter().zip(problems) {
                assert!(found.contains(expected), "{line}: {found}");
            }
        };
        check("sleep 9", &[]);
        check("no-such-program", &["there is no program `no-such-program`"]);
        check("sh ./gone.sh", &["gone.sh does not exist"]);
        if Path::new("/usr/bin/python3").exists() {
            check("python3 -u good.py x", &[]);
            check("python3 -u bad.py", &["bad.py: line 3: "]);
            check("env A=1 python3 bad.py", &["def main(:"]);
            check("python3 gone.py", &["gone.py does not exist"]);
            check("python3 -m bad", &[]);
        }
        assert!(!root.join("__pycache__").exists(), "nothing is written");
        let mute = root.join("bin/python3");
        fs::create_dir(root.join("bin")).unwrap();
        std::os::unix::fs::symlink("/bin/true", &mute).unwrap();
        let found = seen(&service(root, &format!("{} bad.py", mute.display())));
        assert!(found.problems.is_empty() && found.remarks.len() == 1, "{found:?}");
    }

    #[test]
    fn services_with_one_interpreter_are_told_apart() {
        if !Path::new("/usr/bin/python3").exists() {
            return;
        }
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path();
        fs::write(root.join("good.py"), "x = 1\n").unwrap();
        fs::write(root.join("bad.py"), "x = (1\n").unwrap();
        let lines =
            ["python3 good.py", "python3 bad.py", "python3 -u good.py", "sleep 9", "python3 bad.py x"];
        let services = lines.map(|line| service(root, line));
        let environment = |service: &Service| {
            let name = ("PROCMAN_SERVICE".to_owned(), format!("{:?}", service.command));
            BTreeMap::from([("PATH".to_owned(), "/usr/bin:/bin".to_owned()), name])
        };
        let starts: Vec<_> = services.iter().map(|service| (service, environment(service))).collect();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let found = runtime.block_on(foresee(&starts));
        let broken: Vec<bool> = found.iter().map(|it| !it.problems.is_empty()).collect();
        assert_eq!(broken, [false, true, false, false, true], "{found:?}");
    }

    #[test]
    fn a_place_that_is_not_as_it_should_be_is_told() {
        let dir = tempfile::tempdir().unwrap();
        let gone = Service { directory: dir.path().join("gone"), ..service(dir.path(), "sleep 9") };
        assert!(seen(&gone).problems[0].contains("gone does not exist"));
        fs::create_dir_all(dir.path().join("logs/api.err.log")).unwrap();
        let found = seen(&service(dir.path(), "sleep 9"));
        assert!(found.problems[0].contains("api.err.log cannot be written: is a directory; "), "{found:?}");
    }
}
