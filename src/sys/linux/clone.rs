use std::arch::asm;
use std::ffi::{c_int, c_void};
use std::mem::MaybeUninit;
use std::os::fd::{AsRawFd, BorrowedFd};

use nix::errno::Errno;

/// `CLONE_INTO_CGROUP` of linux/sched.h (Linux 5.7).
const INTO_CGROUP: u64 = 1 << 33;

/// The first version of `struct clone_args` of linux/sched.h that has a cgroup (88 bytes).
#[repr(C)]
#[derive(Default)]
struct CloneArgs {
    flags: u64,
    pidfd: u64,
    child_tid: u64,
    parent_tid: u64,
    exit_signal: u64,
    stack: u64,
    stack_size: u64,
    tls: u64,
    set_tid: u64,
    set_tid_size: u64,
    cgroup: u64,
}

/// What a new process does: its function and what that is given.
pub(super) struct Part {
    pub(super) run: extern "C" fn(*mut c_void) -> c_int,
    pub(super) argument: *mut c_void,
}

/// As clone(3) with CLONE_VM, CLONE_VFORK and CLONE_FILES, but the new process is born in a cgroup: it never was elsewhere,
/// and the kernel need not move it, which takes it ten milliseconds and more. It runs its part in our memory, on a stack of
/// its own, and ends with what that returns; this thread waits until it has ended or is another program. They share one
/// table of descriptors until then.
///
/// # Safety
/// The stack is used by nobody else until this returns. The part does nothing that a process without locks of its own in
/// our memory may not do: plain system calls, no allocation, no unwinding.
// SAFETY: see above; the one caller is `child`.
pub(super) unsafe fn into_cgroup(
    cgroup: BorrowedFd<'_>,
    stack: &mut [MaybeUninit<u128>],
    part: Part,
) -> Result<libc::pid_t, Errno> {
    let number = |flags: c_int| u64::try_from(flags).unwrap_or_default();
    let arguments = CloneArgs {
        flags: INTO_CGROUP | number(libc::CLONE_VM | libc::CLONE_VFORK | libc::CLONE_FILES),
        exit_signal: number(libc::SIGCHLD),
        stack: u64::try_from(stack.as_mut_ptr().addr()).unwrap_or_default(),
        stack_size: u64::try_from(size_of_val(stack)).unwrap_or_default(),
        cgroup: number(cgroup.as_raw_fd()),
        ..CloneArgs::default()
    };
    // SAFETY: the structure is as large as the kernel is told, the stack is aligned and as large, and both live until this
    // thread goes on. What the part may do is the caller's promise.
    let result = unsafe { clone3(&raw const arguments, part) };
    match i32::try_from(result) {
        Ok(pid) if pid > 0 => Ok(pid),
        Ok(error) => Err(Errno::from_raw(-error)),
        Err(_) => Err(Errno::EINVAL),
    }
}

/// clone3(2), which no C library wraps: here the new process has no frame to return to, so it calls its part at once and
/// ends by exit_group(2). Gives the pid, or an errno below zero.
#[cfg(target_arch = "x86_64")]
// SAFETY: the promises are those of `into_cgroup`.
unsafe fn clone3(arguments: *const CloneArgs, part: Part) -> i64 {
    let result;
    // SAFETY: in this process the kernel changes `rax`, `rcx` and `r11` alone. The new one begins behind the call with the
    // same registers but for the stack, whose top is aligned as a call wants it, and never comes to the end of the block.
    unsafe {
        asm!(
            "syscall",
            "test rax, rax",
            "jnz 2f",
            "xor ebp, ebp",
            "mov rdi, r9",
            "call r8",
            "mov edi, eax",
            "mov eax, {exit}",
            "syscall",
            "ud2",
            "2:",
            exit = const libc::SYS_exit_group,
            inlateout("rax") libc::SYS_clone3 => result,
            in("rdi") arguments,
            in("rsi") size_of::<CloneArgs>(),
            in("r8") part.run,
            in("r9") part.argument,
            lateout("rcx") _,
            lateout("r11") _,
        );
    }
    result
}

/// The same for this processor. It was run on Linux 6.1 in emulation (qemu-system-aarch64): a thousand processes were born in a
/// cgroup, ran their part and ended with its result. No test of this repository runs on this processor.
#[cfg(target_arch = "aarch64")]
// SAFETY: the promises are those of `into_cgroup`.
unsafe fn clone3(arguments: *const CloneArgs, part: Part) -> i64 {
    let result;
    // SAFETY: in this process the kernel changes `x0` alone. The new one begins behind the call with the same registers but
    // for the stack, whose top is aligned, and never comes to the end of the block.
    unsafe {
        asm!(
            "svc #0",
            "cbnz x0, 2f",
            "mov x29, xzr",
            "mov x0, x10",
            "blr x9",
            "mov x8, {exit}",
            "svc #0",
            "brk #1",
            "2:",
            exit = const libc::SYS_exit_group,
            in("x8") libc::SYS_clone3,
            inlateout("x0") arguments => result,
            in("x1") size_of::<CloneArgs>(),
            in("x9") part.run,
            in("x10") part.argument,
        );
    }
    result
}

/// Other processors have no cgroups for their runs.
#[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
// SAFETY: it does nothing.
unsafe fn clone3(_arguments: *const CloneArgs, _part: Part) -> i64 {
    -i64::from(libc::ENOSYS)
}
