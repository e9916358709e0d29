use std::collections::VecDeque;
use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::FileExt;

use super::content::Content;
use super::open::Stretch;
use super::wanted::Wanted;

/// Where the last `count` lines of a stretch begin, and how many there are of them.
pub(super) fn lines(
    content: Content,
    stretch: &Stretch,
    count: usize,
    wanted: &Wanted,
) -> io::Result<(u64, usize)> {
    match content {
        Content::Plain(plain) => backwards(&plain.file, stretch, count, wanted),
        Content::Pressed(decoder) => forwards(decoder, stretch, count, wanted),
    }
}

/// So much is read at once.
const BLOCK_BYTES: usize = 64 * 1024;

/// Reads from the end, and no more than it needs.
fn backwards(file: &File, stretch: &Stretch, count: usize, wanted: &Wanted) -> io::Result<(u64, usize)> {
    let mut found = 0;
    let mut block = vec![0; BLOCK_BYTES];
    // A line begins behind the last byte of the one before.
    let (first, mut end) = (stretch.from.saturating_sub(1), stretch.to.saturating_sub(1));
    while end > first {
        wanted.check()?;
        let start = first.max(end.saturating_sub(BLOCK_BYTES as u64));
        let block = &mut block[..usize::try_from(end - start).unwrap_or(BLOCK_BYTES)];
        file.read_exact_at(block, start)?;
        let begins = begins(block, start, &stretch.cuts);
        let wanted = count - found;
        if let Some(at) = begins.len().checked_sub(wanted) {
            return Ok((begins.get(at).copied().unwrap_or(start), count));
        }
        found += begins.len();
        end = start;
    }
    let is_at_first_line = stretch.from == 0 && stretch.to > 0;
    Ok((stretch.from, found + usize::from(is_at_first_line)))
}

/// Reads what can be read only from its beginning to its end.
fn forwards(
    mut content: impl Read,
    stretch: &Stretch,
    count: usize,
    wanted: &Wanted,
) -> io::Result<(u64, usize)> {
    let mut last = VecDeque::new();
    let mut add = |begin: u64| {
        if begin >= stretch.from && begin < stretch.to {
            last.push_back(begin);
            // What begins at the very end is no line.
            if last.len() > count.saturating_add(1) {
                last.pop_front();
            }
        }
    };
    add(0);
    let mut block = vec![0; BLOCK_BYTES];
    let mut offset = 0;
    while offset < stretch.to {
        wanted.check()?;
        let length = content.read(&mut block)?;
        if length == 0 {
            break;
        }
        begins(&block[..length], offset, &stretch.cuts).into_iter().for_each(&mut add);
        offset += length as u64;
    }
    if last.back() == Some(&offset) {
        last.pop_back();
    }
    let found = last.len().min(count);
    Ok((last.get(last.len() - found).copied().unwrap_or(offset), found))
}

/// Where lines begin behind the first byte of a block, or right behind its last one.
fn begins(block: &[u8], start: u64, cuts: &[u64]) -> Vec<u64> {
    let mut begins: Vec<u64> = memchr::memchr_iter(b'\n', block).map(|at| start + at as u64 + 1).collect();
    let end = start + block.len() as u64;
    let is_within = |cut: &&u64| **cut > start && **cut <= end;
    let known = begins.len();
    begins.extend(cuts.iter().filter(is_within));
    if begins.len() > known {
        begins.sort_unstable();
        begins.dedup();
    }
    begins
}
