#!/usr/bin/env bash
# One real Apache Kafka broker (KRaft, one node, plaintext, loopback) for tests: fetch, start, stop, status.
#
#   tests/kafka.sh fetch                      copies the broker's jars into .kafka/ with Maven (once per pom.xml)
#   tests/kafka.sh start [options] DIR        starts a broker whose files live in DIR, waits until it answers,
#                                             prints "bootstrap.servers=HOST:PORT"
#       --parent PID       a watchdog stops the broker and removes DIR when that process is gone
#       --port PORT        listen there, also after a stop and a second start on the same DIR
#       --auto-create      let clients create topics by naming them (off by default)
#       --set KEY=VALUE    one more line of server.properties; may be repeated
#   tests/kafka.sh stop DIR [--kill|--keep]   stops it (--kill: at once) and removes DIR (--keep: leaves the data)
#   tests/kafka.sh status DIR                 prints "running PID HOST:PORT" or "stopped"; exit 0 or 1
#
# Several brokers can run side by side, each with its own DIR.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
home=${KAFKA_TEST_HOME:-$(dirname "$here")/.kafka}
start_seconds=${KAFKA_TEST_START_SECONDS:-90}
# A fixed version of the plugin: which one Maven takes by itself depends on its release.
copy_goal=org.apache.maven.plugins:maven-dependency-plugin:3.8.1:copy-dependencies

die() { echo "kafka.sh: $*" >&2; exit 1; }

fetched() { [ -f "$home/fetched" ] && cmp -s "$home/fetched" <(cksum <"$here/kafka/pom.xml"); }

fetch() {
    mkdir -p "$home"
    exec 9>"$home/lock"
    flock 9
    if fetched; then return; fi
    command -v mvn >/dev/null || die "fetch needs Maven (Debian: maven)"
    rm -rf "$home/libs" "$home/fetched"
    mvn -B -q -f "$here/kafka/pom.xml" "$copy_goal" \
        -DincludeScope=runtime -DoutputDirectory="$home/libs" >&2
    ls "$home"/libs/kafka_2.13-*.jar >/dev/null || die "Maven left no broker jar in $home/libs"
    cksum <"$here/kafka/pom.xml" >"$home/fetched"
}

listening() { (exec 3<>"/dev/tcp/127.0.0.1/$1") 2>/dev/null; }

# Below the range the system hands out for outgoing connections, so that none of those takes it meanwhile.
free_port() {
    local port
    for _ in $(seq 200); do
        port=$((20000 + (RANDOM * 32768 + RANDOM) % 12000))
        listening "$port" || { echo "$port"; return; }
    done
    die "no free port between 20000 and 32000"
}

alive() {
    local pid
    pid=$(cat "$1/pid" 2>/dev/null) && kill -0 "$pid" 2>/dev/null && ! grep -q '^State:\sZ' "/proc/$pid/status" 2>/dev/null
}

# A properties file with this node's identity, ports and the smallest sensible caches.
write_config() {
    local dir=$1 port=$2 controller=$3 auto_create=$4
    cat >"$dir/server.properties" <<PROPERTIES
process.roles=broker,controller
node.id=1
controller.quorum.voters=1@127.0.0.1:$controller
listeners=PLAINTEXT://127.0.0.1:$port,CONTROLLER://127.0.0.1:$controller
advertised.listeners=PLAINTEXT://127.0.0.1:$port
controller.listener.names=CONTROLLER
log.dirs=$dir/data
num.partitions=3
auto.create.topics.enable=$auto_create
offsets.topic.num.partitions=1
offsets.topic.replication.factor=1
transaction.state.log.num.partitions=1
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
share.coordinator.state.topic.replication.factor=1
share.coordinator.state.topic.min.isr=1
group.initial.rebalance.delay.ms=0
broker.session.timeout.ms=3000
broker.heartbeat.interval.ms=500
controller.quorum.election.timeout.ms=500
controller.quorum.fetch.timeout.ms=1000
num.network.threads=2
num.io.threads=2
num.recovery.threads.per.data.dir=1
log.cleaner.dedupe.buffer.size=2097152
log.cleaner.backoff.ms=500
group.min.session.timeout.ms=1000
PROPERTIES
    printf '%s\n' "${@:5}" >>"$dir/server.properties"
}

# Runs a class of the broker on its jars. The JVM is told to be small and to start fast.
java_run() {
    local heap=$1 dir=$2
    shift 2
    java -Xms"$heap" -Xmx"$heap" -XX:+UseSerialGC -XX:TieredStopAtLevel=1 -XX:+ExitOnOutOfMemoryError \
        -Djava.awt.headless=true -Djava.io.tmpdir="$dir/tmp" \
        -Dlog4j2.configurationFile="$here/kafka/log4j2.properties" -cp "$home/libs/*" "$@"
}

