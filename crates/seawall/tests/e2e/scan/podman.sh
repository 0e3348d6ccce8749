# As live.sh, with podman's service at $3 in place of dockerd.
dir=$1 seawall=$2 endpoint=$3
busybox ip link set lo up
mount -t tmpfs none /run
# Its locks are in shared memory, and the names of these are the same everywhere.
mount -t tmpfs none /dev/shm
podman --root "$dir/data" --runroot "$dir/run" --storage-driver vfs --cgroup-manager cgroupfs \
    --events-backend file --runtime runc --tmpdir "$dir/tmp" \
    system service --time 0 "$endpoint" >"$dir/log" 2>&1 &
engine=$!
until busybox wget -qO /dev/null "http://127.0.0.1:${endpoint##*:}/_ping"; do
    kill -0 "$engine" || { cat "$dir/log"; exit 9; }
    sleep 0.05
done
"$seawall" --config "$dir/seawall.toml" --state "$dir/state" scan --format json
