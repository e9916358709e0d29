use super::{check, load_text};
use crate::config::change::difference;
use crate::spec::fleet::{Fleet, NotAFleet};
use crate::spec::replicas::Counts;
use crate::vocab::name::ServiceName;
use crate::vocab::selection::Selection;

const THREE: &str = "[services.db]\ncommand = \"sh\"\nreplicas = 2\n\
     [services.web]\ncommand = \"sh\"\nreplicas = 3\nmax_unavailable = 2\ndepends_on = { db = \"started\" }\ngroup = \"g\"\n";

fn fleet(text: &str) -> Fleet {
    load_text(text).map_err(|problems| problems.to_string()).unwrap()
}

fn names<'a>(names: impl IntoIterator<Item = &'a ServiceName>) -> Vec<String> {
    names.into_iter().map(ToString::to_string).collect()
}

fn counts(pairs: &[(&str, u32)]) -> Counts {
    pairs.iter().map(|(name, count)| (ServiceName::parse(name).unwrap(), *count)).collect()
}

#[test]
fn the_first_replica_has_the_plain_name_and_each_its_own_number_and_logs() {
    let fleet = fleet(THREE);
    assert_eq!(names(fleet.services().keys()), ["db", "db-2", "web", "web-2", "web-3"]);
    let third = &fleet.services()["web-3"];
    assert_eq!((third.replica.of.as_str(), third.replica.number), ("web", 3));
    assert_eq!((third.max_unavailable, third.group.as_deref()), (2, Some("g")));
    assert!(third.logs.stdout.ends_with("logs/web-3.out.log"));
    assert_eq!(names(third.depends_on.keys()), ["db", "db-2"]);
    assert_eq!(names(fleet.pick(&Selection::of(["web"])).unwrap().iter()), ["web", "web-2", "web-3"]);
    assert_eq!(names(fleet.pick(&Selection::of(["web-1"])).unwrap().iter()), ["web"]);
}

#[test]
fn another_count_changes_no_other_replica_and_renames_none() {
    let fleet = fleet(THREE);
    let more = fleet.scaled(&counts(&[("web", 5)])).unwrap();
    let changes = difference(&fleet, &more);
    assert_eq!(names(&changes.added), ["web-4", "web-5"]);
    assert!(changes.changed.is_empty() && changes.removed.is_empty());
    assert_eq!(more.scaled(&counts(&[("web", 3)])).unwrap(), fleet);
    let less = more.scaled(&counts(&[("web", 1), ("db", 1)])).unwrap();
    assert_eq!(names(less.services().keys()), ["db", "web"]);
    assert_eq!(names(less.services()["web"].depends_on.keys()), ["db"]);
    assert_eq!(less.scaled(&counts(&[("web", 3), ("db", 2)])).unwrap(), fleet);
}

#[test]
fn a_replica_that_somebody_needs_by_its_own_name_cannot_be_scaled_away() {
    let fleet = fleet(
        "[services.web]\ncommand = \"sh\"\nreplicas = 2\n[services.page]\ncommand = \"sh\"\ndepends_on = [\"web-2\"]\n",
    );
    let refused = fleet.scaled(&counts(&[("web", 1)])).unwrap_err();
    assert!(matches!(refused[..], [NotAFleet::UnknownDependency { .. }]), "{refused:?}");
}

#[test]
fn replicas_that_cannot_be_are_refused_with_a_way_out() {
    let web = |rest: &str| format!("[services.web]\ncommand = \"sh\"\n{rest}");
    let shared = ["the 3 replicas of `web` cannot share port 8001", "PROCMAN_REPLICA"];
    check(&web("replicas = 3\nport = 8001\n"), &[(3, &shared)]);
    for taken in ["web-2", "web-1"] {
        let text = web(&format!("replicas = 2\n[services.{taken}]\ncommand = \"sh\"\n"));
        let words = format!("`{taken}` is a service of its own");
        check(&text, &[(3, &[words.as_str(), "rename one of them"])]);
    }
    assert!(load_text(&web("[services.web-1]\ncommand = \"sh\"\n")).is_ok(), "it has no other replica");
    check(&web("replicas = 0\n"), &[(3, &["0 is out of range", "from 1 to 1000"])]);
    check(&web("max_unavailable = 0\n"), &[(3, &["0 is out of range"])]);
    let long = "w".repeat(63);
    let text = format!("[services.{long}]\ncommand = \"sh\"\nreplicas = 2\n");
    check(&text, &[(3, &["is not the name of a service"])]);
}

#[test]
fn what_is_wrong_with_replicas_is_said_once() {
    check(
        "[services.a]\ncommand = \"sh\"\nreplicas = 3\ndepends_on = [\"b\", \"x\"]\n[services.b]\ncommand = \"sh\"\ndepends_on = [\"a\"]\n",
        &[(4, &["in a circle: a -> b -> a"]), (4, &["`a` depends on `x`"])],
    );
    check(
        "[services.a]\ncommand = \"sh\"\nreplicas = 3\ndepends_on = [\"a\"]\n",
        &[(4, &["in a circle: a -> a"])],
    );
}
