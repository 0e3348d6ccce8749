# As engine.sh, for Podman: the first process of its namespaces. It takes no orders.
dir=$1
busybox ip link set lo up
# Its locks are in shared memory, and the names of these are the same everywhere.
mount -t tmpfs tmpfs /dev/shm
# Its own limits are higher than those that a container of the tests may raise.
cat >"$dir/containers.conf" <<END
[containers]
default_ulimits = ["nofile=1024:1024", "nproc=4096:4096"]
END
CONTAINERS_CONF="$dir/containers.conf" podman --root "$dir/data" --runroot "$dir/run" \
    --storage-driver vfs --cgroup-manager cgroupfs --events-backend file --runtime runc \
    --tmpdir "$dir/tmp" system service --time 0 "unix://$dir/docker.sock" >>"$dir/log" 2>&1 &
while read -r _; do :; done
