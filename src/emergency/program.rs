use std::fs;
use std::path::{Path, PathBuf};

use crate::spec::script::{base_name, stem, without_env};

/// Programs that run a script named among their arguments; versions such as `python3.11` count as `python`.
const INTERPRETERS: [&str; 16] = [
    "python", "pypy", "node", "nodejs", "deno", "bun", "ruby", "perl", "php", "sh", "bash", "dash", "zsh",
    "java", "dotnet", "mono",
];

/// Options of interpreters that take the next word as their value.
const OPTIONS_WITH_VALUE: [&str; 7] = ["-W", "-X", "-r", "--require", "-cp", "-classpath", "--class-path"];

/// Options after which the program is given on the spot, and no file is run.
const INLINE: [&str; 3] = ["-c", "-e", "--eval"];

/// Directories whose programs belong to everybody: that two processes run one of them says nothing.
const SYSTEM: [&str; 11] = [
    "/bin",
    "/sbin",
    "/lib",
    "/lib64",
    "/usr",
    "/opt/homebrew",
    "/System",
    "/Library",
    "/snap",
    "/nix/store",
    "/etc/alternatives",
];

/// The script or program file that a command line runs in a directory, with all links resolved; none when it cannot be
/// told, when there is no such file, or when the file is a program of the system that everybody runs.
pub fn file_of(words: &[String], directory: &Path) -> Option<PathBuf> {
    let words = without_env(words);
    let program = words.first()?;
    if is_interpreter(program) {
        return script_of(&words[1..], directory);
    }
    // A link from a directory of the system leads to a program of the system, wherever that lies.
    let is_of_system = |file: &Path| SYSTEM.iter().any(|system| file.starts_with(system));
    if !program.contains('/') || is_of_system(Path::new(program)) {
        return None;
    }
    resolve(program, directory).filter(|file| !is_of_system(file))
}

fn is_interpreter(program: &str) -> bool {
    INTERPRETERS.contains(&stem(program)) || INTERPRETERS.contains(&base_name(program))
}

fn script_of(arguments: &[String], directory: &Path) -> Option<PathBuf> {
    let mut arguments = arguments.iter();
    while let Some(word) = arguments.next() {
        if word == "-m" {
            return module(arguments.next()?, directory);
        }
        if word == "-jar" {
            return resolve(arguments.next()?, directory);
        }
        if INLINE.contains(&word.as_str()) {
            return None;
        }
        if OPTIONS_WITH_VALUE.contains(&word.as_str()) {
            arguments.next();
        } else if !word.starts_with('-') {
            return resolve(word, directory);
        }
    }
    None
}

/// `python -m a.b` runs `a/b.py`, or `a/b/__main__.py`, if the module lies in the directory.
fn module(name: &str, directory: &Path) -> Option<PathBuf> {
    let path = name.replace('.', "/");
    resolve(&format!("{path}.py"), directory).or_else(|| resolve(&format!("{path}/__main__.py"), directory))
}

fn resolve(word: &str, directory: &Path) -> Option<PathBuf> {
    let file = fs::canonicalize(directory.join(word)).ok()?;
    file.is_file().then_some(file)
}

#[cfg(test)]
mod tests {
    use super::file_of;
    use std::fs;

    #[test]
    fn a_command_line_tells_which_file_it_runs() {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path().canonicalize().unwrap();
        fs::create_dir_all(root.join("pkg")).unwrap();
        for file in ["main.py", "server", "pkg/worker.py"] {
            fs::write(root.join(file), "").unwrap();
        }
        let check = |line: &str, expected: Option<&str>| {
            let words: Vec<String> = line.split_whitespace().map(str::to_owned).collect();
            assert_eq!(file_of(&words, &root), expected.map(|file| root.join(file)), "{line}");
        };
        check("python3 -u main.py --port 1", Some("main.py"));
        check("/venv/bin/python3.11 -W ignore ./main.py", Some("main.py"));
        check("env A=1 python main.py", Some("main.py"));
        check("python3 -m pkg.worker", Some("pkg/worker.py"));
        check("./server -x main.py", Some("server"));
        check("python3 -I main.py x", Some("main.py"));
        check("/usr/bin/java -Xmx1g -cp lib -jar server", Some("server"));
        check("/usr/bin/java -cp lib com.example.Main", None);
        check("python3 -c main.py", None);
        check("vim main.py", None);
        check("server", None);
        check("/bin/sleep 10", None);
        check("python3 other.py", None);
        check("", None);
    }
}
