use super::{check, load_text};
use crate::spec::target::{News, Way};
use crate::vocab::state::State;

const SERVICE: &str = "[services.api]\ncommand = \"sh\"\ngroup = \"web\"\n";

#[test]
fn targets_are_read_with_what_they_are_told_of() {
    let fleet = load_text(&format!(
        "{SERVICE}[notify.ops]\ncommand = \"sh notify.sh\"\n[notify.chat]\nwebhook = \"http://chat:81/x\"\n\
         headers = {{ X-Token = \"t\" }}\non = [\"fatal\", \"healthy\"]\nservices = [\"web:*\"]\ntimeout = \"3s\"\n"
    ))
    .map_err(|problems| problems.to_string())
    .unwrap();
    let targets = &fleet.supervisor().notify;
    let ops = &targets["ops"];
    assert!(matches!(&ops.way, Way::Command(command) if command.program() == "sh"));
    assert_eq!(ops.on.iter().map(|news| news.word()).collect::<Vec<_>>(), ["fatal", "unhealthy", "failed"]);
    let chat = &targets["chat"];
    assert!(matches!(&chat.way, Way::Webhook(webhook) if webhook.port == 81 && webhook.headers.len() == 1));
    assert!(chat.on.contains(&News::State(State::Fatal)) && chat.on.len() == 2);
    assert_eq!(chat.services.words(), ["web:*"]);
}

#[test]
fn targets_that_cannot_be_told_are_refused_with_a_way_out() {
    let of = |body: &str| format!("{SERVICE}[notify.x]\n{body}\n");
    check(&of("on = [\"fatal\"]"), &[(4, &["is told in no way"])]);
    check(&of("command = \"sh\"\nwebhook = \"http://a/\""), &[(6, &["are two targets"])]);
    check(&of("webhook = \"https://a/\""), &[(5, &["does not speak https", "curl"])]);
    check(&of("webhook = \"a\""), &[(5, &["not an http address", "http://host:port/path"])]);
    check(
        &of("command = \"sh\"\non = [\"fatl\"]"),
        &[(6, &["`fatl` is nothing that can be told", "did you mean `fatal`?"])],
    );
    check(&of("command = \"no-such-program\""), &[(5, &["no program `no-such-program`"])]);
    check(
        &of("command = \"sh\"\nservices = [\"apj\"]"),
        &[(4, &["no service is called `apj`", "did you mean `api`?"])],
    );
    check(&of("command = \"sh\"\nwhen = 1"), &[(6, &["unknown key `when` in [notify]"])]);
    check(&of("command = \"sh\"\nheaders = { A = \"b\" }"), &[(6, &["given no header fields"])]);
}
