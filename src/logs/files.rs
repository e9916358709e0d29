use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, Metadata};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// The name of a file set aside.
pub(super) fn set_aside_path(path: &Path, number: u32) -> PathBuf {
    with_ending(path, &number.to_string())
}

/// The name of a file set aside that was compressed since.
pub(super) fn pressed_path(path: &Path, number: u32) -> PathBuf {
    pressed_form(&set_aside_path(path, number))
}

/// The name that a file set aside gets when it is compressed.
pub(super) fn pressed_form(path: &Path) -> PathBuf {
    with_ending(path, PRESSED)
}

/// The name of a compressed file that is not whole yet.
pub(super) fn pressing_path(path: &Path) -> PathBuf {
    with_ending(path, "pressing")
}

/// The name of a file on its way from being the current one to being set aside.
pub(super) fn on_its_way_path(path: &Path) -> PathBuf {
    with_ending(path, "rotating")
}

/// The ending of a compressed file.
const PRESSED: &str = "gz";

/// Whether a file of a series is compressed, by its name.
pub(super) fn is_pressed(path: &Path) -> bool {
    path.extension().is_some_and(|extension| extension == PRESSED)
}

fn with_ending(path: &Path, ending: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(format!(".{ending}"));
    PathBuf::from(name)
}

/// The files of a series that are there, compressed or not, oldest first, and at last the current one, there or not. Numbers
/// may be missing: a rotation may be under way, or have failed.
pub fn all(path: &Path) -> Vec<PathBuf> {
    let aside = set_aside(path).into_values().rev();
    let on_its_way = Some(on_its_way_path(path)).filter(|path| path.is_file());
    aside.chain(on_its_way).chain([path.to_owned()]).collect()
}

/// The files set aside, by their numbers. One that is there in both forms was being compressed when a supervisor died, and
/// counts as it was.
pub(super) fn set_aside(path: &Path) -> BTreeMap<u32, PathBuf> {
    let entries = path.parent().and_then(|directory| fs::read_dir(directory).ok());
    let mut found = BTreeMap::new();
    for entry in entries.into_iter().flatten().flatten() {
        let name = entry.file_name();
        let Some(number) = name.to_str().and_then(|name| number(path, name)) else { continue };
        let plain = set_aside_path(path, number);
        if plain.file_name() == Some(&name) {
            found.insert(number, plain);
        } else {
            found.entry(number).or_insert_with(|| pressed_path(path, number));
        }
    }
    found
}

/// The number of a file set aside, by its name.
fn number(path: &Path, name: &str) -> Option<u32> {
    let ending = name.strip_prefix(path.file_name()?.to_str()?)?.strip_prefix('.')?;
    let digits = ending.strip_suffix(PRESSED).and_then(|rest| rest.strip_suffix('.')).unwrap_or(ending);
    let number = digits.parse().ok()?;
    (number > 0 && digits == u32::to_string(&number)).then_some(number)
}

/// A file of a series.
#[derive(Debug)]
pub(super) struct Found {
    pub(super) path: PathBuf,
    pub(super) inode: u64,
    pub(super) modified: Modified,
}

/// When a file was last written: seconds and nanoseconds.
pub(super) type Modified = (i64, i64);

pub(super) fn modified(found: &Metadata) -> Modified {
    (found.mtime(), found.mtime_nsec())
}

impl Found {
    /// What has this name, if anything has.
    pub(super) fn at(path: PathBuf) -> Option<Self> {
        let found = fs::metadata(&path).ok().filter(Metadata::is_file)?;
        Some(Self::of(path, &found))
    }

    pub(super) fn of(path: PathBuf, found: &Metadata) -> Self {
        Self { path, inode: found.ino(), modified: modified(found) }
    }
}

/// The files of a series that are there, compressed or not, newest first, each once. Where many numbers are missing in a row, the
/// series ends, but not before this number.
pub(super) fn newest_first(path: &Path, least: u32) -> impl Iterator<Item = Found> {
    let mut seen = BTreeSet::new();
    search(path, least, Found::at).filter(move |found| seen.insert(found.inode))
}

/// What `look` finds under the names of a series, newest first. A rotation may go on meanwhile: it moves files in the direction of
/// this search, so that one may be met twice, but none is passed by. What is to be known of a file is looked up by `look`: by
/// its next step, its name may be that of another one.
pub(super) fn search<T>(
    path: &Path,
    least: u32,
    look: impl Fn(PathBuf) -> Option<T>,
) -> impl Iterator<Item = T> {
    // A rotation under way, or one that failed, leaves one number out.
    const MISSING_MAX: u32 = 16;
    let aside = (1..).map(|number| (number, vec![set_aside_path(path, number), pressed_path(path, number)]));
    let mut missing = 0;
    [(0, vec![path.to_owned()]), (0, vec![on_its_way_path(path)])]
        .into_iter()
        .chain(aside)
        // One that is there in both forms was being compressed, and counts as it was.
        .map(move |(number, forms)| (number, forms.into_iter().find_map(&look)))
        .take_while(move |(number, found)| {
            missing = if found.is_some() { 0 } else { missing + 1 };
            missing <= MISSING_MAX || *number <= least
        })
        .filter_map(|(_, found)| found)
}

/// The inode of a file.
pub(super) fn inode(path: &Path) -> Option<u64> {
    fs::metadata(path).ok().map(|found| found.ino())
}
