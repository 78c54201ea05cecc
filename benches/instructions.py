#!/usr/bin/env python3
"""How many instructions each step of `hot_path.rs` takes, counted by callgrind.

Times depend on the machine and on what else it does; these figures repeat within a few per cent, so that a change is seen that no clock
would show. A step that has its work done by other threads as well (the one that commits, sled's own) is counted over the whole
process, as the difference between many and few times.

Usage: benches/instructions.py          Linux with Cargo, Python 3 and valgrind; as root it installs the latter
"""

import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
OF_ONE_THREAD = ["transition", "encode", "decode", "key lookup", "replay by the service", "replay by the API"]
# With how many payments a time is about.
OF_SEVERAL_THREADS = {"new payment by the API": 1, "two batches of 64": 64}
TIMES = 1_000


def build() -> str:
    command = ["cargo", "build", "--release", "-p", "holdfast-tests", "--bench", "hot_path", "--message-format=json"]
    # Names of functions, and nothing else.
    environment = os.environ | {"CARGO_PROFILE_RELEASE_DEBUG": "0"}
    built = subprocess.run(command, check=True, cwd=ROOT, stdout=subprocess.PIPE, text=True, env=environment).stdout
    messages = (json.loads(line) for line in built.splitlines())
    return next(m["executable"] for m in messages if m.get("target", {}).get("name") == "hot_path" and m.get("executable"))


def instructions(program: str, step: str, times: int, options: list[str]) -> int:
    with tempfile.NamedTemporaryFile() as profile:
        command = ["valgrind", "--tool=callgrind", f"--callgrind-out-file={profile.name}", *options]
        result = subprocess.run(command + [program, "take", step, str(times)], capture_output=True, text=True)
    counted = re.search(r"Collected : (\d+)", result.stderr)
    if result.returncode or not counted:
        sys.exit(f"{step}: {result.stderr}")
    return int(counted[1])


def main() -> None:
    if not shutil.which("valgrind"):
        if os.geteuid():
            sys.exit("valgrind is missing (Debian: valgrind)")
        subprocess.run(["apt-get", "install", "-y", "-qq", "valgrind"], check=True, stdout=subprocess.DEVNULL)
    program = build()
    print("| step | instructions |")
    print("|---|---|", flush=True)
    only = ["--collect-atstart=no", "--toggle-collect=hot_path::Bench::take"]
    for step in OF_ONE_THREAD:
        few, many = (instructions(program, step, times, only) for times in (TIMES, 2 * TIMES))
        print(f"| {step} | {(many - few) / TIMES:,.0f} |", flush=True)
    for step, payments in OF_SEVERAL_THREADS.items():
        times = TIMES // payments
        few, many = (instructions(program, step, times, []) for times in (times, 11 * times))
        each = (many - few) / (10 * times * payments)
        print(f"| {step}, a payment | {round(each, -3):,.0f} |", flush=True)


if __name__ == "__main__":
    main()
