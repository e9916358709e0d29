use super::said::{Exception, Kind, Other, Said};
use crate::machine::blame::Blame;
use crate::vocab::cause::Class;
use crate::vocab::outcome::Outcome;
use crate::vocab::signal::Signal;

/// All that is known of the end of a run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Facts {
    /// How its main process ended.
    pub outcome: Outcome,
    /// Whether its policy takes that for a success.
    pub merit: Merit,
    /// What procman had done to it.
    pub deed: Deed,
    /// What it said at last.
    pub said: Said,
    /// What the system tells of memory.
    pub memory: Memory,
}

/// What its policy takes the end of a run for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Merit {
    /// One of its `success_exit_codes`.
    Success,
    /// Anything else.
    Failure,
}

/// What procman had done to a run before it ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Deed {
    /// Nothing.
    Nothing,
    /// Somebody had it asked to end, or killed.
    Asked,
    /// Somebody had this signal sent to it.
    Signalled(Signal),
    /// A service that it needs fell, as these words say.
    TakenDown(String),
    /// Its age or its schedule had another take its place, as these words say.
    Renewed(String),
    /// Its check failed, as these words say.
    Checked(String),
    /// Its watchdog was not fed, as these words say.
    Watched(String),
    /// It used too much memory, as these words say.
    Measured(String),
}

/// Whether the kernel killed somebody because memory ran out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Memory {
    /// A process in the run's own cgroup, which nothing else lives in.
    KilledInCgroup,
    /// So many processes of the whole machine, while the run lived.
    KilledSomewhere(u64),
    /// Nobody, while the run lived.
    KilledNobody,
    /// That is not told here.
    NotTold,
}

/// What an end is put down to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Judgement {
    /// Its class.
    pub class: Class,
    /// What there is to say beyond that.
    pub detail: Option<String>,
}

/// An exception told at a distance of so many lines from the end is that by which the program ended, if it ended as Python
/// does then: its message may have several lines. One of a kind that much follows from has to be closer.
const LINES_AFTER_MAX: usize = 20;
const LINES_AFTER_FEW: usize = 3;

/// What there is to say of an end that no supervisor saw.
pub(super) const UNSEEN: &str = "it ended while nobody watched who could tell how";

/// The exit code of a Python program by an exception that nobody caught.
const UNCAUGHT: Outcome = Outcome::Code(1);

/// Tells why a run ended.
pub fn classify(facts: &Facts) -> Judgement {
    match &facts.deed {
        Deed::Asked => return plain(Class::Operator),
        Deed::Signalled(signal) if facts.outcome == Outcome::Signal(*signal) => {
            return plain(Class::Operator);
        }
        Deed::TakenDown(cause) => return told(Class::Dependency, cause),
        Deed::Renewed(cause) => return told(Class::Operator, cause),
        Deed::Checked(cause) => return told(Class::FailedCheck, cause),
        Deed::Watched(cause) => return told(Class::Watchdog, cause),
        Deed::Measured(cause) => return told(Class::MemoryLimit, cause),
        Deed::Nothing | Deed::Signalled(_) => (),
    }
    match facts.outcome {
        Outcome::Unknown => told(Class::Unknown, UNSEEN),
        Outcome::Signal(signal) if signal == Signal::KILL => of_kill(facts.memory),
        Outcome::Signal(signal) if signal.is_fault() => plain(Class::NativeCrash),
        Outcome::Signal(_) => plain(Class::ForeignSignal),
        Outcome::Code(_) if facts.merit == Merit::Success => plain(Class::Success),
        Outcome::Code(_) => plain(of_words(facts)),
    }
}

/// What may be done about an end by itself. It is said of less than a class is: only of an exception that nothing follows, and
/// by which Python ended. So a handled one costs a program nothing but its usual backoff.
pub fn blame(facts: &Facts) -> Blame {
    if facts.deed != Deed::Nothing || facts.merit == Merit::Success {
        return Blame::Nothing;
    }
    if classify(facts).class == Class::AddressInUse {
        return Blame::Address;
    }
    match (&facts.said.exception, facts.said.other) {
        _ if facts.outcome != UNCAUGHT => Blame::Nothing,
        (Some(Exception { kind: Kind::Syntax, file, lines_after: 0, .. }), _) => {
            Blame::Program { file: file.clone() }
        }
        (Some(Exception { kind: Kind::Import, lines_after: 0, .. }), _) => Blame::Program { file: None },
        (None, Some(Other::NoModule)) => Blame::Program { file: None },
        (Some(_) | None, _) => Blame::Nothing,
    }
}

