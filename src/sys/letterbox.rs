use std::io::{self, IoSlice, IoSliceMut};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};

use nix::fcntl::{FcntlArg, FdFlag, fcntl};
use nix::sys::socket::{ControlMessage, ControlMessageOwned, MsgFlags, SockType, UnixAddr, recvmsg, sendmsg};

use super::descriptor::out_of_the_way;
use super::pair::Pair;
use super::{clock, os, process};

/// A pair of sockets in which descriptors lie under a text. What lies there stays open as long as any process has the box,
/// which every copy of that process inherits: the next one finds it when the one that put it there is dead, and nobody has
/// had to do anything meanwhile. One process at a time uses it.
#[derive(Debug)]
pub struct Letterbox {
    pub(super) pair: Pair,
}

/// Descriptors, and what was written on them.
#[derive(Debug)]
pub struct Letter {
    /// At most [`Letter::TEXT_LEN_MAX`] bytes.
    pub text: String,
    /// At most [`Letter::DESCRIPTORS_MAX`].
    pub descriptors: Vec<OwnedFd>,
}

impl Letter {
    /// So many descriptors go into one letter; Linux takes up to 253 (SCM_MAX_FD).
    pub const DESCRIPTORS_MAX: usize = 16;
    /// macOS takes so many bytes at once (net.local.dgram.maxdgram).
    pub const TEXT_LEN_MAX: usize = 2048;
}

impl Letterbox {
    /// An empty one.
    pub fn new() -> io::Result<Self> {
        Pair::new(SockType::Datagram).map(|pair| Self { pair })
    }

    /// All that lies in it, oldest first; copies stay there. If this process dies at any point, everything is in it at
    /// least once.
    pub fn read(&self) -> io::Result<Vec<Letter>> {
        let mark = self.put_mark()?;
        let mut found = Vec::new();
        loop {
            let letter = self.receive(os::rest::LOOK)?;
            if letter.descriptors.is_empty() {
                self.drop_what_was_looked_at()?;
                if letter.text == mark {
                    return Ok(found);
                }
                // A mark of a process that died here.
                continue;
            }
            self.send(&letter.text, &letter.descriptors)?;
            self.drop_what_was_looked_at()?;
            found.push(letter);
        }
    }

    /// Puts these in the place of all that lies in it. If this process dies at any point, what stays is in it.
    pub fn replace<'f>(
        &self,
        letters: impl IntoIterator<Item = (String, Vec<BorrowedFd<'f>>)>,
    ) -> io::Result<()> {
        let mark = self.put_mark()?;
        let sent = letters.into_iter().try_for_each(|(text, fds)| self.send(&text, &fds));
        loop {
            let letter = self.receive(MsgFlags::empty())?;
            if letter.descriptors.is_empty() && letter.text == mark {
                return sent;
            }
            // What could not be replaced stays.
            if sent.is_err() && !letter.descriptors.is_empty() {
                self.send(&letter.text, &letter.descriptors)?;
            }
        }
    }

    /// A letter without descriptors, which no other process and no other moment of this one writes.
    fn put_mark(&self) -> io::Result<String> {
        let mark = format!("{} {:?}", process::own(), clock::now());
        self.send::<OwnedFd>(&mark, &[])?;
        Ok(mark)
    }

    fn send<F: AsFd>(&self, text: &str, fds: &[F]) -> io::Result<()> {
        let raw: Vec<RawFd> = fds.iter().map(|fd| fd.as_fd().as_raw_fd()).collect();
        let rights = [ControlMessage::ScmRights(&raw)];
        let control = if raw.is_empty() { &[][..] } else { &rights[..] };
        let text = [IoSlice::new(text.as_bytes())];
        sendmsg::<UnixAddr>(self.pair.entry.as_raw_fd(), &text, control, MsgFlags::MSG_DONTWAIT, None)?;
        Ok(())
    }

    fn receive(&self, flags: MsgFlags) -> io::Result<Letter> {
        let mut text = vec![0; Letter::TEXT_LEN_MAX];
        let mut control = nix::cmsg_space!([RawFd; Letter::DESCRIPTORS_MAX]);
        let mut buffers = [IoSliceMut::new(&mut text)];
        let flags = flags | MsgFlags::MSG_DONTWAIT;
        let message =
            recvmsg::<UnixAddr>(self.pair.exit.as_raw_fd(), &mut buffers, Some(&mut control), flags)?;
        let length = message.bytes;
        let mut descriptors: Vec<OwnedFd> = Vec::new();
        for part in message.cmsgs()? {
            if let ControlMessageOwned::ScmRights(raw) = part {
                // SAFETY: the kernel just gave these descriptors to us, and nobody else knows them.
                descriptors.extend(raw.into_iter().map(|raw| unsafe { OwnedFd::from_raw_fd(raw) }));
            }
        }
        for descriptor in &descriptors {
            fcntl(descriptor, FcntlArg::F_SETFD(FdFlag::FD_CLOEXEC))?;
        }
        let descriptors = descriptors.into_iter().map(out_of_the_way).collect();
        text.truncate(length);
        Ok(Letter { text: String::from_utf8_lossy(&text).into_owned(), descriptors })
    }

    fn drop_what_was_looked_at(&self) -> io::Result<()> {
        if os::rest::LOOK.contains(MsgFlags::MSG_PEEK) {
            self.receive(MsgFlags::empty())?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::Letterbox;
    use std::io::{Read, Write};
    use std::os::fd::AsFd;

    fn texts(letterbox: &Letterbox) -> Vec<String> {
        letterbox.read().unwrap().into_iter().map(|letter| letter.text).collect()
    }

    #[test]
    fn what_was_put_in_can_be_read_again_and_again_until_it_is_replaced() {
        let letterbox = Letterbox::new().unwrap();
        assert!(texts(&letterbox).is_empty());
        let (mut read, mut write) = std::io::pipe().unwrap();
        let letter = |text: &str| (text.to_owned(), vec![write.as_fd()]);
        letterbox.replace(["a", "b"].map(letter)).unwrap();
        assert_eq!(texts(&letterbox), ["a", "b"]);
        assert_eq!(texts(&letterbox), ["a", "b"]);
        letterbox.replace(["c"].map(letter)).unwrap();
        let found = letterbox.read().unwrap();
        assert_eq!(found.len(), 1);
        // The descriptor lives in the box alone, and works when it comes out.
        let mut copy = std::fs::File::from(found.into_iter().next().unwrap().descriptors.remove(0));
        write.write_all(b"1").unwrap();
        copy.write_all(b"2").unwrap();
        drop((write, copy));
        let mut text = [0; 2];
        read.read_exact(&mut text).unwrap();
        letterbox.replace([]).unwrap();
        assert_eq!((text, read.read(&mut [0]).unwrap()), (*b"12", 0), "the last writer was in the box");
    }

    #[test]
    fn a_reader_or_writer_that_died_in_the_middle_loses_nothing() {
        let letterbox = Letterbox::new().unwrap();
        let (_read, write) = std::io::pipe().unwrap();
        let put = |text: &str| letterbox.send(text, &[write.as_fd()]).unwrap();
        // One died after it had put a mark and a copy of the first of two behind it.
        put("b");
        letterbox.put_mark().unwrap();
        put("a");
        assert_eq!(texts(&letterbox), ["b", "a"]);
        letterbox.put_mark().unwrap();
        letterbox.replace([("c".to_owned(), vec![write.as_fd()])]).unwrap();
        assert_eq!(texts(&letterbox), ["c"]);
    }
}
