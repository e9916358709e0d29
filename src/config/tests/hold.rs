use std::time::Duration;

use super::{check, check_service, load_service};
use crate::spec::hold::Way;
use crate::spec::service::Service;
use crate::vocab::listen::Access;

fn text(service: &Service) -> Vec<String> {
    service.hold.as_ref().unwrap().addresses.iter().map(ToString::to_string).collect()
}

#[test]
fn held_sockets_are_ports_at_hosts_and_paths_in_their_order() {
    let one = load_service("command = \"python3 -m http.server\"\nport = 3000\nhold = \"python\"");
    assert_eq!(
        (text(&one), one.hold.as_ref().unwrap().way),
        (vec!["127.0.0.1:3000".to_owned()], Way::Python)
    );
    assert_eq!(one.hold.as_ref().unwrap().first_taken(), 4);
    let many = load_service(
        "command = \"sh\"\nports = [3000, 3001]\nhold = \"listen-fds\"\nhost = [\"127.0.0.1\", \"::1\"]\n\
         sockets = [\"backend/a.sock\"]",
    );
    let found = text(&many);
    assert_eq!(found[..4], ["127.0.0.1:3000", "[::1]:3000", "127.0.0.1:3001", "[::1]:3001"]);
    assert!(found[4].ends_with("/backend/a.sock"), "{}", found[4]);
    assert_eq!(many.hold.as_ref().unwrap().first_taken(), 0);
    assert!(load_service("command = \"sh\"\nport = 3000").hold.is_none());
}

#[test]
fn who_may_connect_to_unix_sockets_is_said_by_mode_and_owner() {
    let of = |keys: &str| {
        let held = "command = \"sh\"\nhold = \"stdin\"\nsockets = [\"backend/a.sock\"]\n";
        load_service(&format!("{held}{keys}")).hold.as_ref().unwrap().access
    };
    assert_eq!(of(""), Access::default());
    let own = nix::unistd::geteuid().as_raw();
    let said = of(&format!("socket_mode = \"0700\"\nsocket_owner = \"{own}\""));
    assert_eq!(said, Access { mode: 0o700, uid: Some(own), gid: None });
    let held = "command = \"sh\"\nhold = \"stdin\"\nsockets = [\"backend/a.sock\"]\n";
    check_service(&format!("{held}socket_mode = \"rw\""), &[(5, &["`rw` is not a socket mode"])]);
    check_service(&format!("{held}socket_owner = \"no-such\""), &[(5, &["no user `no-such`"])]);
    check_service(&format!("{held}socket_owner = \"0:no-such\""), &[(5, &["no group `no-such`"])]);
}

#[test]
fn how_many_connections_wait_in_a_held_socket_is_as_many_as_the_system_lets_unless_it_is_said() {
    let of = |keys: &str| load_service(&format!("command = \"sh\"\n{keys}")).hold.as_ref().unwrap().backlog;
    assert_eq!(of("port = 3000\nhold = \"stdin\""), None);
    assert_eq!(of("port = 3000\nhold = \"stdin\"\nsocket_backlog = 5"), Some(5));
    assert_eq!(of("sockets = [\"backend/a.sock\"]\nsocket_backlog = 65535"), Some(65_535));
    check_service(
        "command = \"sh\"\nport = 3000\nhold = \"stdin\"\nsocket_backlog = 0",
        &[(5, &["0 is out of range", "from 1 to 65535"])],
    );
    check_service(
        "command = \"sh\"\nport = 3000\nsocket_backlog = 5",
        &[(4, &["`socket_backlog` is about sockets that procman holds", "add `hold`"])],
    );
}

#[test]
fn a_port_with_an_address_is_held_there_and_host_is_for_the_others() {
    let service = load_service(
        "command = \"sh\"\nports = [3000, \"[::1]:3001\", \"0.0.0.0:3002\"]\nhold = \"listen-fds\"\n\
         host = \"127.0.0.2\"",
    );
    assert_eq!(text(&service), ["127.0.0.2:3000", "[::1]:3001", "0.0.0.0:3002"]);
}

