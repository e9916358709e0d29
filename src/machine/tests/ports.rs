use super::Rig;
use crate::machine::blame::Blame;
use crate::machine::event::{End, Event, Taken};
use crate::machine::phase::Phase;
use crate::machine::sim::spec_maker::{plain, port_of};
use crate::spec::service::Service;
use crate::vocab::outcome::Outcome;
use crate::vocab::port::Whose;

#[test]
fn a_service_does_not_wait_for_a_port_that_a_new_config_took_away() {
    let with_port = || Service { ports: vec![port_of(3000)], ..plain("api") };
    let taken = || Taken {
        port: port_of(3000),
        holder: "a stranger".to_owned(),
        by: None,
        whose: Whose::Foreign,
        socket: 1,
    };
    let mut rig = Rig::up(vec![with_port()]);
    let end = End {
        outcome: Outcome::Code(1),
        last_words: None,
        left: Vec::new(),
        taken: Some(taken()),
        blame: Blame::Nothing,
    };
    rig.tell(Event::Exited { run: rig.run("api"), end });
    assert!(matches!(rig.phase("api"), Phase::Blocked { .. }), "{:?}", rig.phase("api"));
    rig.reload(vec![plain("api")]);
    // The answer to a look that began before the config came.
    let service = plain("api").name;
    rig.tell(Event::PortsSeen { service, taken: Some(taken()) });
    assert!(rig.run_if_any("api").is_some(), "{:?}", rig.phase("api"));
}
