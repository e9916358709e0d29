use super::args::Args;
use clap::{CommandFactory, Parser};

#[test]
fn the_arguments_are_consistent() {
    Args::command().debug_assert();
}

#[test]
fn what_people_type_is_understood_or_refused() {
    let check = |line: &str, is_good: bool| {
        let parsed = Args::try_parse_from(line.split_whitespace());
        assert_eq!(parsed.is_ok(), is_good, "{line}: {parsed:?}");
    };
    for good in [
        "procman up",
        "procman up api -n",
        "procman -c x.toml status --json",
        "procman restart",
        "procman restart --full",
        "procman restart --force --dry-run",
        "procman restart api --with-dependents",
        "procman signal api -s HUP",
        "procman flush 3000 4000 -y",
        "procman logs -f -n 5 api --since 10m",
        "procman wait api --for stopped --timeout 5s",
        "procman run api -- ls -l",
        "procman status --watch",
        "procman restart api --rolling --dry-run",
        "procman scale api=6 web=2 --timeout 5s",
        "procman stop db --force",
        "procman kill db --with-dependents --timeout 5s",
        "procman graph api --dot",
        "procman disable api web:*",
        "procman why api group:web --json",
        "procman history all -n 3",
    ] {
        check(good, true);
    }
    for bad in [
        "procman",
        "procman upp",
        "procman restart --quick --emergency",
        "procman restart --quick api",
        "procman stop",
        "procman restart --rolling",
        "procman restart --rolling --quick",
        "procman scale",
        "procman stop db --force --with-dependents",
        "procman start db --force",
        "procman graph --dot --json",
        "procman enable",
        "procman why",
        "procman scale api",
        "procman scale api=many",
        "procman scale ../api=2",
        "procman flush 0",
        "procman flush 70000",
        "procman wait api --timeout 5",
        "procman signal api -s BANG",
        "procman logs --stdout --stderr",
    ] {
        check(bad, false);
    }
}
