# `just` lists the recipes. The checks themselves stand in .ci/run, so that here and there cannot differ.

_list:
    @just --list --unsorted

# Build, and bring the eight services of services.toml up
up *arguments:
    cargo run --release -- up {{ arguments }}

# Run the tests but `frameworks`, or those that match
test *arguments:
    cargo test {{ arguments }}

# Format the code
fmt:
    cargo fmt --all

# Lint everything, warnings denied
clippy:
    .ci/run clippy

# Build the documentation of every item, warnings denied
doc:
    .ci/run doc

# Check the house rules: arrows between rooms, sizes, banned words
tidy:
    .ci/run tidy

# Check the licences and sources of the dependencies
deny:
    .ci/run deny

# Type-check the crate for macOS
macos:
    .ci/run macos

# Measure
bench *arguments:
    cargo bench {{ arguments }}

# Everything that has to pass before a push
ci:
    .ci/run
