# The steps of `.ci/run` and more, to run one at a time. What a step needs to know is here and nowhere else.

# Every step, as before a change lands (installs tools; needs root for apt)
ci:
    .ci/run

# Check the formatting
format:
    cargo fmt --all --check

# Every lint is an error
lint:
    cargo clippy --workspace --all-targets -- -D warnings

# Arrows, circles, names in documents, routes, lengths and the drawing of the rooms
tidy:
    cargo run --quiet --package xtask -- tidy

# Write the drawing of crates and rooms into docs/ARCHITECTURE.md
draw:
    cargo run --quiet --package xtask -- draw

# Licences, bans and sources of dependencies (needs cargo-deny)
deny:
    cargo deny check licenses bans sources

# The README's test command
test:
    cargo test --workspace

# As many simulated worlds as every moment of interest needs; and about three minutes each of kills and of power losses.

# Every test at its full length
test-long:
    HOLDFAST_TEST_CHAOS_SEEDS=2000 HOLDFAST_TEST_KILLS=300 HOLDFAST_TEST_POWER_LOSSES=200 \
      HOLDFAST_TEST_CONNECTIONS=10000 cargo test --workspace

# Each benchmark of the hot path once
bench-once:
    cargo test -p holdfast-tests --bench hot_path

# Needs openapi-spec-validator and the packages of tests/browser.

# Two validators of the OpenAPI document (run after a build)
openapi:
    #!/usr/bin/env bash
    set -euo pipefail
    document=$(mktemp --suffix=.json)
    target/debug/holdfast openapi > "$document"
    python3 -m openapi_spec_validator "$document"
    (cd tests/browser && npx --no-install redocly lint --config redocly.yaml "$document")

# The service against its document (run after a build; needs Schemathesis)
conformance:
    tests/conformance.sh

# The example clients against the service (run after a build)
clients:
    tests/clients/run.sh

# Begins with the corpus that is kept; what is found new goes elsewhere. libFuzzer needs a nightly toolchain; without one the
# corpus alone is run, by the tests.

# A minute of each fuzz target
fuzz:
    #!/usr/bin/env bash
    set -euo pipefail
    if ! rustup run nightly rustc --version >/dev/null 2>&1; then
      echo "NOT FUZZED: libFuzzer needs a nightly toolchain, and there is none here (rustup toolchain install nightly)"
      exit 0
    fi
    command -v cargo-fuzz >/dev/null || cargo install --quiet --locked --debug cargo-fuzz
    found=$(mktemp -d)
    cd tests
    # The code is free of `unsafe`, so a sanitizer would watch the fuzzer alone.
    cargo +nightly fuzz build --sanitizer none
    for target in $(cargo +nightly fuzz list); do
      mkdir "$found/$target"
      cargo +nightly fuzz run --sanitizer none "$target" "$found/$target" "fuzz/corpus/$target" -- -max_total_time=60 -verbosity=0 -print_final_stats=1
    done

# Holdfast beside the PostgreSQL pattern (needs PostgreSQL)
compare:
    benches/compare.py

# Write the options into docs/configuration.md, from their declarations
options-table:
    HOLDFAST_TEST_WRITE_DOCS=1 cargo test -p holdfast-server --lib the_document_has_every_option