fn of_kill(memory: Memory) -> Judgement {
    match memory {
        Memory::KilledInCgroup => told(Class::OutOfMemory, "the kernel's count for its own cgroup says so"),
        Memory::KilledSomewhere(count) => {
            let processes = if count == 1 { "a process" } else { "processes" };
            let detail = format!(
                "most likely: it was ended by SIGKILL, and while it lived the kernel killed {processes} of this machine \
                 because memory ran out"
            );
            told(Class::OutOfMemory, &detail)
        }
        Memory::KilledNobody => {
            told(Class::ForeignSignal, "not for memory: the kernel killed nobody for that while it lived")
        }
        Memory::NotTold => {
            told(Class::ForeignSignal, "whether the kernel sent it for memory is not told here")
        }
    }
}

/// Of an exit code that is no success.
fn of_words(facts: &Facts) -> Class {
    let uncaught = facts.said.exception.as_ref().filter(|_| facts.outcome == UNCAUGHT);
    let of_exception = uncaught.and_then(|exception| match exception.kind {
        Kind::Import if exception.lines_after <= LINES_AFTER_FEW => Some(Class::ImportError),
        Kind::Syntax if exception.lines_after <= LINES_AFTER_FEW => Some(Class::SyntaxError),
        Kind::Address if exception.lines_after <= LINES_AFTER_FEW => Some(Class::AddressInUse),
        Kind::Other if exception.lines_after <= LINES_AFTER_MAX => Some(Class::UnhandledException),
        Kind::Import | Kind::Syntax | Kind::Address | Kind::Other => None,
    });
    let of_other = || match facts.said.other? {
        Other::AddressInUse => Some(Class::AddressInUse),
        Other::NoModule => Some(Class::ImportError),
        Other::NoProgram => Some(Class::ProgramNotFound),
    };
    match of_exception {
        // What was logged last can be plainer than an exception that follows from it.
        Some(Class::UnhandledException) if facts.said.other == Some(Other::AddressInUse) => {
            Class::AddressInUse
        }
        Some(class) => class,
        None => of_other().unwrap_or(Class::ExitCode),
    }
}

fn plain(class: Class) -> Judgement {
    Judgement { class, detail: None }
}

fn told(class: Class, detail: &str) -> Judgement {
    Judgement { class, detail: Some(detail.to_owned()) }
}

#[cfg(test)]
mod tests {
    use super::{Deed, Facts, Memory, Merit, blame, classify};
    use crate::daemon::causes::said::Said;
    use crate::machine::blame::Blame;
    use crate::vocab::cause::Class;
    use crate::vocab::outcome::Outcome;
    use crate::vocab::signal::Signal;

    const FRAMES: &str =
        "Traceback (most recent call last):\n  File \"/a/main.py\", line 3, in <module>\n    work()\n";

    fn facts(outcome: Outcome, text: &str) -> Facts {
        let lines: Vec<String> = text.lines().map(str::to_owned).collect();
        let merit = if outcome == Outcome::Code(0) { Merit::Success } else { Merit::Failure };
        Facts { outcome, merit, deed: Deed::Nothing, said: Said::of(&lines), memory: Memory::NotTold }
    }

    fn check(facts: &Facts, class: Class, expected: &Blame) {
        assert_eq!((classify(facts).class, &blame(facts)), (class, expected), "{facts:?}");
    }

