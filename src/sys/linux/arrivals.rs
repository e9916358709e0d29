use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::marker::PhantomData;
use std::mem::{self, MaybeUninit};
use std::os::fd::{AsRawFd, BorrowedFd, RawFd};
use std::ptr;
use std::time::Duration;

use nix::errno::Errno;
use nix::sys::signal::{SigSet, SigmaskHow, Signal};
use nix::unistd::{getpid, gettid};

use crate::sys::pipe::bytes_waiting;

/// Signals of fcntl(2) that a thread takes by sigtimedwait(2): one with the number of the descriptor for each
/// write, until the thread has seen the first. Where the kernel can queue no more of them it sends a plain SIGIO, and every pipe is
/// looked at.
#[derive(Debug)]
pub(in crate::sys) struct Arrivals {
    tokens: BTreeMap<RawFd, usize>,
    /// What was in a pipe before anybody listened.
    early: Vec<RawFd>,
    /// Signals of a thread are taken by that one.
    _stays_here: PhantomData<*const ()>,
}

#[derive(Debug, Clone)]
pub(in crate::sys) struct Waker {
    thread: libc::pid_t,
}

/// What a signal says.
enum News {
    /// Bytes have come, or whoever wrote has gone.
    Of(RawFd),
    /// Too much has come for the kernel to say in which pipe.
    OfAny,
    /// Somebody wants this thread.
    Call,
}

/// A signal that wakes the thread and means nothing, whoever gets it (signal(7)): it comes once for many calls.
const CALL: Signal = Signal::SIGURG;

/// So many pieces of news are taken before those pipes are looked at.
const NEWS_MAX: usize = 256;

// The libc crate has these for musl alone (asm-generic/fcntl.h).
const F_SETSIG: libc::c_int = 10;
const F_SETOWN_EX: libc::c_int = 15;
const F_OWNER_TID: libc::c_int = 0;

/// `siginfo_t` of signals that fcntl(2) sends (asm-generic/siginfo.h), at its full size.
#[repr(C)]
struct Info {
    signal: libc::c_int,
    errno: libc::c_int,
    code: libc::c_int,
    about: About,
    _rest: [u8; 128],
}

/// What such a signal is about.
#[repr(C)]
#[derive(Clone, Copy)]
struct About {
    _band: libc::c_long,
    descriptor: libc::c_int,
}

/// What fcntl(2) takes for F_SETOWN_EX.
#[repr(C)]
struct Owner {
    kind: libc::c_int,
    thread: libc::pid_t,
}

impl Arrivals {
    /// The signals are blocked in this thread before the first one is asked for: none is ever delivered.
    pub(in crate::sys) fn new() -> io::Result<(Self, Waker)> {
        signals().thread_swap_mask(SigmaskHow::SIG_BLOCK)?;
        let waker = Waker { thread: gettid().as_raw() };
        Ok((Self { tokens: BTreeMap::new(), early: Vec::new(), _stays_here: PhantomData }, waker))
    }

    pub(in crate::sys) fn listen(&mut self, pipe: BorrowedFd<'_>, token: usize) -> io::Result<()> {
        send_signals_here(pipe.as_raw_fd())?;
        set_async(pipe.as_raw_fd(), libc::O_ASYNC)?;
        // Asked after the signals are on: what comes in between is told of twice, and nothing never.
        let waiting = bytes_waiting(&pipe).inspect_err(|_| drop(set_async(pipe.as_raw_fd(), 0)))?;
        self.tokens.insert(pipe.as_raw_fd(), token);
        if waiting > 0 {
            self.early.push(pipe.as_raw_fd());
        }
        Ok(())
    }

    pub(in crate::sys) fn ignore(&mut self, pipe: BorrowedFd<'_>, _token: usize) {
        self.take(pipe.as_raw_fd());
    }

