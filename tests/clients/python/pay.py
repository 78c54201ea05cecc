"""Pays with a generated client, once, however often it has to ask.

    openapi-python-client generate --url URL/openapi.json --meta none --output-path holdfast_client
    python3 pay.py URL INTENT.json      INTENT.json is the body of POST /v1/payments

Ends with 0: settled. 1: failed for good. 2: the request or the configuration is wrong.
3: still open; run it again with the same file.
"""

import json
import os
import random
import sys
import time
import uuid
from pathlib import Path

import httpx
from holdfast_client import AuthenticatedClient, Client
from holdfast_client.api.payments import create_payment
from holdfast_client.models import CreatePayment


class PaymentFailed(Exception):
    """Failed for good: no money moved under this key, and none can. A new try is a new intent."""


class RequestRefused(Exception):
    """The request or the configuration is wrong: a repeat gets the same answer."""


class PaymentOpen(Exception):
    """Nobody knows yet. Keep the key and call again with it; never pay under a new one."""


def key_beside(intent_file: Path) -> str:
    """The key of an intent: made once, and on disk before the first request.

    A key that is only in memory dies with the process, and the next process would pay again. In a
    program with a database it is a column of the order, committed before the request.
    """
    key_file = Path(f"{intent_file}.key")
    if not key_file.exists():
        draft = Path(f"{key_file}.{os.getpid()}")
        with draft.open("w") as file:
            file.write(str(uuid.uuid4()))
            file.flush()
            os.fsync(file.fileno())
        try:
            # Whole and only once, also when two processes start at the same time.
            os.link(draft, key_file)
        except FileExistsError:
            pass
        draft.unlink()
    return key_file.read_text().strip()


def pay(client: Client, intent: dict, key: str, patience_s: float = 120.0) -> dict:
    """Returns the settled payment; any other end is one of the exceptions above."""
    body = CreatePayment.from_dict(intent)
    give_up_at = time.monotonic() + patience_s
    widest_s = 0.2
    while True:
        retry_after_s = 0
        try:
            # Every retry carries the same key and the same body.
            answer = create_payment.sync_detailed(
                client=client, body=body, idempotency_key=f'"{key}"'
            )
        except (httpx.TransportError, ValueError, KeyError, TypeError) as reason:
            # No answer, or one that is not the service's, such as a gateway's error page, which a
            # generated client cannot read. Nobody knows, so the same key asks again.
            last = repr(reason)
        else:
            last = status = int(answer.status_code)
            if status == 201:
                return json.loads(answer.content)
            if status == 402:
                raise PaymentFailed(answer.content.decode())
            if 400 <= status < 500 and status not in (408, 409, 429):
                raise RequestRefused(answer.content.decode())
            if answer.headers.get("Retry-After", "").isdecimal():
                retry_after_s = int(answer.headers["Retry-After"])
        # Full jitter keeps many clients from coming back at the same moment.
        wait_s = max(retry_after_s, random.uniform(0, widest_s))
        widest_s = min(30.0, widest_s * 2)
        if time.monotonic() + wait_s > give_up_at:
            raise PaymentOpen(f"still open under the key {key}; last: {last}")
        time.sleep(wait_s)


def main() -> int:
    url, intent_file = sys.argv[1], Path(sys.argv[2])
    # More than the ten seconds for which the service waits for the bank.
    timeout = httpx.Timeout(15.0)
    token = os.environ.get("HOLDFAST_API_KEY")
    client = (
        AuthenticatedClient(base_url=url, timeout=timeout, token=token)
        if token
        else Client(base_url=url, timeout=timeout)
    )
    try:
        payment = pay(client, json.loads(intent_file.read_text()), key_beside(intent_file))
    except (PaymentFailed, RequestRefused, PaymentOpen) as end:
        print(end, file=sys.stderr)
        return {PaymentFailed: 1, RequestRefused: 2, PaymentOpen: 3}[type(end)]
    print(json.dumps(payment))
    return 0


if __name__ == "__main__":
    sys.exit(main())