    #[test]
    fn an_end_by_itself_is_told_by_its_code_and_its_last_words() {
        let of = |code: i32, text: &str, class, blame: Blame| {
            check(&facts(Outcome::Code(code), text), class, &blame)
        };
        let tail = |line: &str| format!("{FRAMES}{line}\n");
        let anywhere = Blame::Program { file: None };
        of(0, "", Class::Success, Blame::Nothing);
        of(3, "", Class::ExitCode, Blame::Nothing);
        of(1, "bye", Class::ExitCode, Blame::Nothing);
        of(1, &tail("KeyError: 'x'"), Class::UnhandledException, Blame::Nothing);
        of(1, &tail("ValueError: 1 error\nfield\n  required"), Class::UnhandledException, Blame::Nothing);
        of(1, &tail("ModuleNotFoundError: No module named 'x'"), Class::ImportError, anywhere.clone());
        of(1, &tail("ImportError: cannot import name 'a' from 'b'"), Class::ImportError, anywhere.clone());
        of(1, "/usr/bin/python3: No module named x", Class::ImportError, anywhere);
        let of_file = Blame::Program { file: Some("/a/main.py".to_owned()) };
        let broken = "  File \"/a/main.py\", line 1\n    def f(:\n          ^\n";
        of(1, &format!("{broken}SyntaxError: invalid syntax"), Class::SyntaxError, of_file.clone());
        of(1, &format!("{broken}IndentationError: unexpected indent"), Class::SyntaxError, of_file);
        let in_use = "OSError: [Errno 98] Address already in use";
        of(1, &tail(in_use), Class::AddressInUse, Blame::Address);
        of(
            3,
            "ERROR: [Errno 98] ...: address already in use\nINFO: bye",
            Class::AddressInUse,
            Blame::Address,
        );
        of(
            2,
            "python3: can't open file '/a/x.py': [Errno 2] No such file or directory",
            Class::ProgramNotFound,
            Blame::Nothing,
        );
        of(127, "sh: 1: nowhere: not found", Class::ProgramNotFound, Blame::Nothing);
    }

    #[test]
    fn a_handled_exception_is_not_what_a_program_ended_by() {
        let import = format!("{FRAMES}ImportError: no fast json");
        let of = |code: i32, text: String, class| {
            check(&facts(Outcome::Code(code), &text), class, &Blame::Nothing)
        };
        of(0, import.clone(), Class::Success);
        of(3, import.clone(), Class::ExitCode);
        of(1, format!("{import}\nINFO: goes on without it"), Class::ImportError);
        of(1, format!("{import}\none\ntwo\nthree\nINFO: no database"), Class::ExitCode);
        check(&facts(Outcome::Signal(Signal::TERM), &import), Class::ForeignSignal, &Blame::Nothing);
        check(&facts(Outcome::Unknown, &import), Class::Unknown, &Blame::Nothing);
    }

    #[test]
    fn what_procman_did_comes_first() {
        let import = format!("{FRAMES}ImportError: interrupted");
        let words = || "its check failed".to_owned();
        let of = |deed: Deed, class| {
            check(&Facts { deed, ..facts(Outcome::Code(1), &import) }, class, &Blame::Nothing);
        };
        of(Deed::Asked, Class::Operator);
        of(Deed::TakenDown(words()), Class::Dependency);
        of(Deed::Renewed(words()), Class::Operator);
        of(Deed::Checked(words()), Class::FailedCheck);
        of(Deed::Watched(words()), Class::Watchdog);
        of(Deed::Measured(words()), Class::MemoryLimit);
        let killed = |deed| Facts { deed, ..facts(Outcome::Signal(Signal::HUP), "") };
        check(&killed(Deed::Signalled(Signal::HUP)), Class::Operator, &Blame::Nothing);
        check(&killed(Deed::Signalled(Signal::USR1)), Class::ForeignSignal, &Blame::Nothing);
    }

    #[test]
    fn signals_are_told_apart_and_memory_is_blamed_by_the_kernels_counts_alone() {
        let of = |signal, memory, class, words: &str| {
            let found = classify(&Facts { memory, ..facts(Outcome::Signal(signal), "") });
            assert_eq!(found.class, class);
            assert!(found.detail.unwrap_or_default().contains(words), "{words}");
        };
        of(Signal::KILL, Memory::KilledInCgroup, Class::OutOfMemory, "its own cgroup");
        of(Signal::KILL, Memory::KilledSomewhere(1), Class::OutOfMemory, "most likely");
        of(Signal::KILL, Memory::KilledNobody, Class::ForeignSignal, "not for memory");
        of(Signal::KILL, Memory::NotTold, Class::ForeignSignal, "is not told here");
        of(Signal::TERM, Memory::KilledInCgroup, Class::ForeignSignal, "");
        for name in ["SEGV", "ABRT", "BUS", "ILL", "FPE"] {
            of(Signal::parse(name).unwrap(), Memory::KilledNobody, Class::NativeCrash, "");
        }
    }
}
