//! The services' output: pumped from named pipes into rotated files, and read back merged, searched and followed. The
//! pump is one thread of the daemon for each processor, four at most; reading needs no daemon at all. It may use vocab,
//! spec and sys. Deliberately absent: ends of files (nobody waits for one), and any decision about services.

/// New lines as they come.
pub mod follow;
/// What was not written.
pub mod loss;
/// What lines are searched for.
pub mod pattern;
/// Parts of lines.
pub mod piece;
/// Lines for people.
pub mod printable;
/// From the pipes into the files.
pub mod pump;
/// Lines of many streams and the marks between them, merged by time.
pub mod query;
/// What a run has written, looked through piece by piece.
pub mod scan;
/// One stream's files: the current one and those set aside.
pub mod series;
/// Reading, and going on with new lines.
pub mod session;
/// The last lines of a file.
pub mod tail;
/// What a stream tells of itself on its way into its log.
pub mod tap;
/// When which bytes arrived.
pub mod times;
/// Second pipes for those who bring much.
pub mod transits;
/// Whether somebody waits for what is read.
pub mod wanted;

/// Parts of a day.
mod calendar;
/// What a log file holds.
mod content;
/// The file of a series that bytes go to.
mod current;
/// Whether the disk takes what comes.
mod disk;
/// Files that there is no room for.
mod disposal;
/// When a file is set aside by the time.
mod due;
/// Where runs end in what waits.
mod ending;
/// Lines, cut and wrapped.
mod envelope;
/// Control sequences of terminals, taken out.
mod escapes;
/// The way of lines to several targets.
mod fan;
/// Which files make a series.
pub mod files;
/// What is missing while a file cannot be written.
mod gap;
/// Where the last lines of a file begin.
mod last;
/// Lines of several streams in one order.
mod merge;
/// Lines of one file.
mod open;
/// Lines and marks on their way to whoever reads.
mod outlet;
/// The way of lines to where the supervisor's own output goes.
mod own_output;
/// When a stream is looked at next.
mod pace;
/// Where somebody goes on.
mod place;
/// Which files are read.
mod plan;
/// Compressing what was set aside.
mod press;
/// Lines of one stream, oldest file first.
mod reader;
/// When runs ended.
mod run_ends;
/// Who writes which file.
mod share;
/// The files of a series as rotation moves them.
mod shelf;
/// Where lines go beside a file.
mod sink;
/// One stream's way through the pump.
mod stream;
/// How far a stream's turn goes, and what comes of it.
mod turn;
/// New lines with marks between them.
mod weave;
/// What a thread of the pump does.
mod worker;

#[cfg(test)]
mod tests;
