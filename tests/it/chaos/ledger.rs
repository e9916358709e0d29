//! Every line that a puppet wrote, against every line that is in the logs.

use std::collections::{BTreeMap, BTreeSet};

use procman::logs::files;

use super::storm::{SERVICES, Storm};

#[derive(Default)]
pub(super) struct Ledger {
    lines: usize,
    /// Lines that no puppet writes: cut, or joined to others.
    cut: usize,
    /// Missing stretches within a run, in lines.
    gaps: Vec<u64>,
    /// Missing ends of runs, in lines.
    tails: Vec<u64>,
}

impl Ledger {
    /// Fails at once if a line is doubled, or out of order.
    pub(super) fn read(storm: &Storm) -> Self {
        let mut ledger = Self::default();
        let mut unseen = storm.fleet.counted();
        for service in SERVICES {
            for (run, numbers) in ledger.runs_of(storm, service) {
                let counted = unseen.remove(&run).unwrap_or_else(|| panic!("nobody was {run}"));
                ledger.enter(&run, &numbers, counted);
            }
        }
        ledger.tails.extend(unseen.into_values().filter(|count| *count > 0));
        ledger
    }

    /// The numbers in a service's log, by run.
    fn runs_of(&mut self, storm: &Storm, service: &str) -> BTreeMap<String, Vec<u64>> {
        let directories = (0..storm.taken_away).map(|number| format!("logs-{number}"));
        let mut runs: BTreeMap<String, Vec<u64>> = BTreeMap::new();
        let mut last = String::new();
        for directory in directories.chain(["logs".to_owned()]) {
            let path = storm.fleet.path().join(directory).join(format!("{service}.out.log"));
            let mut oldest_first = files::all(&path);
            oldest_first.sort_by_key(|it| std::cmp::Reverse(age(it)));
            let text: Vec<u8> = oldest_first.iter().flat_map(|it| std::fs::read(it).unwrap()).collect();
            for line in String::from_utf8_lossy(&text).lines() {
                let Some((number, run)) = parse(line) else {
                    self.cut += 1;
                    continue;
                };
                self.lines += 1;
                if *run != last {
                    assert!(!runs.contains_key(run), "{service}: {run} writes again after {last}");
                    last = run.to_owned();
                }
                runs.entry(run.to_owned()).or_default().push(number);
            }
        }
        runs
    }

    fn enter(&mut self, run: &str, numbers: &[u64], counted: u64) {
        let is_rising = numbers.windows(2).all(|pair| pair[0] < pair[1]);
        let doubled = numbers.len() - numbers.iter().collect::<BTreeSet<_>>().len();
        assert!(is_rising, "{run}: {doubled} lines are doubled, or the order is lost: {numbers:?}");
        let end = numbers.last().map_or(0, |last| last + 1);
        assert!(end <= counted + 1, "{run} has written {counted} lines, and line {end} is there");
        let starts = numbers.first().filter(|first| **first > 0).copied();
        let between = numbers.windows(2).map(|pair| pair[1] - pair[0] - 1).filter(|missing| *missing > 0);
        self.gaps.extend(starts.into_iter().chain(between));
        self.tails.extend(Some(counted.saturating_sub(end)).filter(|missing| *missing > 0));
    }

    pub(super) fn summary(&self) -> String {
        let Self { lines, cut, gaps, tails } = self;
        format!("{lines} lines, {cut} of them cut; lost within runs {gaps:?}, at their ends {tails:?}")
    }

    /// Every line is there, once and whole. Only when guardian and supervisor are dead at once does nobody hold the pipe of
    /// a service that ends: `crash` does so by itself, and one more may have been killed just before.
    pub(super) fn check(&self, deaths_of_both: usize) {
        assert!(self.gaps.is_empty() && self.cut == 0, "{}", self.summary());
        assert!(self.tails.len() <= 2 * deaths_of_both, "{}", self.summary());
    }
}

/// How far a log file was set aside: `.3` is older than `.1`, which is older than one that is just being set aside.
fn age(path: &std::path::Path) -> u32 {
    match path.extension().and_then(|extension| extension.to_str()) {
        Some("log") | None => 0,
        Some("rotating") => 1,
        Some(number) => number.parse::<u32>().unwrap() + 1,
    }
}

fn parse(line: &str) -> Option<(u64, &str)> {
    let (number, run) = line.strip_prefix("line ")?.split_once(" of ")?;
    let is_run = run.split_once('-').is_some_and(|(run, pid)| {
        !run.is_empty() && !pid.is_empty() && run.chars().chain(pid.chars()).all(|it| it.is_ascii_digit())
    });
    Some((number.parse().ok()?, run)).filter(|_| is_run)
}
