#!/usr/bin/env python3
"""Holdfast beside the same endpoint built by hand over other stores, all durable, with the same bank.

Every system has the same bank, over HTTP: another process that confirms at once or after a delay. All reach it through an equally
light client. Payments are between two of 100,000 accounts. Each system is measured in turn, round after round, with an empty
store; one runs at a time. Counted is the CPU time (user and system) of a service and of its database from
the first request to the last, and not that of the load generator, of the bank, nor of kernel threads.

  volatile           Holdfast itself over a map in its process: nothing is durable. The ceiling for this server.
  unsynced           Holdfast itself, whose syncs do nothing (libeatmydata): what the disk costs
  memory             the endpoint built by hand, over a map in its process: the ceiling for any server
  redis              over Redis with `appendfsync always`
  postgres-batched   over PostgreSQL, the steps of all that wait in one statement
  postgres-lean      over PostgreSQL, each step a statement of its own
  postgres-explicit  the same between BEGIN and COMMIT: the usual pattern
  restate            over Restate, with the call to the bank as a durable step; it syncs its log by default

Usage: benches/compare.py        Linux with Cargo, Python 3, npm, PostgreSQL and Redis; as root it installs the latter two
  ROUNDS=3 SECONDS_EACH=5 CONNECTIONS=64,256 BANK_DELAYS_MS=0,20 WORKLOADS=fresh,replay,storm SYSTEMS=holdfast,memory,...
                                 storm is for holdfast, volatile and unsynced: the others refuse who comes second
  TMPDIR=/somewhere              where the stores lie; must be a real disk
"""

import json
import os
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
ROUNDS = int(os.environ.get("ROUNDS", 3))
SECONDS = int(os.environ.get("SECONDS_EACH", 5))
CONNECTIONS = [int(number) for number in os.environ.get("CONNECTIONS", "64").split(",")]
BANK_DELAYS_MS = [int(delay) for delay in os.environ.get("BANK_DELAYS_MS", "0").split(",")]
WORKLOADS = os.environ.get("WORKLOADS", "fresh,replay").split(",")
SYSTEMS = ["holdfast", "volatile", "unsynced", "memory", "redis", "postgres-batched", "postgres-lean", "postgres-explicit", "restate"]
SYSTEMS = os.environ.get("SYSTEMS", ",".join(SYSTEMS)).split(",")
RESTATE = "@restatedev/restate-server@1.7.12"
TICK_US = 1_000_000 // os.sysconf("SC_CLK_TCK")


def need(program: str, package: str, places: list[str]) -> str:
    """The path of a program; as root its Debian package is installed where it is missing."""
    for attempt in range(2):
        found = shutil.which(program) or next(
            (str(path) for place in places for path in sorted(Path("/").glob(place), reverse=True)), None
        )
        if found:
            return found
        if attempt == 0 and os.geteuid() == 0:
            subprocess.run(["apt-get", "install", "-y", "-qq", package], check=True, stdout=subprocess.DEVNULL)
    sys.exit(f"{program} is missing (Debian: {package})")


def free_ports(count: int) -> list[int]:
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [open.getsockname()[1] for open in sockets]
    for open in sockets:
        open.close()
    return ports


def as_user(user: str) -> dict:
    """A server refuses to run as root; elsewhere the caller's own user does."""
    return {"user": user} if os.geteuid() == 0 else {}


class Processes:
    """What was started, to be ended in any case."""

    def __init__(self, log: Path):
        self.log = log
        self.running = []

    def start(self, command: list, patience_s: float = 20, said: str | None = "listening on", **options) -> tuple:
        """Starts a program; returns it and the address that it says it listens on."""
        output = tempfile.NamedTemporaryFile("r", dir=self.log, delete=False)
        child = subprocess.Popen(
            [str(part) for part in command], stdout=output.fileno(), stderr=subprocess.STDOUT, **options
        )
        self.running.append(child)
        until = time.monotonic() + patience_s
        while said is not None and time.monotonic() < until and child.poll() is None:
            line = next((line for line in Path(output.name).read_text().splitlines() if said in line), None)
            if line:
                return child, line.split()[-1]
            time.sleep(0.02)
        if said is None:
            return child, ""
        sys.exit(f"{command[0]} did not start:\n{Path(output.name).read_text()}")

    def stop(self, child) -> None:
        self.running.remove(child)
        child.send_signal(signal.SIGTERM)
        child.wait(timeout=60)

    def stop_all(self) -> None:
        for child in list(reversed(self.running)):
            self.stop(child)


