#!/usr/bin/env bash
# Fresh payments per CPU-second: Holdfast against the same endpoint built by hand on PostgreSQL.
#
# Counted is the CPU time (user and system) of a service and of its database, from the first request
# to the last; not that of the load generator, nor of kernel threads that belong to no process.
# `pattern` runs each of its two transactions between BEGIN and COMMIT; `lean` is the same with each
# as a single statement in an implicit transaction, the cheapest form there is.
# Every measurement starts with an empty database, and only one of the two runs at a time.
#
# Usage: benches/compare.sh        (Linux with Cargo and PostgreSQL; as root it installs the latter)
#   ROUNDS=3 SECONDS_EACH=8 CONNECTIONS=64   how much to measure
#   TMPDIR=/somewhere                        where the databases lie; must be a real disk
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

rounds=${ROUNDS:-3} seconds=${SECONDS_EACH:-8} connections=${CONNECTIONS:-64}

work=$(mktemp -d)
# The user postgres must pass through to its own directory.
chmod 711 "$work"
service='' cluster_up=''

# A server refuses to run as root; elsewhere the caller's own user does.
as_postgres() {
    if [ "$(id -u)" = 0 ]; then (cd / && runuser -u postgres -- "$@"); else "$@"; fi
}

stop_service() {
    if [ -n "$service" ]; then
        kill "$service" 2>/dev/null || true
        wait "$service" 2>/dev/null || true
        service=''
    fi
}

stop_cluster() {
    if [ -n "$cluster_up" ]; then
        as_postgres "$bin/pg_ctl" -D "$work/pg/data" -m fast -w stop >/dev/null || true
        cluster_up=''
    fi
}

trap 'stop_service; stop_cluster; rm -rf "$work"' EXIT
trap 'exit 130' INT TERM

find_postgres() { find /usr/lib/postgresql -path '*/bin/initdb' 2>/dev/null | sort -V | tail -1; }
if [ -z "$(find_postgres)" ] && [ "$(id -u)" = 0 ]; then
    apt-get install -y postgresql >/dev/null
fi
[ -n "$(find_postgres)" ] || { echo "PostgreSQL is missing (Debian: postgresql)" >&2; exit 1; }
bin=$(dirname "$(find_postgres)")

if [ "$(stat -f -c %T "$work")" = tmpfs ]; then
    echo "warning: $work lies in memory, where a sync costs nothing; set TMPDIR" >&2
fi

cargo build --release --quiet
cargo build --release --quiet --locked --manifest-path benches/postgres-pattern/Cargo.toml
# Copies: a build during the measurement must not change what is measured.
cp target/release/holdfast benches/postgres-pattern/target/release/postgres-pattern "$work"

mkdir "$work/pg"
if [ "$(id -u)" = 0 ]; then chown postgres "$work/pg"; fi
as_postgres "$bin/initdb" -D "$work/pg/data" -U bench -A trust -E UTF8 --no-locale >/dev/null
# Durable like Holdfast. The rest favours PostgreSQL: a cache of Holdfast's size, no checkpoint
# forced by a full log, and a Unix socket, which is cheaper than TCP and needs no free port.
as_postgres tee -a "$work/pg/data/postgresql.conf" >/dev/null <<CONF
fsync = on
synchronous_commit = on
shared_buffers = 256MB
max_wal_size = 4GB
listen_addresses = ''
unix_socket_directories = '$work/pg'
CONF

# CPU ticks of the given processes and everything below them, ended children included.
ticks() {
    cat /proc/[0-9]*/stat 2>/dev/null | awk -v roots="$*" '
        { pid = $1; sub(/^.*\) /, ""); parent[pid] = $2; own[pid] = $12 + $13 + $14 + $15 }
        END {
            n = split(roots, r, " "); for (i = 1; i <= n; i++) in_tree[r[i]] = 1
            do {
                grown = 0
                for (p in parent)
                    if (!(p in in_tree) && (parent[p] in in_tree)) { in_tree[p] = 1; grown = 1 }
            } while (grown)
            for (p in in_tree) sum += own[p]
            print sum + 0
        }' || true
}

