/// When the current file is set aside whatever its size is, in milliseconds since 1970 UTC.
#[derive(Debug, Clone, Copy)]
pub(super) struct Due {
    /// From then on, as soon as it ends with a line; none while it is empty.
    pub(super) at_ms: Option<u64>,
    /// When that is seen to, if no bytes come before.
    pub(super) alarm_ms: Option<u64>,
}

impl Due {
    pub(super) const NEVER: Self = Self { at_ms: None, alarm_ms: None };

    pub(super) fn at(at_ms: u64) -> Self {
        Self { at_ms: Some(at_ms), alarm_ms: Some(at_ms) }
    }

    pub(super) fn has_come(self, unix_ms: u64) -> bool {
        self.at_ms.is_some_and(|at_ms| at_ms <= unix_ms)
    }
}
