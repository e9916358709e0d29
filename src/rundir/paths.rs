use std::fs::{self, DirBuilder};
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

use crate::sys;
use crate::sys::writable::{self, Closed};
use crate::vocab::listen::ListenAddress;
use crate::vocab::name::ServiceName;
use crate::vocab::run::Instance;

/// Where each file of one fleet lies. Made from the config alone, so that a client finds a daemon that is not there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Paths {
    /// The fleet, as its processes are tagged.
    pub instance: Instance,
    /// The directory that the config names; several fleets may share it.
    pub state_dir: PathBuf,
    /// The fleet's own directory in it, of all the others but perhaps the socket.
    pub own_dir: PathBuf,
    /// The control socket.
    pub socket: PathBuf,
    /// The lock that the living supervisor holds.
    pub lock: PathBuf,
    /// The lock that the living guardian holds.
    pub guardian: PathBuf,
    /// The config that the supervisor acts on, as it was when that took it over.
    pub applied: PathBuf,
    /// Where the cgroups of its runs are.
    pub cgroup: PathBuf,
    /// Which services people have enabled and disabled.
    pub enabled: PathBuf,
    /// What the last upgrade came to.
    pub upgrade: PathBuf,
    /// The lock that a command holds which restarts the whole system.
    pub restart: PathBuf,
    /// The journal of live runs.
    pub journal: PathBuf,
    /// The records of the ends of runs.
    pub history: PathBuf,
    /// The named pipes of the services' output.
    pub channels: PathBuf,
    /// The second pipes of services that write much.
    pub transits: PathBuf,
    /// The directory of the Python shim.
    pub python: PathBuf,
    /// The time indexes of the log files.
    pub times: PathBuf,
    /// The supervisor's own log.
    pub supervisor_log: PathBuf,
}

/// Why the state directory cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum Unusable {
    /// It cannot be made or looked at.
    #[error(
        "cannot prepare the state directory {path}: {source}\nhint: see that there is room in it and that this user may write, or set another `state_dir`"
    )]
    Io {
        /// The directory.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// It belongs to somebody else.
    #[error(
        "cannot use the state directory {path}: it belongs to {owner}\nhint: run this as {owner}, or set another `state_dir`"
    )]
    Foreign {
        /// The directory.
        path: PathBuf,
        /// Its owner.
        owner: String,
    },
    /// Others may enter or replace it, and would reach the socket.
    #[error(
        "cannot use the state directory {path}: it is open to others (mode {mode:o})\nhint: `chmod 700 {path}`, or set another `state_dir`"
    )]
    Open {
        /// The directory.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// It is not there, and cannot be made.
    #[error(
        "cannot use the state directory: {}\nhint: set another `state_dir`", .0.words()
    )]
    NotWritable(Closed),
}

impl Paths {
    /// The longest path of a unix socket.
    pub const SOCKET_LEN_MAX: usize = ListenAddress::PATH_LEN_MAX;

    /// The paths of the fleet of this config file. Both must be absolute.
    pub fn new(config: &Path, state_dir: &Path) -> Self {
        let instance = instance_of(config);
        let own_dir = state_dir.join(directory_name(config, &instance));
        Self {
            socket: socket_path(&own_dir, &instance),
            lock: own_dir.join("lock"),
            guardian: own_dir.join("guardian"),
            applied: own_dir.join("applied.toml"),
            cgroup: own_dir.join("cgroup"),
            enabled: own_dir.join("enabled.json"),
            upgrade: own_dir.join("upgrade"),
            restart: own_dir.join("restart"),
            journal: own_dir.join("journal"),
            history: own_dir.join("history"),
            channels: own_dir.join("pipes"),
            transits: own_dir.join("transits"),
            python: own_dir.join("python"),
            times: own_dir.join("times"),
            supervisor_log: own_dir.join("supervisor.log"),
            state_dir: state_dir.to_owned(),
            own_dir,
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

    /// The named pipe of a service's standard input, if it has one.
    pub fn stdin_channel(&self, service: &ServiceName) -> PathBuf {
        self.channels.join(format!("{service}.in"))
    }

    /// The socket to which services tell of themselves. It lies beside the control socket, which has a short path.
    pub fn notify(&self) -> PathBuf {
        self.socket.with_extension("notify")
    }

    /// Makes the directories, closed to everybody else.
    ///
    /// # Errors
    /// [`Unusable`]: nobody but the caller may be able to enter the socket's directory.
    pub fn prepare(&self) -> Result<(), Unusable> {
        make_private(&self.state_dir)?;
        refuse_replaceable(&self.state_dir)?;
        for path in self.private() {
            make_private(path)?;
            refuse_open(path)?;
        }
        Ok(())
    }

    /// What [`Paths::prepare`] would say, found out without making anything.
    ///
    /// # Errors
    /// [`Unusable`], as there.
    pub fn look(&self) -> Result<(), Unusable> {
        if !self.state_dir.exists() {
            return refuse_unwritable(&self.state_dir);
        }
        refuse_replaceable(&self.state_dir)?;
        if !self.own_dir.exists() {
            return refuse_unwritable(&self.own_dir);
        }
        self.private().into_iter().filter(|path| path.exists()).try_for_each(refuse_open)
    }

    /// The directories that are closed to everybody else.
    fn private(&self) -> Vec<&Path> {
        let own: [&Path; 3] = [&self.own_dir, &self.channels, &self.times];
        own.into_iter().chain(self.socket.parent()).collect()
    }
}

fn unusable(path: &Path) -> impl FnOnce(io::Error) -> Unusable + '_ {
    |source| Unusable::Io { path: path.to_owned(), source }
}

/// A name that tells people whose directory it is, and that no other config file has: `services-1a2b3c4d`.
fn directory_name(config: &Path, instance: &Instance) -> String {
    const STEM_LEN_MAX: usize = 16;
    let stem = config.file_stem().map(|stem| stem.to_string_lossy()).unwrap_or_default();
    let plain = stem.chars().filter(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '-'));
    let plain: String = plain.take(STEM_LEN_MAX).collect();
    format!("{plain}-{}", &instance.0[..8])
}

