//! Where procman differs from supervisord on purpose.

/// A step that comes to something else, and why that is meant.
pub(crate) struct Difference {
    /// The script's name and the step.
    pub(crate) step: &'static str,
    /// What procman says; none where that is not the same each time.
    pub(crate) procman: Option<&'static str>,
    /// Why.
    #[expect(dead_code, reason = "it is for whoever reads the table")]
    pub(crate) why: &'static str,
}

pub(crate) const DELIBERATE: &[Difference] = &[Difference {
    step: "methods: Call(\"supervisor.getAllConfigInfo\", [])",
    procman: None,
    why: "`autorestart` is told, as by the supervisord to come",
}];
