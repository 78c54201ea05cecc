"""A proxy that loses requests and answers of POST /v1/payments, and passes on everything else.

    flaky_proxy.py UPSTREAM [--seed N] [--keys-max N] [--faults-max N]

Prints `listening on URL`, then a line `KEY MS WHAT` for each request, fault and answer. The first
requests of each key meet a fault each, the later ones come through. So does every request of the
keys after `--keys-max`: a client that makes a key for each request comes to an end, and is found
out. The same seed and the same order of keys give the same faults, dealt from a shuffled deck: no
kind comes a second time before each came once.
"""

import argparse
import http.client
import json
import random
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlsplit

KINDS = {
    "request_lost": "the connection breaks before the request is forwarded",
    "answer_lost": "the request is forwarded, the connection breaks instead of the answer",
    "unavailable": "503 with `Retry-After: 0`, nothing is forwarded",
    "gateway_error": "the request is forwarded, a 502 with a page in HTML is the answer",
    "in_flight": "the request is forwarded with `Prefer: wait=0`, so the answer is the 202",
}
HOP_BY_HOP = {"connection", "keep-alive", "transfer-encoding", "content-length", "host", "expect"}


class Dealer:
    """Deals each new key its faults."""

    def __init__(self, seed: int, keys_max: int, faults_max: int):
        self.random = random.Random(seed)
        self.keys_max = keys_max
        self.faults_max = faults_max
        self.deck: list[str] = []
        self.hands: dict[str, list[str]] = {}
        self.lock = threading.Lock()

    def next(self, key: str) -> str | None:
        with self.lock:
            if key not in self.hands:
                faults = self.faults_max if len(self.hands) < self.keys_max else 0
                hand = [self.draw() for _ in range(faults)]
                # First, because a lost answer may end the payment, and then there is no 202.
                self.hands[key] = sorted(hand, key=lambda kind: kind != "in_flight")
            return self.hands[key].pop(0) if self.hands[key] else None

    def draw(self) -> str:
        if not self.deck:
            self.deck = self.random.sample(list(KINDS), len(KINDS))
        return self.deck.pop()


class Handler(BaseHTTPRequestHandler):
    def forward(self, body: bytes, **changed: str) -> tuple[int, list, bytes]:
        headers = {k: v for k, v in self.headers.items() if k.lower() not in HOP_BY_HOP}
        upstream = http.client.HTTPConnection(self.server.upstream, timeout=30)
        try:
            upstream.request(self.command, self.path, body or None, headers | changed)
            answer = upstream.getresponse()
            return answer.status, answer.getheaders(), answer.read()
        finally:
            upstream.close()

    def answer(self, status: int, headers: list, body: bytes) -> None:
        self.send_response_only(status)
        for name, value in headers:
            if name.lower() not in HOP_BY_HOP:
                self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_GET(self) -> None:
        self.answer(*self.forward(b""))

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        if self.path != "/v1/payments":
            return self.answer(*self.forward(body))
        key = self.headers.get("Idempotency-Key", "").strip('"') or "none"
        self.say(key, "request")
        kind = self.server.dealer.next(key)
        if kind is None:
            status, headers, body = self.forward(body)
            self.say(key, str(status))
            return self.answer(status, headers, body)
        if kind in ("answer_lost", "gateway_error"):
            self.forward(body)
        if kind == "in_flight":
            status, headers, body = self.forward(body, Prefer="wait=0")
            self.say(key, kind if status == 202 else str(status))
            return self.answer(status, headers, body)
        self.say(key, kind)
        if kind == "unavailable":
            problem = {
                "type": "/problems/unavailable",
                "title": "The service is not accepting new payments",
                "status": 503,
                "detail": "Nothing was sent to the bank. Keep the key and retry with it.",
                "instance": self.path,
                "retry": {"same_key_safe": True, "new_key_safe": False, "after_ms": 0},
            }
            kind_of = [("Content-Type", "application/problem+json"), ("Retry-After", "0")]
            return self.answer(503, kind_of, json.dumps(problem).encode())
        if kind == "gateway_error":
            return self.answer(502, [("Content-Type", "text/html")], b"<h1>Bad Gateway</h1>")
        # request_lost and answer_lost: the server closes a connection that got no answer.

    def say(self, key: str, what: str) -> None:
        print(f"{key} {time.monotonic() * 1000:.0f} {what}", flush=True)

    def log_message(self, *_) -> None:
        pass


class Proxy(ThreadingHTTPServer):
    def handle_error(self, request, client_address) -> None:
        # A client that is killed breaks its connection: that is what this is for.
        if not isinstance(sys.exc_info()[1], ConnectionError):
            super().handle_error(request, client_address)


def main() -> None:
    arguments = argparse.ArgumentParser()
    arguments.add_argument("upstream", help="URL of the service")
    arguments.add_argument("--seed", type=int, default=1)
    arguments.add_argument("--keys-max", type=int, default=4, help="keys that meet faults")
    arguments.add_argument("--faults-max", type=int, default=3, help="faults of each of them")
    given = arguments.parse_args()
    server = Proxy(("127.0.0.1", 0), Handler)
    server.upstream = urlsplit(given.upstream).netloc
    server.dealer = Dealer(given.seed, given.keys_max, given.faults_max)
    print(f"listening on http://127.0.0.1:{server.server_port}", flush=True)
    server.serve_forever()


if __name__ == "__main__":
    sys.exit(main())
