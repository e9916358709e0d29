use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::time::Duration;

/// The living processes that name a directory on their command line or work in it.
pub(crate) fn of_directory(directory: &Path) -> Vec<i32> {
    let named = directory.to_str().unwrap();
    let is_of_it = |pid: &i32| {
        let command_line = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        let works_in = fs::read_link(format!("/proc/{pid}/cwd")).unwrap_or_default();
        let is_alive = !command_line.is_empty();
        is_alive
            && (String::from_utf8_lossy(&command_line).contains(named) || works_in.starts_with(directory))
    };
    let own = i32::try_from(std::process::id()).unwrap();
    let pids =
        fs::read_dir("/proc").unwrap().flatten().filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    pids.filter(|pid| *pid != own).filter(is_of_it).collect()
}

/// Whether a process executes this file, or a script of that name.
pub(crate) fn runs(pid: i32, program: &Path) -> bool {
    let command_line = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
    let named = program.to_str().unwrap().as_bytes();
    command_line.split(|byte| *byte == 0).take(2).any(|word| word == named)
}

/// How often the threads of a process gave up the processor to wait for something, and were woken again.
pub(crate) fn wake_ups(pid: i32) -> u64 {
    let tasks = fs::read_dir(format!("/proc/{pid}/task")).unwrap().flatten();
    tasks
        .map(|task| {
            number_after(&fs::read_to_string(task.path().join("status")).unwrap(), "voluntary_ctxt_switches:")
        })
        .sum()
}

/// How long the threads of a process were on a processor: the first word of schedstat, in nanoseconds.
pub(crate) fn busy(pid: i32) -> Duration {
    let tasks = fs::read_dir(format!("/proc/{pid}/task")).unwrap().flatten();
    let nanos = tasks.map(|task| {
        let statistics = fs::read_to_string(task.path().join("schedstat")).unwrap();
        statistics.split_ascii_whitespace().next().unwrap().parse::<u64>().unwrap()
    });
    Duration::from_nanos(nanos.sum())
}

/// The proportional set size, in KiB: private pages, and each shared page divided by those who share it.
pub(crate) fn pss_kib(pid: i32) -> u64 {
    number_after(&fs::read_to_string(format!("/proc/{pid}/smaps_rollup")).unwrap(), "Pss:")
}

fn number_after(text: &str, key: &str) -> u64 {
    let line = text.lines().find_map(|line| line.strip_prefix(key)).unwrap();
    line.split_ascii_whitespace().next().unwrap().parse().unwrap()
}

/// Each port that is listened on over IPv4, and the inode of the listening socket, by proc_pid_net(5). A port whose inode is
/// another than before was closed and opened again.
pub(crate) fn listeners() -> BTreeMap<u16, u64> {
    const LISTENING: &str = "0A";
    let table = fs::read_to_string("/proc/net/tcp").unwrap();
    let rows = table.lines().skip(1).map(|line| line.split_ascii_whitespace().collect::<Vec<_>>());
    rows.filter(|row| row[3] == LISTENING)
        .map(|row| {
            (u16::from_str_radix(row[1].split_once(':').unwrap().1, 16).unwrap(), row[9].parse().unwrap())
        })
        .collect()
}
