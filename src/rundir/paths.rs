use std::fs::{self, DirBuilder};
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

use crate::sys;
use crate::vocab::name::ServiceName;
use crate::vocab::run::Instance;

/// Where each file of one fleet lies. Made from the config alone, so that a client finds a daemon that is not there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Paths {
    /// The fleet, as its processes are tagged.
    pub instance: Instance,
    /// The directory of all the others but perhaps the socket.
    pub state_dir: PathBuf,
    /// The control socket.
    pub socket: PathBuf,
    /// The lock that the living supervisor holds.
    pub lock: PathBuf,
    /// The journal of live runs.
    pub journal: PathBuf,
    /// The named pipes of the services' output.
    pub channels: PathBuf,
    /// The time indexes of the log files.
    pub times: PathBuf,
    /// The supervisor's own log.
    pub supervisor_log: PathBuf,
}

/// Why the state directory cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum Unusable {
    /// It cannot be made or looked at.
    #[error("cannot prepare the state directory {path}: {source}")]
    Io {
        /// The directory.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// Others may enter it, and would reach the socket.
    #[error(
        "cannot use {path} as state directory: it belongs to another user or is open to others (mode {mode:o})"
    )]
    Open {
        /// The directory.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
}

impl Paths {
    /// The longest path of a unix socket that macOS takes (`sun_path` has 104 bytes, the last of them NUL); Linux takes 4 more.
    pub const SOCKET_LEN_MAX: usize = 103;

    /// The paths of the fleet of this config file. Both must be absolute.
    pub fn new(config: &Path, state_dir: &Path) -> Self {
        let instance = instance_of(config);
        Self {
            socket: socket_path(state_dir, &instance),
            lock: state_dir.join("lock"),
            journal: state_dir.join("journal"),
            channels: state_dir.join("pipes"),
            times: state_dir.join("times"),
            supervisor_log: state_dir.join("supervisor.log"),
            state_dir: state_dir.to_owned(),
            instance,
        }
    }

    /// The named pipe of a service's standard output.
    pub fn stdout_channel(&self, service: &ServiceName) -> PathBuf {
        self.channels.join(format!("{service}.out"))
    }

    /// The named pipe of a service's standard error.
    pub fn stderr_channel(&self, service: &ServiceName) -> PathBuf {
        self.channels.join(format!("{service}.err"))
    }

    /// Makes the directories, closed to everybody else.
    ///
    /// # Errors
    /// [`Unusable`]: nobody but the caller may be able to enter the socket's directory.
    pub fn prepare(&self) -> Result<(), Unusable> {
        private_directory(&self.state_dir)?;
        if let Some(parent) = self.socket.parent() {
            private_directory(parent)?;
        }
        private_directory(&self.channels)?;
        private_directory(&self.times)
    }
}

/// FNV-1a over the path's bytes (64 bit): stable across versions, unlike the standard library's hasher.
fn instance_of(config: &Path) -> Instance {
    let hash = config.as_os_str().as_bytes().iter().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3)
    });
    Instance(format!("{hash:016x}"))
}

fn socket_path(state_dir: &Path, instance: &Instance) -> PathBuf {
    let beside = state_dir.join("procman.sock");
    if beside.as_os_str().len() <= Paths::SOCKET_LEN_MAX {
        return beside;
    }
    PathBuf::from(format!("/tmp/procman-{}/{instance}.sock", sys::user::effective()))
}

fn private_directory(path: &Path) -> Result<(), Unusable> {
    let failed = |source| Unusable::Io { path: path.to_owned(), source };
    DirBuilder::new().recursive(true).mode(0o700).create(path).map_err(failed)?;
    let found = fs::symlink_metadata(path).map_err(failed)?;
    let mode = found.permissions().mode() & 0o7777;
    if !found.is_dir() || found.uid() != sys::user::effective() || mode & 0o077 != 0 {
        return Err(Unusable::Open { path: path.to_owned(), mode });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::{Paths, Unusable};
    use std::os::unix::fs::PermissionsExt;
    use std::path::Path;

    #[test]
    fn a_deep_state_directory_gets_a_short_socket() {
        let deep = format!("/{}", "deep/".repeat(30));
        let near = Paths::new(Path::new("/a/services.toml"), Path::new("/a/.procman"));
        let far = Paths::new(Path::new("/a/services.toml"), Path::new(&deep));
        assert_eq!(near.socket, Path::new("/a/.procman/procman.sock"));
        assert!(far.socket.as_os_str().len() <= Paths::SOCKET_LEN_MAX);
        assert!(far.socket.starts_with("/tmp"));
    }

    #[test]
    fn two_config_files_never_share_an_instance() {
        let one = Paths::new(Path::new("/a/services.toml"), Path::new("/s"));
        let other = Paths::new(Path::new("/b/services.toml"), Path::new("/s"));
        assert_ne!(one.instance, other.instance);
    }

    #[test]
    fn a_directory_open_to_others_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let state = dir.path().join("state");
        let paths = Paths::new(&dir.path().join("services.toml"), &state);
        paths.prepare().unwrap();
        std::fs::set_permissions(&state, std::fs::Permissions::from_mode(0o755)).unwrap();
        assert!(matches!(paths.prepare(), Err(Unusable::Open { mode: 0o755, .. })));
    }
}
