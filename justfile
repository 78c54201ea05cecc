# The steps of `.ci/run` and more, one by one for people.

# What is formatted as it should be
format:
    cargo fmt --all --check

# Every lint is an error
lint:
    cargo clippy --workspace --all-targets -- -D warnings

# The README's test command
test:
    cargo test --workspace

# Licences, bans and sources of dependencies (needs cargo-deny)
deny:
    cargo deny check licenses bans sources

# Holdfast beside the PostgreSQL pattern (needs PostgreSQL)
compare:
    benches/compare.py

# Write the options into docs/configuration.md, from their declarations
options-table:
    HOLDFAST_TEST_WRITE_DOCS=1 cargo test -p holdfast-server --lib the_document_has_every_option
