use std::fs;

/// Unmaps what is mapped of this program's read-only, unrelocated segments (madvise(2), MADV_DONTNEED).
pub(in crate::sys) fn drop_own_text() {
    let (Ok(maps), Ok(own)) = (fs::read_to_string("/proc/self/maps"), fs::read_link("/proc/self/exe")) else {
        return;
    };
    let own = own.to_string_lossy();
    for line in maps.lines().filter(|line| line.ends_with(own.as_ref())) {
        if let Some((start, length)) = text_segment(line) {
            // SAFETY: the range is one whole mapping of our own program file as the kernel just listed it. It is not
            // writable, and holds code, or constants from the file's beginning, neither of which is relocated: every page
            // has a clean copy in the file, and reads the same when it is mapped again.
            unsafe { libc::madvise(start as *mut libc::c_void, length, libc::MADV_DONTNEED) };
        }
    }
}

/// Gives free heap back to the system (malloc_trim(3)): what the description of a thousand services took, for one. Only
/// glibc keeps so much of it that this is worth while.
pub(in crate::sys) fn trim_heap() {
    #[cfg(target_env = "gnu")]
    // SAFETY: malloc_trim takes a number by value, locks what it looks at, and gives back only what is free.
    unsafe {
        libc::malloc_trim(0);
    }
}

/// The range of a mapping (proc_pid_maps(5)) that holds code, or the constants that stand before it in the file. Read-only
/// mappings further on are relocated data, whose pages have no copy in the file.
fn text_segment(line: &str) -> Option<(usize, usize)> {
    let mut words = line.split_ascii_whitespace();
    let (range, rights, offset) = (words.next()?, words.next()?, words.next()?);
    let is_code = rights == "r-xp";
    let is_first = rights == "r--p" && offset.bytes().all(|byte| byte == b'0');
    if !is_code && !is_first {
        return None;
    }
    let (start, end) = range.split_once('-')?;
    let (start, end) = (usize::from_str_radix(start, 16).ok()?, usize::from_str_radix(end, 16).ok()?);
    Some((start, end.checked_sub(start)?))
}

#[cfg(test)]
mod tests {
    use super::{drop_own_text, text_segment};

    #[test]
    fn only_code_and_the_constants_before_it_are_let_go() {
        let exe = "fd:00 1 /usr/bin/procman";
        assert_eq!(text_segment(&format!("1000-3000 r--p 00000000 {exe}")), Some((0x1000, 0x2000)));
        assert_eq!(text_segment(&format!("3000-9000 r-xp 00002000 {exe}")), Some((0x3000, 0x6000)));
        assert_eq!(text_segment(&format!("9000-a000 r--p 00008000 {exe}")), None);
        assert_eq!(text_segment(&format!("a000-b000 rw-p 00009000 {exe}")), None);
    }

    #[test]
    fn a_program_goes_on_after_it_let_go() {
        drop_own_text();
        assert_eq!(format!("{:?}", [1.5, 2.5]), "[1.5, 2.5]");
    }
}
