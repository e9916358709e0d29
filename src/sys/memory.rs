/// Lets go of the pages of this program's own code and constants, and of heap that is free. Pages of code that are needed
/// come back from the page cache one by one: after start-up most of what was mapped is never needed again, and the kernel
/// maps 64 KiB around each page that is touched. Does nothing on macOS, where clean pages of a program are not charged to the
/// process, and free heap is given back under pressure.
pub fn let_go_of_unused() {
    #[cfg(target_os = "linux")]
    {
        super::os::memory::drop_own_text();
        super::os::memory::trim_heap();
    }
}

/// How many processes the kernel has killed since boot because memory ran out, of the whole machine or of a cgroup in it
/// (`oom_kill` of `/proc/vmstat`, Linux 4.13). None where that is not told, as on macOS.
pub fn killed_by_kernel() -> Option<u64> {
    let counts = std::fs::read_to_string("/proc/vmstat").ok()?;
    counts.lines().find_map(|line| line.strip_prefix("oom_kill "))?.trim().parse().ok()
}
