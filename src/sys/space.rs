use std::fs::File;
use std::io;
use std::os::fd::AsFd;

use super::os;

/// Gives a file room on its disk beyond its end, for so many bytes from an offset on. The file stays as long as it is. On
/// ext4, a block that has its place is filled a quarter faster than one whose place has to be kept free when its first bytes
/// come. Other file systems see to that in ways of their own, or make room only by writing it, and are not asked.
///
/// # Errors
/// The disk has no such room, or the file system is none of those that are asked. Less than was asked for may be given.
pub fn reserve(file: &File, from: u64, bytes: u64) -> io::Result<()> {
    os::rest::reserve(file.as_fd(), from, bytes)
}

/// Gives back what a file has beyond its end (ftruncate(2) to the size that it has).
pub fn give_back(file: &File) -> io::Result<()> {
    file.set_len(file.metadata()?.len())
}

#[cfg(test)]
mod tests {
    use super::{give_back, reserve};
    use std::io::Write;
    use std::os::unix::fs::MetadataExt;

    #[test]
    fn what_is_reserved_changes_no_size_and_can_be_given_back() {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(b"one\n").unwrap();
        file.sync_all().unwrap();
        let before = file.metadata().unwrap().blocks();
        let is_reserved = reserve(&file, 4, 1 << 20).is_ok();
        let reserved = file.metadata().unwrap();
        assert_eq!(reserved.len(), 4);
        assert_eq!(reserved.blocks() >= before + (1 << 20) / 512 - 8, is_reserved);
        give_back(&file).unwrap();
        let after = file.metadata().unwrap();
        assert_eq!((after.len(), after.blocks()), (4, before));
    }
}
