#!/usr/bin/env bash
# Pays with curl, once, however often it has to ask.
#
#     curl.sh URL INTENT.json       INTENT.json is the body of POST /v1/payments
#
# Ends with 0: settled. 1: failed for good. 2: the request or the configuration is wrong.
# 3: still open; run it again with the same file.
set -euo pipefail
url=${1:?URL} intent=${2:?INTENT.json}
patience_s=120

# The key is beside the intent before the first request: when this process dies after sending, the
# next one asks under the same key instead of paying again. `ln` makes the file whole and only once,
# also when two processes start at the same time.
key_file=$intent.key
if [[ ! -e $key_file ]]; then
  { uuidgen 2>/dev/null || cat /proc/sys/kernel/random/uuid; } > "$key_file.$$"
  sync "$key_file.$$"
  ln "$key_file.$$" "$key_file" 2>/dev/null || true
  rm "$key_file.$$"
fi
key=$(< "$key_file")

answer=$(mktemp) head=$(mktemp)
trap 'rm -f "$answer" "$head"' EXIT
widest_ms=200
while :; do
  : > "$head"
  # --max-time is more than the ten seconds for which the service waits for the bank.
  status=$(curl -sS --max-time 15 -o "$answer" -D "$head" -w '%{http_code}' "$url/v1/payments" \
    -H "Idempotency-Key: \"$key\"" -H 'Content-Type: application/json' --data-binary "@$intent") ||
    status=none # No answer, or only a part of one: nobody knows, so the same key asks again.
  case $status in
    201) cat "$answer"; exit 0 ;;
    402) cat "$answer" >&2; exit 1 ;;
    408 | 409 | 429) ;;
    4??) cat "$answer" >&2; exit 2 ;;
  esac

  # Full jitter keeps many clients from coming back at the same moment. Never less than Retry-After.
  wait_ms=$((RANDOM % (widest_ms + 1)))
  widest_ms=$((widest_ms * 2 > 30000 ? 30000 : widest_ms * 2))
  retry_after_s=$(sed -nE 's/^[Rr]etry-[Aa]fter: *([0-9]+)[[:space:]]*$/\1/p' "$head" | tail -n 1)
  if ((${retry_after_s:-0} * 1000 > wait_ms)); then wait_ms=$((retry_after_s * 1000)); fi
  if ((SECONDS * 1000 + wait_ms > patience_s * 1000)); then
    echo "still open under the key $key; run again to learn what became of it" >&2
    exit 3
  fi
  sleep "$((wait_ms / 1000)).$(printf '%03d' $((wait_ms % 1000)))"
done
