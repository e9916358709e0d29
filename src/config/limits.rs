use super::table::{Room, Section};
use crate::spec::limits::Limits;
use crate::vocab::rlimits::Rlimits;

/// Reads `limits = { … }`.
pub(super) fn read(section: &Section<'_>) -> Option<Limits> {
    let section = section.value("limits")?.section()?;
    let count = |key| section.integer(key, 1..1 << 32).and_then(|count| u64::try_from(count).ok());
    let limits = Limits {
        memory_bytes: section.size("memory"),
        rlimits: Rlimits {
            open_files: count("open_files"),
            processes: count("processes"),
            core_bytes: section.size("core"),
            cpu_time: section.value("cpu_time").and_then(|value| {
                let time = value.duration()?;
                if time.as_secs() == 0 {
                    value.add("the system counts CPU time in seconds", "write \"1s\" or more");
                    return None;
                }
                Some(time)
            }),
        },
    };
    section.refuse_others(Room { name: "limits", planned: &["cpu"] });
    Some(limits)
}
