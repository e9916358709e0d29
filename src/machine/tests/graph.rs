use super::{Rig, layers, needing};
use crate::machine::event::{Command, Event, Obstacle, Taken, Verb};
use crate::machine::fleet::Fleet;
use crate::machine::sim::spec_maker::{fleet_of, name, plain, port_of};
use crate::machine::ticket::{TicketId, Verdict};
use crate::spec::graph::Condition;
use crate::vocab::port::Whose;
use crate::vocab::run::RunId;
use crate::vocab::state::State;

#[test]
fn a_graph_of_many_paths_settles_whether_it_comes_up_or_waits_in_vain() {
    let rig = Rig::up(layers(12, 6));
    assert!(rig.answer(1).is_some_and(|answer| answer.values().all(|verdict| *verdict == Verdict::Done)));
    let mut services = layers(12, 6);
    services[0].ports = vec![port_of(3000)];
    let mut fleet = Fleet::new(fleet_of(services), RunId(0));
    let names = fleet.services().keys().cloned().collect();
    let (ticket, verb, deadline) = (TicketId(1), Verb::Start, None);
    let mut out = Vec::new();
    fleet.handle(Event::Command(Command { ticket, verb, services: names, deadline }), rig.now, &mut out);
    let (holder, whose) = ("a stranger".to_owned(), Whose::Foreign);
    let obstacle = Obstacle::PortTaken(Taken { port: port_of(3000), holder, by: None, whose, socket: 1 });
    fleet.handle(Event::NotSpawned { run: RunId(1), obstacle }, rig.now, &mut out);
    let last = fleet.reason(&name("l11-5")).unwrap();
    assert!(last.starts_with("waits in vain"), "{last}");
}

#[test]
fn a_chain_of_ten_thousand_does_not_overflow_the_stack() {
    let text = |at: usize| format!("s{at:05}");
    let chain = (0..10_000).map(|at| match at {
        0 => plain(&text(0)),
        _ => needing(&text(at), &[(text(at - 1).as_str(), Condition::Ready)]),
    });
    let mut rig = Rig::new(chain.collect());
    rig.ask(1, Verb::Start, &[text(9_999).as_str()]);
    assert_eq!(rig.state(&text(0)), State::Starting);
}
