#!/usr/bin/env bash
# Holds a running service to the document it serves, with every check of Schemathesis. Needs
# `pip install schemathesis` and a built binary; `HOLDFAST` names another one.
set -euo pipefail
cd "$(dirname "$0")"
holdfast=${HOLDFAST:-../target/debug/holdfast}
scratch=$(mktemp -d)
"$holdfast" serve --listen 127.0.0.1:0 --data "$scratch/data" > "$scratch/said" 2>&1 &
service=$!
trap 'kill "$service" 2>/dev/null || true; rm -rf "$scratch"' EXIT
for _ in $(seq 200); do
  url=$(sed -n 's/^ *listening on *//p' "$scratch/said")
  if [[ -n $url ]]; then break; fi
  sleep 0.05
done
(cd "$scratch" && schemathesis --config-file "$OLDPWD/schemathesis.toml" run "$url/openapi.json" \
  --checks all --workers 1 --seed "${SEED:-1}" --request-timeout 15)
