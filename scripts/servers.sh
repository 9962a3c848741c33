# Steps, packages and throwaway servers: sourced by the scripts beside it.
#
# Who sources it gets a folder $work, and everything that was started is taken down when the script ends, however that comes.

work=$(mktemp -d "${TMPDIR:-/tmp}/postern-servers.XXXXXX")
chmod 711 "$work"
redis_pids=()
postgres=
postgres_started=

# ---- running steps -----------------------------------------------------------------------------------------------

say() { printf '%s\n' "$*"; }

# step NAME COMMAND...: runs it quietly, and shows what it printed only where it failed.
step() {
    local name=$1 started=$SECONDS log="$work/step.log"
    shift
    printf '%-62s' "$name"
    if "$@" >"$log" 2>&1; then
        say "ok    $((SECONDS - started)) s$(summary "$log")"
    else
        say "FAILED"
        cat "$log"
        say ""
        say "failed: $name ($*)"
        exit 1
    fi
}

# How many tests a log tells of, in the words of whoever ran them.
summary() {
    local told
    told=$(sed 's/\x1b\[[0-9;]*m//g' "$1" | awk '
        /Summary \[/ { sub(/.*\] */, ""); print; exit }
        /^test result: ok\. [0-9]+ passed/ { passed += $4 }
        /^(ℹ|#) pass [0-9]+/ { passed += $3 }
        END { if (passed) print passed " passed" }')
    [ -z "$told" ] || printf '    %s' "$told"
}

# ---- what the machine lacks --------------------------------------------------------------------------------------

postgres_bin() {
    local initdb
    initdb=$(command -v initdb || ls -d /usr/lib/postgresql/*/bin/initdb 2>/dev/null | sort -V | tail -n 1) || true
    [ -n "$initdb" ] && dirname "$(readlink -f "$initdb")"
}

as_root() {
    if [ "$(id -u)" = 0 ]; then "$@"; else sudo "$@"; fi
}

apt_install() {
    as_root env DEBIAN_FRONTEND=noninteractive apt-get update -qq &&
        as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "$@"
}

# install PACKAGES...: does so, or says that it cannot.
install() {
    if ! command -v apt-get >/dev/null || { [ "$(id -u)" != 0 ] && ! command -v sudo >/dev/null; }; then
        say "missing, and not installable from here (that takes apt-get, as root or with sudo): $*" >&2
        exit 1
    fi
    step "install $*" apt_install "$@"
}

# ---- throwaway servers -------------------------------------------------------------------------------------------

port_is_free() { ! (exec 3<>"/dev/tcp/127.0.0.1/$1") 2>/dev/null; }

# A port below the range that outgoing connections take, with its cluster bus (10,000 above) free too.
free_port() {
    local port
    while :; do
        port=$((11000 + (RANDOM * 32768 + RANDOM) % 10000))
        if port_is_free "$port" && port_is_free $((port + 10000)); then
            echo "$port"
            return
        fi
    done
}

# For what changes the folder.
in_subshell() { ("$@"); }

# PostgreSQL refuses to run as root: another user then owns the data.
as_postgres() {
    if [ "$(id -u)" != 0 ]; then
        "$@"
    else
        local user=nobody
        ! id postgres >/dev/null 2>&1 || user=postgres
        setpriv --reuid "$user" --regid "$(id -g "$user")" --clear-groups -- "$@"
    fi
}

# Steps run where `set -e` does not reach, so each command says by itself what happens when it fails.
start_postgres() {
    local port data=$work/postgres/data
    port=$(free_port)
    mkdir -p "$work/postgres" || return
    if [ "$(id -u)" = 0 ]; then chown "$(as_postgres id -u)" "$work/postgres" || return; fi
    cd "$work/postgres" || return
    as_postgres "$postgres/initdb" -D "$data" -U postgres -A trust -E UTF8 --no-locale --no-sync || return
    as_postgres "$postgres/pg_ctl" -D "$data" -l "$work/postgres/log" -w -t 60 -o "-p $port -c listen_addresses=127.0.0.1 \
        -c unix_socket_directories='' -c max_connections=600 -c shared_buffers=128MB \
        -c fsync=off -c synchronous_commit=off -c full_page_writes=off" start || { cat "$work/postgres/log"; return 1; }
    echo "postgres://postgres@127.0.0.1:$port/postgres" >"$work/postgres.url"
}

# start_redis DIRECTORY OPTIONS...: leaves its port in DIRECTORY/port.
start_redis() {
    local directory=$1 port
    shift
    mkdir -p "$directory" || return
    for _ in 1 2 3 4 5; do
        port=$(free_port)
        redis-server --port "$port" --bind 127.0.0.1 --dir "$directory" --save '' --appendonly no "$@" >"$directory/log" 2>&1 &
        redis_pids+=($!)
        for _ in $(seq 100); do
            if [ "$(redis-cli -p "$port" ping 2>/dev/null)" = PONG ]; then
                echo "$port" >"$directory/port"
                return
            fi
            sleep 0.05
        done
    done
    cat "$directory/log"
    return 1
}

start_redis_cluster() {
    local node nodes=()
    for node in 1 2 3; do
        start_redis "$work/cluster-$node" --cluster-enabled yes --cluster-config-file nodes.conf --cluster-node-timeout 2000 || return
        nodes+=("127.0.0.1:$(cat "$work/cluster-$node/port")")
    done
    redis-cli --cluster create "${nodes[@]}" --cluster-yes || return
    for node in "${nodes[@]}"; do
        cluster_is_up "${node#*:}" || return
    done
    printf 'redis://%s\n' "${nodes[@]}" | paste -sd, >"$work/cluster.urls"
}

cluster_is_up() {
    for _ in $(seq 200); do
        ! redis-cli -p "$1" cluster info | grep -q 'cluster_state:ok' || return 0
        sleep 0.05
    done
    echo "the Redis cluster did not come up"
    return 1
}

# Starts both, and says where they are.
start_servers() {
    postgres=$(postgres_bin)
    export PATH="$postgres:$PATH"
    postgres_started=yes
    step "start PostgreSQL" in_subshell start_postgres
    step "start Redis" start_redis "$work/redis" --databases 4096
    POSTERN_TEST_POSTGRES=$(cat "$work/postgres.url")
    POSTERN_TEST_REDIS="redis://127.0.0.1:$(cat "$work/redis/port")"
    export POSTERN_TEST_POSTGRES POSTERN_TEST_REDIS
}

stop_everything() {
    local status=$?
    trap - EXIT INT TERM HUP
    if [ ${#redis_pids[@]} -gt 0 ]; then kill "${redis_pids[@]}" 2>/dev/null || true; fi
    if [ -n "$postgres_started" ]; then
        (cd / && as_postgres "$postgres/pg_ctl" -D "$work/postgres/data" -m immediate -w stop >/dev/null 2>&1) || true
    fi
    wait 2>/dev/null || true
    rm -rf "$work"
    exit "$status"
}
trap stop_everything EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP
