/// A file of another manager's as a services.toml.
#[derive(Debug, Default)]
pub struct Imported {
    /// The services.toml.
    pub text: String,
    /// What it changes or leaves out, in the order of lines.
    pub remarks: Vec<Remark>,
    /// Which services are not in it, and why.
    pub refusals: Vec<Remark>,
}

/// Something that the file says and the services.toml does not, or says otherwise.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Remark {
    /// From 1.
    pub line: usize,
    /// What.
    pub what: String,
}

impl Remark {
    pub(super) fn at(line: usize, what: impl Into<String>) -> Self {
        Self { line, what: what.into() }
    }
}