start() {
    local parent="" port="" auto_create=false dir="" extra=()
    while [ $# -gt 0 ]; do
        case $1 in
            --parent) parent=$2; shift 2 ;;
            --port) port=$2; shift 2 ;;
            --auto-create) auto_create=true; shift ;;
            --set) extra+=("$2"); shift 2 ;;
            -*) die "unknown option $1" ;;
            *) dir=$1; shift ;;
        esac
    done
    [ -n "$dir" ] || die "start needs a directory"
    fetched || die "Apache Kafka is not fetched: run tests/kafka.sh fetch"
    command -v java >/dev/null || die "start needs Java 17 or newer"
    mkdir -p "$dir/tmp"
    dir=$(cd "$dir" && pwd)
    alive "$dir" && die "a broker already runs in $dir"

    local attempt fixed=$port
    for attempt in 1 2 3; do
        port=${fixed:-$(free_port)}
        write_config "$dir" "$port" "$(free_port)" "$auto_create" ${extra[@]+"${extra[@]}"}
        if [ ! -f "$dir/data/meta.properties" ]; then
            java_run 96m "$dir" kafka.tools.StorageTool format --ignore-formatted \
                --cluster-id bWlsbHJhY2UtdGVzdHMtMA --config "$dir/server.properties" >"$dir/format.log" 2>&1 ||
                die "cannot format the storage: $(tail -n 5 "$dir/format.log")"
        fi
        launch "$dir" "$port" "$parent" && return
        echo "kafka.sh: attempt $attempt failed: $(grep -m 3 -E 'ERROR|FATAL|Exception' "$dir/broker.log" || tail -n 3 "$dir/broker.log")" >&2
    done
    die "the broker did not start; its log is $dir/broker.log"
}

# Starts the JVM and, once it listens, its watchdog; prints the address. Fails when the JVM ends or takes too long.
launch() {
    local dir=$1 port=$2 parent=$3
    rm -f "$dir/stopping"
    # A session of its own: a terminal's Ctrl-C, or the end of the caller's group, must not reach it half-way.
    (
        exec 9>&- </dev/null >"$dir/broker.log" 2>&1
        exec setsid java -Xms512m -Xmx512m -XX:+UseSerialGC -XX:+ExitOnOutOfMemoryError \
            -Djava.awt.headless=true -Djava.io.tmpdir="$dir/tmp" \
            -Dlog4j2.configurationFile="$here/kafka/log4j2.properties" \
            -cp "$home/libs/*" kafka.Kafka "$dir/server.properties"
    ) &
    echo $! >"$dir/pid"
    # Started before the wait, so that a caller killed meanwhile leaves nothing behind either.
    if [ -n "$parent" ]; then
        setsid "$0" watch "$parent" "$(cat "$dir/pid")" "$dir" </dev/null >/dev/null 2>&1 9>&- &
    fi
    local deadline=$((SECONDS + start_seconds))
    until grep -q 'Kafka Server started' "$dir/broker.log" 2>/dev/null && listening "$port"; do
        if ! alive "$dir"; then return 1; fi
        if [ $SECONDS -ge $deadline ]; then stop "$dir" --kill --keep; return 1; fi
        sleep 0.1
    done
    echo "127.0.0.1:$port" >"$dir/address"
    echo "bootstrap.servers=127.0.0.1:$port"
}

# Ends with the broker; ends the broker, and its files, with the parent.
watch() {
    local parent=$1 broker=$2 dir=$3
    while kill -0 "$broker" 2>/dev/null; do
        if ! kill -0 "$parent" 2>/dev/null; then
            kill -KILL "$broker" 2>/dev/null || true
            rm -rf "$dir"
            return
        fi
        sleep 1
    done
    # The broker was stopped first; its files still go when the parent does.
    while kill -0 "$parent" 2>/dev/null; do
        [ -d "$dir" ] || return 0
        # Started again on the same directory: the new broker has its own watchdog.
        [ "$(cat "$dir/pid" 2>/dev/null)" = "$broker" ] || return 0
        sleep 1
    done
    rm -rf "$dir"
}

stop() {
    local dir=$1 signal=TERM keep=no
    shift
    for option in "$@"; do
        case $option in
            --kill) signal=KILL ;;
            --keep) keep=yes ;;
            *) die "unknown option $option" ;;
        esac
    done
    local pid
    pid=$(cat "$dir/pid" 2>/dev/null) || pid=""
    if [ -n "$pid" ] && alive "$dir"; then
        kill -CONT "$pid" 2>/dev/null || true
        kill -$signal "$pid" 2>/dev/null || true
        for _ in $(seq 200); do
            alive "$dir" || break
            sleep 0.1
        done
        if alive "$dir"; then kill -KILL "$pid" 2>/dev/null || true; fi
    fi
    if [ $keep = no ]; then rm -rf "$dir"; fi
}

status() {
    if alive "$1"; then
        echo "running $(cat "$1/pid") $(cat "$1/address" 2>/dev/null || echo starting)"
    else
        echo stopped
        return 1
    fi
}

case ${1:-} in
    fetch | start | watch) "$@" ;;
    stop | status) [ $# -ge 2 ] || die "$1 needs a directory"; "$@" ;;
    *) die "use: fetch | start [options] DIR | stop DIR | status DIR" ;;
esac
