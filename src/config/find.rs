use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use super::environment::Environment;

/// The name of the file that is looked for.
pub const FILE_NAME: &str = "services.toml";

/// The variable that names the file when none is found.
pub const VARIABLE: &str = "PROCMAN_CONFIG";

/// Why there is no config file.
#[derive(Debug, thiserror::Error)]
pub enum NotFound {
    /// The file that was asked for is not there.
    #[error("cannot read {path}: {source}\nhint: name a file that is there and that you may read")]
    Named {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// None was asked for, and none is there.
    #[error(
        "cannot find {FILE_NAME} in {start} or above it\nhint: name the file with `-c FILE` or {VARIABLE}"
    )]
    Nowhere {
        /// Where the search began.
        start: PathBuf,
    },
}

/// The file named, else `services.toml` from `start` upwards, else the one that `PROCMAN_CONFIG` names; with all links
/// resolved, so that one file has one name.
pub fn find(named: Option<&Path>, start: &Path, environment: &Environment) -> Result<PathBuf, NotFound> {
    if let Some(path) = named {
        return canonical(path);
    }
    let above = start.ancestors().map(|directory| directory.join(FILE_NAME)).find(|file| file.is_file());
    match (above, environment.value(VARIABLE)) {
        (Some(path), _) => canonical(&path),
        (None, Some(path)) if !path.is_empty() => canonical(Path::new(path)),
        (None, Some(_) | None) => Err(NotFound::Nowhere { start: start.to_owned() }),
    }
}

fn canonical(path: &Path) -> Result<PathBuf, NotFound> {
    fs::canonicalize(path).map_err(|source| NotFound::Named { path: path.to_owned(), source })
}

#[cfg(test)]
mod tests {
    use super::{Environment, NotFound, find};
    use std::fs;

    #[test]
    fn the_file_named_wins_then_the_nearest_then_the_variable() {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path().canonicalize().unwrap();
        let deep = root.join("a/b");
        fs::create_dir_all(&deep).unwrap();
        let (near, other) = (root.join("services.toml"), root.join("other.toml"));
        fs::write(&other, "").unwrap();
        let variable: Environment =
            [("PROCMAN_CONFIG".to_owned(), other.display().to_string())].into_iter().collect();
        assert!(matches!(find(None, &deep, &Environment::default()), Err(NotFound::Nowhere { .. })));
        assert_eq!(find(None, &deep, &variable).unwrap(), other);
        fs::write(&near, "").unwrap();
        assert_eq!(find(None, &deep, &variable).unwrap(), near);
        assert_eq!(find(Some(&other), &deep, &variable).unwrap(), other);
        assert!(matches!(find(Some(&root.join("no")), &deep, &variable), Err(NotFound::Named { .. })));
    }
}
