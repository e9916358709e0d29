use super::{
    CondemnedEntry, Entry, FallEntry, GaveUp, Journal, LastEntry, LiveEntry, Remedy, Rest, SecondEntry,
    SecondStage, Stage, Unreadable, decode,
};
use crate::vocab::identity::{Identity, Pid, StartTime};
use crate::vocab::moment::Moment;
use crate::vocab::name::ServiceName;
use crate::vocab::outcome::Outcome;
use crate::vocab::run::RunId;
use crate::vocab::state::Goal;
use std::time::Duration;

fn journal() -> Journal {
    let since = Moment::since_boot(Duration::from_secs(100));
    let live = |stage| {
        let identity = Identity { pid: Pid::new(4711).unwrap(), started: StartTime(99) };
        Some(LiveEntry { run: RunId(7), identity, first: None, since, stage })
    };
    let entry = |name: &str, goal, live| Entry {
        service: ServiceName::parse(name).unwrap(),
        goal,
        restarts: 3,
        failures: 1,
        starts: Vec::new(),
        plan: None,
        rest: None,
        fallen_with: None,
        condemned: None,
        gave_up: None,
        last: None,
        live,
        second: None,
        startup: None,
    };
    Journal {
        boot: "b".to_owned(),
        last_run: RunId(9),
        takeovers: 2,
        services: vec![
            entry("api", Goal::Up, live(Stage::Ready)),
            entry("db", Goal::Again, live(Stage::Stopping { kill_at: since.after(Duration::from_secs(1)) })),
            entry("old", Goal::Down, None),
        ],
    }
}

#[test]
fn a_journal_reads_back_what_was_written() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("journal");
    assert!(Journal::read(&path).unwrap().is_none());
    journal().write(&path).unwrap();
    assert_eq!(Journal::read(&path).unwrap(), Some(journal()));
}

#[test]
fn how_a_service_ended_for_good_is_kept() {
    let mut journal = journal();
    journal.services[2].rest = Some(Rest::Completed);
    assert_eq!(decode(&journal.encode().unwrap()), Ok(journal));
}

#[test]
fn a_journal_cut_off_at_any_byte_is_told_apart() {
    let bytes = journal().encode().unwrap();
    assert!(decode(&bytes).is_ok());
    for length in 0..bytes.len() {
        assert!(decode(&bytes[..length]).is_err(), "cut at {length}");
    }
    for at in 0..bytes.len() {
        let mut damaged = bytes.clone();
        damaged[at] ^= 0x20;
        let reads_the_same = decode(&damaged).is_ok_and(|read| read == journal());
        assert!(decode(&damaged).is_err() || reads_the_same, "flipped at {at}");
    }
}

#[test]
fn garbage_is_damage_and_not_an_error_of_the_disk() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("journal");
    std::fs::write(&path, [0xff; 4096]).unwrap();
    assert!(matches!(Journal::read(&path), Err(Unreadable::Damaged { .. })));
}

#[test]
fn version_1_is_written_and_read_as_ever() {
    let fixture = include_bytes!("../../../tests/fixtures/journal/version-1");
    assert_eq!(journal().encode().unwrap(), fixture);
    assert_eq!(decode(fixture), Ok(journal()));
}

#[test]
fn why_a_service_is_down_is_written_and_read_as_ever() {
    let mut journal = journal();
    let last_words = Some("disk on fire".to_owned());
    let (outcome, lasted) = (Outcome::Code(3), Duration::from_millis(76));
    journal.services[0].last = Some(LastEntry { run: RunId(6), outcome, last_words, lasted });
    journal.services[1].gave_up = Some(GaveUp::StartedTooOften);
    journal.services[2].gave_up = Some(GaveUp::NotSpawned("there is no program `gone`".to_owned()));
    let fixture = include_bytes!("../../../tests/fixtures/journal/version-1-ended");
    assert_eq!(String::from_utf8_lossy(&journal.encode().unwrap()), String::from_utf8_lossy(fixture));
    assert_eq!(decode(fixture), Ok(journal));
}

fn check_seconds(stages: &[SecondStage], fixture: &[u8]) {
    let mut journal = journal();
    let Some(LiveEntry { identity, since, .. }) = journal.services[0].live else { panic!("it lives") };
    for (service, stage) in journal.services.iter_mut().zip(stages) {
        service.second = Some(SecondEntry { run: RunId(8), identity, first: None, since, stage: *stage });
    }
    assert_eq!(String::from_utf8_lossy(&journal.encode().unwrap()), String::from_utf8_lossy(fixture));
    assert_eq!(decode(fixture), Ok(journal));
}

#[test]
fn the_process_that_a_run_began_with_is_written_and_read_as_ever() {
    let mut journal = journal();
    let began_with = Identity { pid: Pid::new(4700).unwrap(), started: StartTime(90) };
    let first = Some(began_with);
    journal.services[0].live = journal.services[0].live.map(|live| LiveEntry { first, ..live });
    let Some(LiveEntry { identity, since, .. }) = journal.services[0].live else { panic!("it lives") };
    let stage = SecondStage::Stopping { kill_at: since };
    journal.services[1].second = Some(SecondEntry { run: RunId(8), identity, first, since, stage });
    let known: Vec<(RunId, Identity)> = journal.services[1].processes().collect();
    assert_eq!(known, [(RunId(7), identity), (RunId(8), identity), (RunId(8), began_with)]);
    let fixture = include_bytes!("../../../tests/fixtures/journal/version-1-handed-over");
    assert_eq!(String::from_utf8_lossy(&journal.encode().unwrap()), String::from_utf8_lossy(fixture));
    assert_eq!(decode(fixture), Ok(journal));
}

#[test]
fn what_takes_a_run_down_is_written_and_read_as_ever() {
    let mut journal = journal();
    let cause = "its check failed 3 times: HTTP 503".to_owned();
    journal.services[0].condemned = Some(CondemnedEntry { cause, remedy: Remedy::Restart });
    let by = ServiceName::parse("api").unwrap();
    journal.services[1].fallen_with = Some(FallEntry { by, how: "was stopped".to_owned() });
    let fixture = include_bytes!("../../../tests/fixtures/journal/version-1-fallen");
    assert_eq!(String::from_utf8_lossy(&journal.encode().unwrap()), String::from_utf8_lossy(fixture));
    assert_eq!(decode(fixture), Ok(journal));
}

#[test]
fn a_run_beside_the_live_one_is_written_and_read_as_ever() {
    let soon = Moment::since_boot(Duration::from_secs(105));
    let stages = [SecondStage::Understudy { give_up_at: soon }, SecondStage::Stopping { kill_at: soon }];
    check_seconds(&stages, include_bytes!("../../../tests/fixtures/journal/version-1-rolling"));
    let draining = [SecondStage::Draining { until: soon }];
    check_seconds(&draining, include_bytes!("../../../tests/fixtures/journal/version-1-draining"));
}
