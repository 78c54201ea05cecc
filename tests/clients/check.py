"""Holds the service's books, and what the proxies saw, against the intents of the clients.

    check.py URL settled|failed DIR     DIR/CLIENT/N.json, N.json.key and DIR/CLIENT.proxy
"""

import json
import sys
import urllib.error
import urllib.request
from collections import Counter, defaultdict
from pathlib import Path

from flaky_proxy import KINDS


def get(path: str) -> dict:
    with urllib.request.urlopen(url + path, timeout=15) as answer:
        return json.load(answer)


def expect(holds: bool, what: str) -> None:
    if not holds:
        sys.exit(f"check failed: {what}")


def payments() -> list[dict]:
    found, cursor = [], ""
    while cursor is not None:
        page = get("/v1/payments?limit=100" + cursor)
        found += page["data"]
        cursor = page["next_cursor"] and "&cursor=" + page["next_cursor"]
    return found


def check_intents(client: str, intents: dict[str, dict]) -> None:
    """Each intent is exactly one payment, and the payer's account moved by exactly their sum."""
    for key, intent in intents.items():
        found = get(f"/v1/payments?idempotency_key={key}")["data"]
        expect(len(found) == 1, f"{client}: {len(found)} payments under {key}")
        expect(found[0]["state"] == state, f"{client}: {key} is {found[0]['state']}")
        expect(intent.items() <= found[0].items(), f"{client}: {key} is another payment")
    due = sum(intent["amount"] for intent in intents.values()) if state == "settled" else 0
    balance = get(f"/v1/accounts/acct_{client}")["balances"][0]
    expect(balance["debits_posted"] == due, f"{client}: debited {balance}, and not {due}")
    expect(balance["debits_pending"] == 0, f"{client}: still held {balance}")


def check_proxy(client: str, keys: set[str], lines: list[str]) -> Counter:
    """Each kind of fault met the client, no other key came, and it waited as long as asked to."""
    seen, asked_to_wait = Counter(), {}
    requests = defaultdict(int)
    for key, at_ms, what in (line.split() for line in lines if not line.startswith("listening")):
        if what == "request":
            requests[key] += 1
            waited = int(at_ms) - asked_to_wait.pop(key, -1000)
            expect(waited >= 990, f"{client}: came back {waited} ms after `Retry-After: 1`")
        elif what == "killed":
            asked_to_wait.pop(key, None)
        elif what in KINDS:
            seen[what] += 1
            if what == "in_flight":
                asked_to_wait[key] = int(at_ms)
    expect(set(requests) == keys, f"{client}: paid under other keys: {set(requests) - keys}")
    for kind in KINDS:
        expect(seen[kind] > 0, f"{client}: met no {kind}")
    return seen + Counter(requests=sum(requests.values()))


url, state, folder = sys.argv[1], sys.argv[2], Path(sys.argv[3])
total = 0
for directory in sorted(path for path in folder.iterdir() if path.is_dir()):
    intents = {
        Path(f"{file}.key").read_text().strip(): json.loads(file.read_text())
        for file in directory.glob("*.json")
    }
    expect(len(intents) == len(list(directory.glob("*.json"))), "two intents share a key")
    total += len(intents)
    check_intents(directory.name, intents)
    log = Path(f"{directory}.proxy").read_text().splitlines()
    seen = check_proxy(directory.name, set(intents), log)
    faults = ", ".join(f"{seen[kind]} {kind}" for kind in KINDS)
    print(f"  {directory.name}: {len(intents)} {state}, {seen['requests']} requests; {faults}")
states = Counter(payment["state"] for payment in payments())
expect(states == {state: total}, f"{total} intents became {dict(states)}")
