#!/usr/bin/env python3
"""What a growing store costs: throughput, memory, disk, and the time of a start, at several numbers of payments.

Fills one store with settled payments (by `fill.rs`, without a service) and measures whenever a size is reached: a fresh run, a run of
replays, what the process holds in memory and the store on disk, and how long a start takes to its first answer, after an orderly stop and
after `kill -9`. The simulated bank is in the process and takes no time.

Usage: benches/growth.py                Linux with Cargo and Python 3
  SIZES=0,1000000,5000000,20000000      payments at which to measure
  SECONDS_EACH=5 CONNECTIONS=64 CACHE_MIB=64 STORE_CACHE_MIB=256
  TMPDIR=/somewhere                     where the store lies; must be a real disk, with some 2 KB for each payment
"""

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import urllib.request
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
SIZES = [int(size) for size in os.environ.get("SIZES", "0,1000000,5000000,20000000").split(",")]
SECONDS = int(os.environ.get("SECONDS_EACH", 5))
CONNECTIONS = os.environ.get("CONNECTIONS", "64")
CACHES = {"--cache-mib": os.environ.get("CACHE_MIB", "64"), "--store-cache-mib": os.environ.get("STORE_CACHE_MIB", "256")}


class Service:
    """A running service over the store that is measured."""

    def __init__(self, binary: Path, store: Path):
        # Said, for the store has payments of another bank too: those that it was filled with.
        command = [binary, "serve", "--listen", "127.0.0.1:0", "--data", store, "--bank", "sim"]
        command += [part for option in CACHES.items() for part in option]
        began = time.monotonic()
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        for line in self.process.stdout:
            if "listening on" in line:
                self.url = line.split()[-1]
                break
        else:
            sys.exit("the service did not start")
        # To the first answer that needs the store.
        urllib.request.urlopen(f"{self.url}/v1/payments?limit=1").read()
        self.start_s = time.monotonic() - began

    def metric(self, name: str) -> float:
        text = urllib.request.urlopen(f"{self.url}/metrics").read().decode()
        return next(float(line.split()[-1]) for line in text.splitlines() if line.startswith(f"{name} "))

    def end(self, how: int) -> None:
        self.process.send_signal(how)
        self.process.wait(timeout=600)


def bench(binary: Path, url: str, workload: str, seconds: int) -> dict:
    command = [binary, "bench", url, "--workload", workload, "--seconds", str(seconds), "--connections", CONNECTIONS]
    command += ["--warmup", "0", "--json", "-"]
    result = subprocess.run(command, check=True, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    return json.loads(result.stdout)


def main() -> None:
    for build in ([], ["-p", "holdfast-tests", "--example", "fill"]):
        subprocess.run(["cargo", "build", "--release", "--quiet", *build], check=True, cwd=ROOT)
    work = Path(tempfile.mkdtemp())
    binary = shutil.copy(ROOT / "target/release/holdfast", work)
    fill = shutil.copy(ROOT / "target/release/examples/fill", work)
    store = work / "store"
    service, paid = Service(binary, store), 0
    print("| payments | fresh a second | CPU us | p99 us | replays a second | memory MiB | disk bytes a payment | start after a stop s | after kill -9 s |")
    print("|---|---|---|---|---|---|---|---|---|", flush=True)
    try:
        for size in SIZES:
            if paid < size:
                service.end(signal.SIGTERM)
                # It says how far it is.
                subprocess.run([fill, store, str(int(size - paid))], check=True)
                paid, service = size, Service(binary, store)
            fresh = bench(binary, service.url, "fresh", SECONDS)
            paid += fresh["server"]["payments_admitted"]
            replay = bench(binary, service.url, "replay", SECONDS)
            memory = service.metric("holdfast_process_resident_memory_bytes") / 2**20
            service.end(signal.SIGTERM)
            disk = sum(path.stat().st_size for path in store.rglob("*") if path.is_file())
            service = Service(binary, store)
            after_stop = service.start_s
            # Something to recover.
            paid += bench(binary, service.url, "fresh", 2)["server"]["payments_admitted"]
            service.end(signal.SIGKILL)
            service = Service(binary, store)
            cells = [f"{paid:.0f}", f"{fresh['per_second']:.0f}", f"{fresh['server']['cpu_us_per_request']:.1f}"]
            cells += [str(fresh["latency_us"]["p99"]), f"{replay['per_second']:.0f}", f"{memory:.0f}"]
            cells += [f"{disk / max(paid, 1):.0f}", f"{after_stop:.2f}", f"{service.start_s:.2f}"]
            print(f"| {' | '.join(cells)} |", flush=True)
    finally:
        service.end(signal.SIGKILL)
        shutil.rmtree(work, ignore_errors=True)


if __name__ == "__main__":
    main()
