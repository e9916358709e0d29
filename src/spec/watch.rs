use std::time::Duration;

/// Which files of a service's directory start it again when they change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Watch {
    /// Globs over paths from the service's directory; legal, and at least one.
    pub paths: Vec<String>,
    /// The same, of files that are not meant.
    pub ignore: Vec<String>,
    /// So long nothing may change before the change counts.
    pub debounce: Duration,
}

impl Watch {
    /// How long nothing may change, unless the config says otherwise.
    pub const DEBOUNCE: Duration = Duration::from_millis(200);

    /// So many starts for changes within [`Watch::LOOP_WITHIN`] are a service that changes its own files.
    pub const LOOP_STARTS: usize = 5;

    /// See [`Watch::LOOP_STARTS`].
    pub const LOOP_WITHIN: Duration = Duration::from_secs(10);

    /// So long the files of such a service do not count.
    pub const LOOP_PAUSE: Duration = Duration::from_secs(60);
}
