use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::Path;

use super::engine::Engine;
use crate::machine::event::End;
use crate::spec::hold::Way;
use crate::vocab::name::ServiceName;
use crate::vocab::run::RunId;

/// The variable that tells the shim which descriptor listens where: `3=127.0.0.1:3000 4=[::1]:3000`.
pub(super) const VARIABLE: &str = "PROCMAN_HELD";

/// What Python runs at its start, when its directory is in `PYTHONPATH`.
const SITECUSTOMIZE: &str = include_str!("shim/sitecustomize.py");

/// Writes the shim into its directory, unless it is there.
pub(super) fn put(directory: &Path) -> io::Result<()> {
    let file = directory.join("sitecustomize.py");
    if fs::read(&file).is_ok_and(|bytes| bytes == SITECUSTOMIZE.as_bytes()) {
        return Ok(());
    }
    fs::create_dir_all(directory)?;
    let fresh = directory.join("sitecustomize.fresh");
    fs::write(&fresh, SITECUSTOMIZE)?;
    fs::rename(fresh, file)
}

/// Puts its directory in front of what Python looks for modules in.
pub(super) fn precede(directory: &Path, environment: &mut BTreeMap<String, String>) {
    let path = environment.get("PYTHONPATH").filter(|path| !path.is_empty());
    let path = path.map_or_else(String::new, |path| format!(":{path}"));
    environment.insert("PYTHONPATH".to_owned(), format!("{}{path}", directory.display()));
}

/// What keeps a program from the socket that is held for it.
pub(super) const PAST_THE_SHIM: &str = "the program passes by the shim of `hold = \"python\"` (python -I, -E and -S do, \
     and what is not Python); `hold = \"listen-fds\"` is for programs that take sockets";

impl Engine {
    /// A run that could not bind the port that is held for it has more to say than the system's error.
    pub(super) fn hinted(&self, run: RunId, end: End) -> End {
        let service = self.wardens.get(&run).map(|warden| &warden.charge().tag.service);
        let is_shimmed = service.is_some_and(|service| self.has_shim(service));
        match end.last_words {
            Some(words) if is_shimmed && words.contains("ddress already in use") => {
                End { last_words: Some(format!("{words}: {PAST_THE_SHIM}")), ..end }
            }
            last_words => End { last_words, ..end },
        }
    }

    fn has_shim(&self, service: &ServiceName) -> bool {
        let service = self.fleet.services().get(service);
        service.and_then(|it| it.spec().hold.as_ref()).is_some_and(|hold| hold.way == Way::Python)
    }
}