/// FNV-1a over the path's bytes (64 bit): stable across versions, unlike the standard library's hasher.
fn instance_of(config: &Path) -> Instance {
    let hash = config.as_os_str().as_bytes().iter().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3)
    });
    Instance(format!("{hash:016x}"))
}

fn socket_path(own_dir: &Path, instance: &Instance) -> PathBuf {
    let beside = own_dir.join("procman.sock");
    if beside.as_os_str().len() <= Paths::SOCKET_LEN_MAX {
        return beside;
    }
    PathBuf::from(format!("/tmp/procman-{}/{instance}.sock", sys::user::effective()))
}

fn make_private(path: &Path) -> Result<(), Unusable> {
    DirBuilder::new().recursive(true).mode(0o700).create(path).map_err(unusable(path))
}

/// Nobody else may enter.
fn refuse_open(path: &Path) -> Result<(), Unusable> {
    refuse(path, |mode| mode & 0o077 != 0)
}

/// Nobody else may put another directory in the place of one in it; in a sticky one only owners may.
fn refuse_replaceable(path: &Path) -> Result<(), Unusable> {
    refuse(path, |mode| mode & 0o022 != 0 && mode & 0o1000 == 0)
}

fn refuse(path: &Path, is_open: impl Fn(u32) -> bool) -> Result<(), Unusable> {
    let found = fs::symlink_metadata(path).map_err(unusable(path))?;
    if !found.is_dir() {
        return Err(unusable(path)(io::ErrorKind::NotADirectory.into()));
    }
    let mode = found.permissions().mode() & 0o7777;
    let is_sticky = mode & 0o1000 != 0;
    if found.uid() != sys::user::effective() && !is_sticky {
        return Err(Unusable::Foreign { path: path.to_owned(), owner: sys::user::name(found.uid()) });
    }
    if is_open(mode) { Err(Unusable::Open { path: path.to_owned(), mode }) } else { Ok(()) }
}

fn refuse_unwritable(path: &Path) -> Result<(), Unusable> {
    writable::look_at_directory(path).map_err(Unusable::NotWritable)
}

#[cfg(test)]
mod tests {
    use super::{Paths, Unusable};
    use std::fs;
    use std::os::unix::fs::PermissionsExt;
    use std::path::Path;

    #[test]
    fn a_deep_state_directory_gets_a_short_socket() {
        let deep = format!("/{}", "deep/".repeat(30));
        let near = Paths::new(Path::new("/a/services.toml"), Path::new("/a/.procman"));
        let far = Paths::new(Path::new("/a/services.toml"), Path::new(&deep));
        assert!(near.socket.starts_with("/a/.procman/"));
        assert!(near.own_dir.file_name().unwrap().to_str().unwrap().starts_with("services-"));
        assert!(far.socket.as_os_str().len() <= Paths::SOCKET_LEN_MAX);
        assert!(far.socket.starts_with("/tmp"));
    }

    #[test]
    fn two_config_files_share_nothing_but_the_state_directory() {
        let of = |config: &str| Paths::new(Path::new(config), Path::new("/s"));
        for (one, other) in [("/a/services.toml", "/b/services.toml"), ("/a/one.toml", "/a/two.toml")] {
            let (one, other) = (of(one), of(other));
            assert_ne!(one.instance, other.instance);
            assert_ne!(one.socket, other.socket);
            assert_ne!(one.lock, other.lock);
            assert_ne!(one.journal, other.journal);
        }
    }

    #[test]
    fn a_directory_open_to_others_is_refused_by_a_look_as_by_the_making() {
        let dir = tempfile::tempdir().unwrap();
        let state = dir.path().join("state");
        let paths = Paths::new(&dir.path().join("services.toml"), &state);
        paths.look().unwrap();
        assert!(!state.exists(), "a look makes nothing");
        paths.prepare().unwrap();
        paths.look().unwrap();
        let open = |path: &Path, mode| fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
        open(&paths.own_dir, 0o755);
        assert!(matches!(paths.look(), Err(Unusable::Open { mode: 0o755, .. })));
        assert!(matches!(paths.prepare(), Err(Unusable::Open { mode: 0o755, .. })));
        open(&paths.own_dir, 0o700);
        open(&state, 0o777);
        assert!(matches!(paths.look(), Err(Unusable::Open { mode: 0o777, .. })));
        open(&state, 0o755);
        paths.prepare().unwrap();
    }
}