#[test]
fn what_the_python_shim_can_take_away_is_drained() {
    let drain = |keys: &str| load_service(&format!("command = \"sh\"\nport = 3000\n{keys}")).drain;
    assert_eq!(drain("hold = \"python\""), Duration::from_secs(5));
    assert_eq!(drain("hold = \"python\"\ndrain = \"1m\""), Duration::from_secs(60));
    assert_eq!(drain("hold = \"listen-fds\""), Duration::ZERO);
    for keys in ["hold = \"stdin\"", "preflight = true"] {
        let body = format!("command = \"sh\"\nport = 3000\n{keys}\ndrain = \"5s\"");
        check_service(&body, &[(5, &["the Python shim can take away", "stop_timeout"])]);
    }
}

#[test]
fn what_cannot_be_held_is_refused_with_a_way_out() {
    for (body, line, pieces) in [
        ("hold = \"fds\"\nport = 3000", 3, &["`fds` is not a way", "listen-fds"][..]),
        ("hold = \"stdin\"", 3, &["no socket to hold", "declare `port = N`"]),
        (
            "hold = \"listen-fds\"\nports = [3000, \"5353/udp\"]",
            3,
            &["port 5353/udp cannot be held", "without `hold`"],
        ),
        (
            "hold = \"listen-fds\"\nports = [\"0.0.0.0:3000\", \"[::]:3000\"]",
            3,
            &["0.0.0.0:3000 and [::]:3000 cannot both be held", "keep the one"],
        ),
        (
            "hold = \"stdin\"\nhost = \"::1\"\nport = \"127.0.0.1:3000\"",
            4,
            &["each has one here", "remove it"],
        ),
        ("hold = \"stdin\"\nports = [3000, 3001]", 3, &["one socket, and here are 2", "listen-fds"]),
        (
            "host = \"127.0.0.1\"\nport = 3000",
            3,
            &["`host` is about sockets that procman holds", "add `hold"],
        ),
        ("sockets = [\"a.sock\"]\nport = 3000", 3, &["`sockets` is about", "add `hold"]),
        ("hold = \"python\"\nsockets = [\"a.sock\"]", 4, &["not for unix sockets", "listen-fds"]),
        (
            "hold = \"stdin\"\nhost = \"localhost\"\nport = 3000",
            4,
            &["`localhost` is not an address", "0.0.0.0"],
        ),
        (
            "hold = \"listen-fds\"\nhost = [\"::\", \"::1\"]\nport = 3000",
            4,
            &["is alone", "takes IPv4 as well"],
        ),
        ("hold = \"listen-fds\"\nhost = [\"::1\", \"::1\"]\nport = 3000", 4, &["stands here twice"]),
        ("hold = \"stdin\"\nsockets = [\"no/a.sock\"]", 4, &["does not exist", "make it"]),
        ("hold = \"stdin\"\nsockets = [\"backend\"]", 4, &["is not the path of a socket"]),
        ("hold = \"stdin\"\nsockets = [\"a.sock\", \"a.sock\"]", 4, &["`api` declares this socket already"]),
    ] {
        check_service(&format!("command = \"sh\"\n{body}"), &[(line, pieces)]);
    }
    let long = "x".repeat(120);
    check_service(
        &format!("command = \"sh\"\nhold = \"stdin\"\nsockets = [\"{long}\"]"),
        &[(4, &["too long for a socket", "at most 103 bytes"])],
    );
    check_service(
        "command = \"python3 -I main.py\"\nport = 3000\nhold = \"python\"",
        &[(4, &["`-I` makes Python ignore the shim", "remove that flag"])],
    );
    check(
        "[defaults]\nsockets = [\"a.sock\"]\n[services.a]\ncommand = \"sh\"\n",
        &[(2, &["cannot be the same for all"])],
    );
}
