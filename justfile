# The steps of `.ci/run` and more, to run one at a time.

# Check the formatting
format:
    cargo fmt --all --check

# Run every lint; a warning is an error
lint:
    cargo clippy --workspace --all-targets -- -D warnings

# Run every test
test:
    cargo test --workspace

# Check licences, bans and sources of dependencies (needs cargo-deny)
deny:
    cargo deny check licenses bans sources

# Compare Holdfast with the PostgreSQL pattern (needs PostgreSQL)
compare:
    benches/compare.py