def cpu_us(roots: list[int]) -> int:
    """CPU time of processes and all below them, ended children included."""
    parents, own = {}, {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            text = stat.read_text()
        except OSError:
            continue
        pid, fields = int(text.split(" ", 1)[0]), text.rsplit(")", 1)[1].split()
        parents[pid] = int(fields[1])
        own[pid] = sum(int(field) for field in fields[11:15])
    wanted = set(roots)
    while more := {pid for pid, parent in parents.items() if parent in wanted} - wanted:
        wanted |= more
    return sum(own.get(pid, 0) for pid in wanted) * TICK_US


class Systems:
    """Starts each system over an empty store."""

    def __init__(self, work: Path, processes: Processes):
        self.work, self.processes = work, processes
        self.environment, self.bank = dict(os.environ), ""
        self.turn = 0

    def use_bank(self, bank: str) -> None:
        self.bank = bank
        self.environment |= {"BANK_URL": bank}

    def start(self, name: str) -> tuple[str, list[int], list]:
        """Returns its URL, the processes that are counted, and what is to be stopped."""
        self.turn += 1
        store = self.work / f"store-{self.turn}"
        if name in ("holdfast", "unsynced"):
            environment = os.environ
            if name == "unsynced":
                library = need("libeatmydata.so", "libeatmydata1", ["usr/lib/*/libeatmydata.so*"])
                environment = environment | {"LD_PRELOAD": library}
            command = [self.work / "holdfast", "serve", "--listen", "127.0.0.1:0", "--data", store, "--bank", self.bank]
            service, url = self.processes.start(command, env=environment)
            return url, [service.pid], [service]
        if name == "volatile":
            service, url = self.processes.start([self.work / name, "127.0.0.1:0", self.bank])
            return url, [service.pid], [service]
        if name == "restate":
            return self.restate(store)
        if name == "memory":
            return self.peer(name, None, [])
        database, where = self.redis(store) if name == "redis" else self.postgres(store)
        return self.peer(name, where, [database])

    def peer(self, name: str, database: str | None, below: list) -> tuple[str, list[int], list]:
        environment = self.environment | ({"DATABASE": database} if database else {})
        service, url = self.processes.start([self.work / "peers", name, "127.0.0.1:0"], env=environment)
        return url, [service.pid] + [child.pid for child in below], [service, *below]

    def restate(self, store: Path) -> tuple[str, list[int], list]:
        if not (installed := self.work / "npm").exists():
            if not shutil.which("npm"):
                sys.exit("npm is missing (Debian: npm); it brings Restate's server")
            command = ["npm", "install", "--silent", "--no-audit", "--no-fund", "--prefix", installed, RESTATE]
            subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
        program = next(installed.glob("node_modules/@restatedev/restate-server-*/bin/restate-server"))
        node, ingress, admin, handler = free_ports(4)
        command = [program, "--listen-mode", "tcp", "--bind-ip", "127.0.0.1", "--bind-port", node, "--base-dir", store]
        settings = {"DISABLE_TELEMETRY": "true", "INGRESS__BIND_PORT": ingress, "ADMIN__BIND_PORT": admin}
        settings = {f"RESTATE_{name}": str(value) for name, value in settings.items()}
        database, _ = self.processes.start(command, said=None, env=os.environ | settings)
        self.environment = self.environment | {"HANDLER": f"127.0.0.1:{handler}"}
        started = self.peer("restate", f"http://127.0.0.1:{ingress}", [database])
        body = json.dumps({"uri": f"http://127.0.0.1:{handler}"}).encode()
        headers = {"Content-Type": "application/json"}
        request = urllib.request.Request(f"http://127.0.0.1:{admin}/deployments", body, headers)
        # It takes some seconds to be ready.
        for _ in range(100):
            try:
                urllib.request.urlopen(request).read()
                return started
            except OSError:
                time.sleep(0.2)
        sys.exit("Restate did not take the handler")

    def redis(self, store: Path) -> tuple:
        program = need("redis-server", "redis-server", [])
        store.mkdir()
        store.chmod(0o777)
        # A Unix socket is cheaper than TCP, and needs no free port.
        options = {
            "port": "0", "unixsocket": store / "redis.sock", "unixsocketperm": "777", "dir": store,
            "appendonly": "yes", "appendfsync": "always", "save": "", "auto-aof-rewrite-percentage": "0",
        }
        command = [program] + [part for name, value in options.items() for part in (f"--{name}", value)]
        child, _ = self.processes.start(command, said="ready to accept", **as_user("nobody"))
        return child, f"unix://{store}/redis.sock"

    def postgres(self, store: Path) -> tuple:
        places = ["usr/lib/postgresql/*/bin/initdb"]
        bin = Path(need("initdb", "postgresql", places)).resolve().parent
        store.mkdir()
        if os.geteuid() == 0:
            shutil.chown(store, "postgres")
        user = as_user("postgres")
        quiet = {"check": True, "stdout": subprocess.DEVNULL, "cwd": "/", **user}
        data = store / "data"
        subprocess.run([bin / "initdb", "-D", data, "-U", "bench", "-A", "trust", "-E", "UTF8", "--no-locale"], **quiet)
        # Durable like Holdfast. The rest favours PostgreSQL: a cache of Holdfast's size, no checkpoint forced by a full
        # log, and a Unix socket.
        settings = {
            "fsync": "on", "synchronous_commit": "on", "shared_buffers": "256MB", "max_wal_size": "4GB",
            "listen_addresses": "", "unix_socket_directories": store,
        }
        command = [bin / "postgres", "-D", data]
        command += [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]
        child, _ = self.processes.start(command, said="ready to accept", cwd="/", **user)
        subprocess.run([bin / "createdb", "-h", store, "-U", "bench", "bench"], **quiet)
        return child, f"host={store} user=bench dbname=bench"


def measure(work: Path, url: str, pids: list[int], workload: str, connections: int) -> dict:
    result = work / "result.json"
    before = cpu_us(pids)
    command = [work / "holdfast", "bench", url, "--workload", workload, "--warmup", "0", "--json", result]
    # A storm has six requests for each key.
    if workload == "storm":
        connections -= connections % 6
    command += ["--connections", str(connections), "--seconds", str(SECONDS)]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    spent = cpu_us(pids) - before
    report = json.loads(result.read_text())
    if report["errors"]:
        sys.exit(f"{url} failed: {report['errors']}")
    return {
        "per_second": report["per_second"],
        "cpu_us": spent / report["answers"],
        "p50_us": report["latency_us"]["p50"],
        "p99_us": report["latency_us"]["p99"],
    }


def spread(values: list[float], digits: int = 0) -> str:
    middle = statistics.median(values)
    return f"{middle:.{digits}f} ({min(values):.{digits}f} to {max(values):.{digits}f})"


def table(case: tuple, results: dict) -> None:
    workload, connections, delay_ms = case
    bank = f"a bank that takes {delay_ms} ms" if delay_ms else "a bank that answers at once"
    print(f"\n{workload}, {connections} connections, {bank}, {SECONDS} s each, medians of {ROUNDS} rounds\n")
    print("| system | answers a second | CPU us a request | p50 us | p99 us | Holdfast is, in answers | in CPU |")
    print("|---|---|---|---|---|---|---|")
    for name in SYSTEMS:
        rounds = results[name]
        of = lambda figure: [one[figure] for one in rounds]  # noqa: E731
        ratios = ["", ""]
        if name != "holdfast" and "holdfast" in SYSTEMS:
            pairs = list(zip(results["holdfast"], rounds))
            ratios = [
                spread([ours["per_second"] / theirs["per_second"] for ours, theirs in pairs], 2),
                spread([theirs["cpu_us"] / ours["cpu_us"] for ours, theirs in pairs], 2),
            ]
        cells = [name, spread(of("per_second")), spread(of("cpu_us"), 1)]
        cells += [spread(of("p50_us")), spread(of("p99_us")), *ratios]
        print(f"| {' | '.join(cells)} |")


def main() -> None:
    for build in ([], ["-p", "holdfast-tests", "--example", "volatile"], ["--manifest-path", ROOT / "benches/peers/Cargo.toml", "--locked"]):
        subprocess.run(["cargo", "build", "--release", "--quiet", *build], check=True, cwd=ROOT)
    work = Path(tempfile.mkdtemp())
    # The users of the databases must pass through to their own directories.
    work.chmod(0o711)
    if subprocess.run(["stat", "-f", "-c", "%T", work], capture_output=True, text=True).stdout.strip() == "tmpfs":
        print(f"warning: {work} lies in memory, where a sync costs nothing; set TMPDIR", file=sys.stderr)
    # Copies: a build during the measurement must not change what is measured.
    for program in ("target/release/holdfast", "target/release/examples/volatile", "benches/peers/target/release/peers"):
        shutil.copy(ROOT / program, work)
    processes = Processes(work)
    cases = [(workload, connections, delay) for delay in BANK_DELAYS_MS for connections in CONNECTIONS for workload in WORKLOADS]
    results = {case: {name: [] for name in SYSTEMS} for case in cases}
    try:
        banks = {}
        for delay in BANK_DELAYS_MS:
            environment = os.environ | {"BANK_DELAY_MS": str(delay)}
            _, banks[delay] = processes.start([work / "peers", "bank", "127.0.0.1:0"], env=environment)
        systems = Systems(work, processes)
        for round in range(1, ROUNDS + 1):
            for workload, connections, delay in cases:
                systems.use_bank(banks[delay])
                for name in SYSTEMS:
                    url, pids, started = systems.start(name)
                    result = measure(work, url, pids, workload, connections)
                    results[workload, connections, delay][name].append(result)
                    for child in started:
                        processes.stop(child)
                    shutil.rmtree(work / f"store-{systems.turn}", ignore_errors=True)
                    case = f"{workload}, {connections} connections, {delay} ms"
                    said = f"{result['per_second']:.0f} a second, {result['cpu_us']:.1f} us of CPU each"
                    print(f"round {round}  {case:<34}{name:<19}{said}", file=sys.stderr, flush=True)
        for case in cases:
            table(case, results[case])
    finally:
        processes.stop_all()
        shutil.rmtree(work, ignore_errors=True)


if __name__ == "__main__":
    main()
