#!/usr/bin/env python3
"""What replays notice of searches that look at every payment.

Fills a store (by `fill.rs`, without a service), then measures replays alone and replays while clients search without a pause for
payments that there are none of, page after page through the whole store. Both in turn, ROUNDS times, on one service.

Usage: benches/scan.py                  Linux with Cargo and Python 3
  PAYMENTS=1000000 SEARCHERS=4 ROUNDS=3 SECONDS_EACH=5 CONNECTIONS=64
"""

import json
import os
import statistics
import subprocess
import tempfile
import threading
import urllib.request
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PAYMENTS = os.environ.get("PAYMENTS", "1000000")
SEARCHERS = int(os.environ.get("SEARCHERS", 4))
ROUNDS = int(os.environ.get("ROUNDS", 3))
SECONDS = os.environ.get("SECONDS_EACH", "5")
CONNECTIONS = os.environ.get("CONNECTIONS", "64")


def build() -> tuple[Path, Path]:
    """The service and the filler."""
    subprocess.run(["cargo", "build", "--release", "--quiet"], cwd=ROOT, check=True)
    command = ["cargo", "build", "--release", "--quiet", "-p", "holdfast-tests", "--example", "fill", "--message-format=json"]
    said = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True).stdout
    made = [json.loads(line) for line in said.splitlines()]
    filler = next(line["executable"] for line in made if line.get("executable"))
    return ROOT / "target/release/holdfast", Path(filler)


class Searchers:
    """Clients that look for failed payments, of which there are none."""

    def __init__(self, service: str):
        self.service = service
        self.ends = threading.Event()
        self.pages = 0
        self.threads = [threading.Thread(target=self.search) for _ in range(SEARCHERS)]
        for thread in self.threads:
            thread.start()

    def search(self) -> None:
        cursor = ""
        while not self.ends.is_set():
            with urllib.request.urlopen(f"{self.service}/v1/payments?state=failed{cursor}") as answer:
                following = json.load(answer)["next_cursor"]
            cursor = f"&cursor={following}" if following else ""
            self.pages += 1

    def stop(self) -> int:
        self.ends.set()
        for thread in self.threads:
            thread.join()
        return self.pages


def replays(binary: Path, service: str) -> dict:
    command = [binary, "bench", service, "--workload", "replay", "--seconds", SECONDS, "--connections", CONNECTIONS, "--json", "-"]
    said = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    return json.loads(said)


def main() -> None:
    binary, filler = build()
    with tempfile.TemporaryDirectory() as store:
        subprocess.run([filler, store, PAYMENTS], check=True, stderr=subprocess.DEVNULL)
        command = [binary, "serve", "--listen", "127.0.0.1:0", "--data", store, "--bank", "sim"]
        server = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        try:
            service = next(line.split()[-1] for line in server.stdout if "listening on" in line)
            alone, beside, pages = [], [], 0
            for _ in range(ROUNDS):
                alone.append(replays(binary, service))
                searchers = Searchers(service)
                beside.append(replays(binary, service))
                pages += searchers.stop()
        finally:
            server.terminate()
            server.wait()
    print(f"{PAYMENTS} payments; {SEARCHERS} searchers read {pages} pages of up to 10,000 payments; medians of {ROUNDS} rounds")
    print("| | replays a second | p50 us | p99 us | p99.9 us | max us |")
    print("|---|---|---|---|---|---|")
    for name, runs in (("alone", alone), ("beside searches", beside)):
        middle = [statistics.median(run["per_second"] for run in runs)]
        middle += [statistics.median(run["latency_us"][at] for run in runs) for at in ("p50", "p99", "p99.9", "max")]
        print(f"| {name} | " + " | ".join(f"{value:.0f}" for value in middle) + " |")


if __name__ == "__main__":
    main()
