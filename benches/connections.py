#!/usr/bin/env python3
"""What it costs that a bank does not say which charge its answers are about: a new connection for each call.

Three services with new payments, measured in turn, round after round: a bank that names the reference, a bank that does not, and
the same with `--bank-reuse-connections`. The banks are another process on the same machine, over HTTP without TLS, and confirm at
once; a bank that is far away or speaks TLS adds its round trips and its handshake to each new connection.

Usage: benches/connections.py           Linux with Cargo and Python 3
  ROUNDS=3 SECONDS_EACH=4 CONNECTIONS=64
  TMPDIR=/somewhere                     where the stores lie; must be a real disk
"""

import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from compare import CONNECTIONS, ROOT, ROUNDS, SECONDS, Processes, measure, spread

REUSE = "--bank-reuse-connections"
SERVICES = {
    "names the reference": ("bank", []),
    "does not": ("mute-bank", []),
    f"does not, `{REUSE}`": ("mute-bank", [REUSE]),
}


def main() -> None:
    for build in ([], ["--manifest-path", ROOT / "benches/peers/Cargo.toml", "--locked"]):
        subprocess.run(["cargo", "build", "--release", "--quiet", *build], check=True, cwd=ROOT)
    work = Path(tempfile.mkdtemp())
    for program in ("target/release/holdfast", "benches/peers/target/release/peers"):
        shutil.copy(ROOT / program, work)
    processes = Processes(work)
    results = {name: [] for name in SERVICES}
    try:
        for round in range(1, ROUNDS + 1):
            for name, (mode, options) in SERVICES.items():
                bank, address = processes.start([work / "peers", mode, "127.0.0.1:0"])
                store = work / "store"
                command = [work / "holdfast", "serve", "--listen", "127.0.0.1:0", "--data", store, "--bank", address]
                service, url = processes.start(command + options)
                result = measure(work, url, [service.pid], "fresh", CONNECTIONS[0])
                results[name].append(result)
                processes.stop(service)
                processes.stop(bank)
                shutil.rmtree(store)
                print(f"round {round}  {name:<40}{result['per_second']:.0f} a second", file=sys.stderr, flush=True)
        print(f"New payments, {CONNECTIONS[0]} connections, {SECONDS} s each, medians of {ROUNDS} rounds\n")
        print("| the bank | answers a second | CPU us a request | p50 us | p99 us | of the first, in answers |")
        print("|---|---|---|---|---|---|")
        first = results["names the reference"]
        for name, rounds in results.items():
            of = lambda figure: [one[figure] for one in rounds]  # noqa: E731
            ratio = spread([one["per_second"] / other["per_second"] for one, other in zip(rounds, first)], 2)
            cells = [name, spread(of("per_second")), spread(of("cpu_us"), 1), spread(of("p50_us")), spread(of("p99_us"))]
            print(f"| {' | '.join([*cells, ratio])} |")
    finally:
        processes.stop_all()
        shutil.rmtree(work, ignore_errors=True)


if __name__ == "__main__":
    main()
