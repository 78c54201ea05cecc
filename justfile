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