    pub(in crate::sys) fn wait(&mut self, timeout: Option<Duration>) -> io::Result<BTreeSet<usize>> {
        let early = mem::take(&mut self.early);
        let mut told: BTreeSet<usize> = early.into_iter().filter_map(|pipe| self.take(pipe)).collect();
        let mut limit = if told.is_empty() { timeout } else { Some(Duration::ZERO) };
        for _ in 0..NEWS_MAX {
            let news = match next(limit) {
                // Nobody listens any more to those that are known: they are not to be lost.
                Err(_) if !told.is_empty() => break,
                news => news?,
            };
            match news {
                Some(News::Of(pipe)) => told.extend(self.take(pipe)),
                Some(News::OfAny) => {
                    let pipes: Vec<RawFd> = self.tokens.keys().copied().collect();
                    told.extend(pipes.into_iter().filter_map(|pipe| self.take(pipe)));
                }
                Some(News::Call) => (),
                None => break,
            }
            limit = Some(Duration::ZERO);
        }
        Ok(told)
    }

    /// Who is told of a pipe, if anybody is: a signal may be older than the last listening, and the number of a descriptor
    /// have gone over to another pipe.
    fn take(&mut self, pipe: RawFd) -> Option<usize> {
        let token = self.tokens.remove(&pipe)?;
        let _ = set_async(pipe, 0);
        Some(token)
    }
}

impl Waker {
    pub(in crate::sys) fn wake(&self) {
        // SAFETY: tgkill takes numbers by value. A thread of this process that got the number of one that has ended ignores the
        // signal.
        unsafe { libc::syscall(libc::SYS_tgkill, getpid().as_raw(), self.thread, CALL as libc::c_int) };
    }
}

/// The signal that carries the number of a descriptor: one of those that are queued (signal(7)).
fn arrival() -> libc::c_int {
    libc::SIGRTMIN()
}

fn signals() -> SigSet {
    let mut set = SigSet::empty();
    set.add(CALL);
    set.add(Signal::SIGIO);
    let mut set = *set.as_ref();
    // SAFETY: the set is a whole one, and the signal one of those that there are.
    unsafe {
        libc::sigaddset(&raw mut set, arrival());
        SigSet::from_sigset_t_unchecked(set)
    }
}

/// F_SETOWN_EX and F_SETSIG of fcntl(2).
fn send_signals_here(pipe: RawFd) -> io::Result<()> {
    let owner = Owner { kind: F_OWNER_TID, thread: gettid().as_raw() };
    // SAFETY: the descriptor is open for both calls; the first reads the struct, which lives until it returns, the other takes
    // a number by value.
    let done = unsafe {
        match libc::fcntl(pipe, F_SETOWN_EX, &raw const owner) {
            -1 => -1,
            _ => libc::fcntl(pipe, F_SETSIG, arrival()),
        }
    };
    Ok(Errno::result(done).map(drop)?)
}

/// F_SETFL of fcntl(2).
fn set_async(pipe: RawFd, flag: libc::c_int) -> io::Result<()> {
    // SAFETY: the descriptor is open, and the call takes numbers by value.
    let done = unsafe { libc::fcntl(pipe, libc::F_SETFL, libc::O_NONBLOCK | flag) };
    Ok(Errno::result(done).map(drop)?)
}

/// The next signal of this thread; none when the time is over, or when a signal of others came in between.
fn next(timeout: Option<Duration>) -> io::Result<Option<News>> {
    let set = signals();
    let timeout = timeout.map(|limit| *nix::sys::time::TimeSpec::from(limit).as_ref());
    let timeout = timeout.as_ref().map_or(ptr::null(), ptr::from_ref);
    let mut info = MaybeUninit::<Info>::zeroed();
    // SAFETY: set and time live until the call returns, a null time means that there is none, and the info has room for all of
    // a siginfo_t, which the kernel writes.
    let signal = unsafe { libc::sigtimedwait(set.as_ref(), info.as_mut_ptr().cast(), timeout) };
    match Errno::result(signal) {
        Ok(signal) if signal == arrival() => {
            // SAFETY: it was zeroed, and every pattern of bits is one of its values.
            let info = unsafe { info.assume_init() };
            Ok(Some(News::Of(info.about.descriptor)))
        }
        Ok(signal) if signal == libc::SIGIO => Ok(Some(News::OfAny)),
        Ok(_) => Ok(Some(News::Call)),
        Err(Errno::EAGAIN | Errno::EINTR) => Ok(None),
        Err(errno) => Err(errno.into()),
    }
}
