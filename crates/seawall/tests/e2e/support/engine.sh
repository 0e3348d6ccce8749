# The first process of a private engine's own pid, mount and network namespaces: runs dockerd and
# takes orders, one a line on standard input (start, stop, kill), each answered by `done`. When
# standard input ends, because the tests ended however they ended, this ends too, and the kernel
# kills all that is left in the namespaces.
dir=$1 flags=$2
busybox ip link set lo up
start() {
    dockerd --data-root "$dir/data" --exec-root "$dir/exec" -p "$dir/pid" \
        -H "unix://$dir/docker.sock" $flags --exec-opt native.cgroupdriver=cgroupfs \
        --cgroup-parent "/$(basename "$dir")" --shutdown-timeout 1 \
        >>"$dir/log" 2>&1 &
    engine=$!
}
start
while read -r order; do
    case $order in
        start) start ;;
        stop) kill -TERM "$engine"; wait "$engine" ;;
        kill)
            kill -KILL "$engine"
            wait "$engine"
            # Its containerd dies with it, but stays a zombie that the next dockerd would take for
            # alive, and wait for.
            kill -KILL "$(cat "$dir/exec/containerd/containerd.pid")" 2>/dev/null
            rm -f "$dir/exec/containerd/containerd.pid"
            ;;
    esac
    echo done
done
