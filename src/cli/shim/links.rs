use std::fs;
use std::io;
use std::os::unix::fs::symlink;
use std::path::{Component, Path, PathBuf};

use super::program::{self, Name};
use crate::cli::failure::Failure;
use crate::cli::output;

/// Puts the names into a directory, as symbolic links to this procman. What is there already is left alone unless it is one
/// of these links, and then nothing is changed at all.
pub(in crate::cli) fn run(directory: &Path) -> Result<(), Failure> {
    let directory = fs::canonicalize(directory).map_err(|error| {
        let hint = "hint: make the directory first, or name one that is in PATH";
        Failure::Usage(format!("cannot use {}: {error}\n{hint}", directory.display()))
    })?;
    let program = program::own_file()
        .map_err(|error| Failure::System(format!("cannot tell where procman itself lies: {error}")))?;
    let target = target(&program, &directory);
    let wanted = Name::ALL.map(|name| directory.join(name.file()));
    let missing = wanted.iter().filter_map(|link| look(link, &program).transpose());
    let missing = missing.collect::<Result<Vec<&Path>, Failure>>()?;
    for link in missing {
        symlink(&target, link).map_err(|error| cannot("make", link, &error))?;
    }
    for link in &wanted {
        output::line(&format!("{} -> {}", link.display(), target.display()))?;
    }
    Ok(())
}

/// A link that is to be made; none if it is there and leads here. What else is there is not ours.
fn look<'a>(link: &'a Path, program: &Path) -> Result<Option<&'a Path>, Failure> {
    match fs::symlink_metadata(link) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Some(link)),
        Err(error) => Err(cannot("look at", link, &error)),
        Ok(_) if fs::canonicalize(link).is_ok_and(|file| file == program) => Ok(None),
        Ok(_) => {
            let hint = "hint: remove it, or name another directory that comes before it in PATH";
            let it = link.display();
            Err(Failure::Unsafe(format!("cannot make {it}: something else is there, and it stays\n{hint}")))
        }
    }
}

fn cannot(what: &str, link: &Path, error: &io::Error) -> Failure {
    Failure::NotReached(format!("cannot {what} {}: {error}", link.display()))
}

/// What a link in `directory` says: relative where both lie under one directory that is more than the root, so that the
/// whole can be moved; else absolute.
fn target(program: &Path, directory: &Path) -> PathBuf {
    let pairs = program.components().zip(directory.components());
    let shared: Vec<Component<'_>> = pairs.take_while(|(a, b)| a == b).map(|(a, _)| a).collect();
    // The root and one directory below it say nothing about two files belonging together.
    if shared.len() < 3 {
        return program.to_owned();
    }
    let up = directory.components().skip(shared.len()).map(|_| Component::ParentDir);
    up.chain(program.components().skip(shared.len())).collect()
}

#[cfg(test)]
mod tests {
    use super::{look, target};
    use std::fs;
    use std::os::unix::fs::symlink;
    use std::path::Path;

    #[test]
    fn a_link_is_relative_where_both_ends_move_together() {
        for (program, directory, expected) in [
            ("/usr/local/bin/procman", "/usr/local/bin", "procman"),
            ("/opt/procman/bin/procman", "/opt/procman/shims", "../bin/procman"),
            ("/opt/procman/procman", "/usr/local/bin", "/opt/procman/procman"),
            ("/home/procman", "/home/x/bin", "/home/procman"),
        ] {
            assert_eq!(target(Path::new(program), Path::new(directory)), Path::new(expected));
        }
    }

    #[test]
    fn only_what_leads_here_counts_as_ours() {
        let dir = tempfile::tempdir().unwrap();
        let program = dir.path().canonicalize().unwrap().join("procman");
        fs::write(&program, "").unwrap();
        let at = |name: &str| program.with_file_name(name);
        symlink("procman", at("ours")).unwrap();
        symlink("nowhere", at("broken")).unwrap();
        fs::write(at("file"), "").unwrap();
        assert_eq!(look(&at("none"), &program).unwrap(), Some(at("none").as_path()));
        assert_eq!(look(&at("ours"), &program).unwrap(), None);
        for theirs in ["broken", "file"] {
            assert_eq!(look(&at(theirs), &program).unwrap_err().code(), 5, "{theirs}");
        }
    }
}
