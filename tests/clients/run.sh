#!/usr/bin/env bash
# Runs the example clients through a proxy that loses requests and answers, and checks that each
# intent became exactly one payment. Needs `pip install openapi-python-client`, `npm ci --prefix
# tests/clients/typescript` and a built binary; `HOLDFAST` names another one.
set -euo pipefail
holdfast=$(realpath "${HOLDFAST:-$(dirname "$0")/../../target/debug/holdfast}")
# The Rust example lies beside the binary that it was built with.
pay=$(realpath "${PAY:-$(dirname "$0")/../../target/debug/examples/pay}")
cd "$(dirname "$0")"
export NO_PROXY=127.0.0.1 no_proxy=127.0.0.1
clients=(curl python typescript rust)
scratch=$(mktemp -d)
export TMPDIR=$scratch # A client that is killed leaves its temporary files there.
started=()
# With -m everything that is started is a process group of its own, and goes with its children.
set -m
trap '{ kill -- "${started[@]/#/-}"; wait; } 2>/dev/null || true; rm -rf "$scratch"' EXIT

# A client that never ends is a failure too.
(sleep 150; echo "check failed: not done after 150 s" >&2; kill $$) & started+=($!)

fail() { printf 'check failed: %s\n' "$1" >&2; exit 1; }

# await PATTERN FILE: until the file has a line like that; ten seconds at most.
await() {
  for _ in $(seq 500); do
    if grep -qsE "$1" "$2"; then return; fi
    sleep 0.02
  done
  fail "waited for '$1' in vain: $(cat "$2")"
}

# start NAME COMMAND...: starts it, and puts where it listens into `url`.
start() {
  "${@:2}" >> "$scratch/$1" 2>&1 &
  started+=($!)
  await '^ *listening on ' "$scratch/$1"
  url=$(sed -n 's/^ *listening on *//p' "$scratch/$1")
}

# client NAME URL INTENT: becomes that client.
client() {
  case $1 in
    curl) exec ./curl.sh "$2" "$3" ;;
    python) PYTHONPATH=$scratch exec python3 -B python/pay.py "$2" "$3" ;;
    typescript) exec node typescript/build/pay.js "$2" "$3" ;;
    rust) exec "$pay" "$2" "$3" ;;
  esac
}

# drive NAME PHASE URL STATUS: pays each intent, and expects each client to end with STATUS.
drive() {
  local intents=("$scratch/$2/$1"/*.json) log=$scratch/$2/$1.proxy intent status process
  if [[ $2 == settled ]]; then
    # A client is killed at its first request: the key is there, and the next process goes on with it.
    client "$1" "$3" "${intents[0]}" > "$scratch/$2/$1.stdout" 2>&1 &
    process=$!
    await ' request$' "$log"
    kill -KILL "$process" 2>/dev/null || true
    wait "$process" 2>/dev/null || true
    [[ -s ${intents[0]}.key ]] || fail "$1 sent a request before its key was stored"
    await ' (request_lost|answer_lost|unavailable|gateway_error|in_flight)$' "$log"
    echo "$(< "${intents[0]}.key") 0 killed" >> "$log"
  fi
  # The first intent once more at the end: the end is known, and stays what it was.
  for intent in "${intents[@]}" "${intents[0]}"; do
    status=0
    (client "$1" "$3" "$intent") > "$scratch/$2/$1.stdout" 2>&1 || status=$?
    if ((status != $4)); then
      fail "$1 ended with $status for $intent, and not with $4: $(cat "$scratch/$2/$1.stdout")"
    fi
  done
  if [[ $2 == failed ]] && ! grep -q payment-failed "$scratch/$2/$1.stdout"; then
    fail "$1 does not say that the payment failed: $(cat "$scratch/$2/$1.stdout")"
  fi
}

# phase NAME STATUS SERVICE: every client at once, each through a proxy of its own; then the books.
phase() {
  local name order file driven=() process seed=${SEED:-1}
  for name in "${clients[@]}"; do
    mkdir -p "$scratch/$1/$name"
    # The third and the fourth are alike, and are two intents: the second coffee of the day.
    file=0
    for order in "1999 order 1001" "5000 order 1002" "320 coffee" "320 coffee"; do
      file=$((file + 1))
      printf '{"amount": %d, "currency": "EUR", "debtor": "acct_%s", "creditor": "acct_shop", "reference": "%s"}\n' \
        "${order%% *}" "$name" "${order#* }" > "$scratch/$1/$name/$file.json"
    done
    start "$1/$name.proxy" python3 -B flaky_proxy.py "$3" --seed "$seed"
    seed=$((seed + 1))
    drive "$name" "$1" "$url" "$2" &
    driven+=($!) started+=($!)
  done
  for process in "${driven[@]}"; do wait "$process" || exit 1; done
  python3 -B check.py "$3" "$1" "$scratch/$1"
}

start service "$holdfast" serve --listen 127.0.0.1:0 --data "$scratch/data" --bank-latency-ms 300
service=$url

echo "generating the clients from $service/openapi.json"
openapi-python-client generate --url "$service/openapi.json" --meta none \
  --fail-on-warning --output-path "$scratch/holdfast_client" > "$scratch/generated" 2>&1 || fail "$(cat "$scratch/generated")"
typescript/node_modules/.bin/openapi-typescript "$service/openapi.json" \
  --output typescript/holdfast.d.ts > "$scratch/generated" 2>&1 || fail "$(cat "$scratch/generated")"
(cd typescript && node_modules/.bin/tsc --noEmit --strict && node_modules/.bin/tsc)

echo "a bank that confirms: every client must end with 0"
phase settled 0 "$service"

printf 'declined = 1.0\nlatency_ms = [300, 300]\n' > "$scratch/declines.toml"
start bank "$holdfast" bank --listen 127.0.0.1:0 --profile "$scratch/declines.toml"
start declined "$holdfast" serve --listen 127.0.0.1:0 --data "$scratch/declined-data" --bank "$url"
echo "a bank that declines: every client must end with 1, and not pay under another key"
phase failed 1 "$url"

echo "each intent is exactly one payment; ${SECONDS} s"
