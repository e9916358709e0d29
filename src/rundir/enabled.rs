use std::collections::BTreeMap;
use std::fs;
use std::io;

use super::paths::Paths;
use super::replace::replace;
use crate::vocab::enablement::Enablement;
use crate::vocab::name::ServiceName;

/// What people said of services, by the declared service's name. It outlives every supervisor, and `down`.
pub type Said = BTreeMap<ServiceName, Enablement>;

/// What was said; nothing where that cannot be read.
pub fn read(paths: &Paths) -> Said {
    let text = fs::read(&paths.enabled).unwrap_or_default();
    serde_json::from_slice(&text).unwrap_or_default()
}

/// Keeps what was said, as a whole.
///
/// # Errors
/// The file cannot be written; what it said before stands.
pub fn write(paths: &Paths, said: &Said) -> io::Result<()> {
    replace(&paths.enabled, &serde_json::to_vec(said)?)
}

/// Adds what is said of these to what was said before.
///
/// # Errors
/// As [`write()`].
pub fn say<'a>(
    paths: &Paths,
    services: impl Iterator<Item = &'a ServiceName>,
    enablement: Enablement,
) -> io::Result<Said> {
    let mut said = read(paths);
    said.extend(services.map(|name| (name.clone(), enablement)));
    write(paths, &said)?;
    Ok(said)
}
