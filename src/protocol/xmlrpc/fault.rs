use std::fmt;

use super::value::Value;

/// What a call is answered with when it is not done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// `faultCode`.
    pub code: i64,
    /// `faultString`.
    pub text: String,
}

impl Fault {
    /// The struct that a fault is.
    pub fn to_value(&self) -> Value {
        Value::members([
            ("faultCode", Value::Int(self.code)),
            ("faultString", Value::String(self.text.clone())),
        ])
    }
}

/// supervisord's codes (its `xmlrpc.Faults`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FaultCode {
    /// There is no such method.
    UnknownMethod,
    /// A method was given too much, too little, or what it does not take.
    IncorrectParameters,
    /// What was given makes no sense.
    BadArguments,
    /// Nothing is known about such a method.
    SignatureUnsupported,
    /// The supervisor is about to end.
    ShutdownState,
    /// There is no such process or group.
    BadName,
    /// There is no such signal.
    BadSignal,
    /// There is no such file.
    NoFile,
    /// The file cannot be executed.
    NotExecutable,
    /// It was tried in vain.
    Failed,
    /// It ended before it was up.
    AbnormalTermination,
    /// It could not be started.
    SpawnError,
    /// It is up.
    AlreadyStarted,
    /// It is not up.
    NotRunning,
    /// It was done: a word of status structs, no fault.
    Success,
    /// The group is active.
    AlreadyAdded,
    /// The group has processes that are up.
    StillRunning,
    /// The config has a problem.
    CantReread,
}

impl FaultCode {
    const ALL: [Self; 18] = [
        Self::UnknownMethod,
        Self::IncorrectParameters,
        Self::BadArguments,
        Self::SignatureUnsupported,
        Self::ShutdownState,
        Self::BadName,
        Self::BadSignal,
        Self::NoFile,
        Self::NotExecutable,
        Self::Failed,
        Self::AbnormalTermination,
        Self::SpawnError,
        Self::AlreadyStarted,
        Self::NotRunning,
        Self::Success,
        Self::AlreadyAdded,
        Self::StillRunning,
        Self::CantReread,
    ];

    /// Its number and its name.
    pub fn words(self) -> (i64, &'static str) {
        match self {
            Self::UnknownMethod => (1, "UNKNOWN_METHOD"),
            Self::IncorrectParameters => (2, "INCORRECT_PARAMETERS"),
            Self::BadArguments => (3, "BAD_ARGUMENTS"),
            Self::SignatureUnsupported => (4, "SIGNATURE_UNSUPPORTED"),
            Self::ShutdownState => (6, "SHUTDOWN_STATE"),
            Self::BadName => (10, "BAD_NAME"),
            Self::BadSignal => (11, "BAD_SIGNAL"),
            Self::NoFile => (20, "NO_FILE"),
            Self::NotExecutable => (21, "NOT_EXECUTABLE"),
            Self::Failed => (30, "FAILED"),
            Self::AbnormalTermination => (40, "ABNORMAL_TERMINATION"),
            Self::SpawnError => (50, "SPAWN_ERROR"),
            Self::AlreadyStarted => (60, "ALREADY_STARTED"),
            Self::NotRunning => (70, "NOT_RUNNING"),
            Self::Success => (80, "SUCCESS"),
            Self::AlreadyAdded => (90, "ALREADY_ADDED"),
            Self::StillRunning => (91, "STILL_RUNNING"),
            Self::CantReread => (92, "CANT_REREAD"),
        }
    }

    /// Its number.
    pub fn number(self) -> i64 {
        self.words().0
    }

    /// The one with this number.
    pub fn of(number: i64) -> Option<Self> {
        Self::ALL.into_iter().find(|code| code.number() == number)
    }

    /// The fault that says nothing more.
    pub fn bare(self) -> Fault {
        let (code, name) = self.words();
        Fault { code, text: name.to_owned() }
    }

    /// The fault that says more.
    pub fn with(self, more: impl fmt::Display) -> Fault {
        let (code, name) = self.words();
        Fault { code, text: format!("{name}: {more}") }
    }
}
