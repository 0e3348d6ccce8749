# A host of its own, as far as a scan can see: its own network, processes and /run, with a dockerd
# that is started with the arguments, and what stands in $GATE in front of it. Prints the report.
dir=$1 seawall=$2
shift 2
busybox ip link set lo up
mount -t tmpfs none /run
if [ -n "${RULES:-}" ]; then
    echo "$RULES" | nft -f - || exit 9
fi
${ACTIVATE:-} dockerd --data-root "$dir/data" --exec-root /run/exec -p /run/docker.pid \
    -H unix:///run/docker.sock --iptables=false --bridge=none \
    --exec-opt native.cgroupdriver=cgroupfs "$@" >"$dir/log" 2>&1 &
engine=$!
if [ -n "${ACTIVATE:-}" ]; then
    # Whoever activates starts the engine when the first connection comes.
    until echo | busybox nc 127.0.0.1 "$PORT" >/dev/null 2>&1; do sleep 0.05; done
fi
until docker -H unix:///run/docker.sock version >/dev/null 2>&1; do
    kill -0 "$engine" || { cat "$dir/log"; exit 9; }
    sleep 0.05
done
if [ -n "${PUBLISH:-}" ]; then
    # A container that is never started, of an image with nothing in it.
    docker="docker -H unix:///run/docker.sock"
    tar -c --files-from /dev/null | $docker import - nothing >/dev/null || exit 9
    $docker create --name db -p "$PUBLISH" nothing x >/dev/null || exit 9
fi
if [ -e "$dir/seawall.toml" ]; then
    "$seawall" --config "$dir/seawall.toml" --state "$dir/state" up --yes >"$dir/gate" 2>&1 &
    gate=$!
    until [ -S "$dir/state/admin.sock" ]; do
        kill -0 "$gate" || { cat "$dir/gate"; exit 9; }
        sleep 0.05
    done
fi
"$seawall" --config "$dir/seawall.toml" --state "$dir/state" scan --format json