# Starts a service on a port of its own choice and sets `service` and `address`.
start() {
    # Emptied before, not by the child: the address of the last service must not be read again.
    : >"$work/log"
    "$@" >>"$work/log" 2>&1 &
    service=$!
    local _
    for _ in $(seq 100); do
        address=$(grep -m1 'listening on' "$work/log" | grep -oE '127\.0\.0\.1:[0-9]+' || true)
        [ -z "$address" ] || return 0
        kill -0 "$service" 2>/dev/null || break
        sleep 0.1
    done
    echo "the service did not start:" >&2
    cat "$work/log" >&2
    exit 1
}

# measure NAME ROUND PROCESS...: sends payments and adds a line to the results.
measure() {
    local name=$1 round=$2 before after
    shift 2
    before=$(ticks "$@")
    "$work/holdfast" bench "http://$address" --connections "$connections" --seconds "$seconds" \
        >"$work/bench"
    after=$(ticks "$@")
    awk -v name="$name" -v round="$round" -v ticks="$((after - before))" \
        -v hz="$(getconf CLK_TCK)" '
        /^answers/ { n = $2; rate = substr($3, 2) }
        /^p99 / { p99 = $2 }
        /^commits/ { batch = $3 }
        END {
            cpu = ticks / hz
            printf "%d %s %d %d %.2f %.0f %d %s\n",
                round, name, n, rate, cpu, n / cpu, p99, batch == "" ? "-" : batch
        }' "$work/bench" >>"$work/results"
    tail -1 "$work/results" | awk "$print_line"
}

format='%-6s %-10s %10s %9s %8s %19s %9s %14s\n'
# shellcheck disable=SC2016  # awk's own variables
print_line='{ printf "'$format'", $1, $2, $3, $4, $5, $6, $7, $8 }'

echo "$(nproc) cores, $("$bin/postgres" --version), $connections connections, $seconds s each"
# shellcheck disable=SC2059  # the format is a constant
printf "$format" round service payments 'a second' 'CPU s' 'payments per CPU s' 'p99 us' 'writes/commit'

for round in $(seq "$rounds"); do
    start "$work/holdfast" serve --listen 127.0.0.1:0 --data "$work/holdfast-$round"
    measure holdfast "$round" "$service"
    stop_service
    rm -rf "$work/holdfast-$round"

    cluster_up=yes
    as_postgres "$bin/pg_ctl" -D "$work/pg/data" -l "$work/pg/log" -w start >/dev/null
    as_postgres "$bin/createdb" -h "$work/pg" -U bench "round_$round"
    start env TRANSACTIONS=explicit \
        "$work/postgres-pattern" 127.0.0.1:0 "host=$work/pg user=bench dbname=round_$round"
    measure pattern "$round" "$service" "$(head -1 "$work/pg/data/postmaster.pid")"
    stop_service
    as_postgres "$bin/createdb" -h "$work/pg" -U bench "lean_$round"
    start "$work/postgres-pattern" 127.0.0.1:0 "host=$work/pg user=bench dbname=lean_$round"
    measure lean "$round" "$service" "$(head -1 "$work/pg/data/postmaster.pid")"
    stop_service
    stop_cluster
done

awk '
    function compare(other,    i, j, t, low, high, ratio) {
        for (i = 1; i <= rounds; i++) ratio[i] = per_cpu["holdfast", i] / per_cpu[other, i]
        for (i = 1; i <= rounds; i++)
            for (j = i + 1; j <= rounds; j++)
                if (ratio[j] < ratio[i]) { t = ratio[i]; ratio[i] = ratio[j]; ratio[j] = t }
        low = int((rounds + 1) / 2); high = int(rounds / 2) + 1
        printf "median ratio, Holdfast / %s: %.2f (from %.2f to %.2f)\n", other,
            (ratio[low] + ratio[high]) / 2, ratio[1], ratio[rounds]
    }
    { per_cpu[$2, $1] = $6; if ($1 > rounds) rounds = $1; if ($8 != "-") { batch += $8; batches++ } }
    END {
        compare("pattern"); compare("lean")
        if (batches) printf "mean commit batch of Holdfast: %.1f writes\n", batch / batches
    }' "$work/results"
