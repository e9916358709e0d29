use super::table::Section;
use super::value::Value;
use crate::spec::limits::Limits;
use crate::vocab::rlimits::Rlimits;

/// Reads `limits = { … }`.
pub(super) fn read(section: &Section<'_>) -> Option<Limits> {
    let section = section.value("limits")?.section()?;
    let count = |key| section.integer(key, 1..1 << 32).and_then(|count| u64::try_from(count).ok());
    let limits = Limits {
        memory_bytes: section.size("memory"),
        cpu_millis: section.value("cpu").and_then(|value| cpu_millis(&value)),
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
    section.refuse_others("limits");
    Some(limits)
}

/// Reads a number of processors, or of hundredths of one: `1.5` or `"150%"`.
fn cpu_millis(value: &Value<'_>) -> Option<u32> {
    let processors = value.parts()?;
    let millis = Limits::cpu_millis(processors);
    if millis.is_none() {
        value.add(
            format!("{processors} is no number of processors that can be given"),
            "write 0.01 or more: \"50%\" is half of one, 2 is two",
        );
    }
    millis
}
