# The first process of a machine's own pid, mount and control group namespaces. Its disk is this
# host's, written to in memory alone; systemd is its first process once it is started. Takes orders,
# one a line on standard input (start, kill), each answered by `done`. When standard input ends,
# because the tests ended however they ended, this ends too, and the kernel kills all that is left.
# What systemd says of itself goes to $1/log.
dir=$1 engine=$2 seawall=$3
group=$(findmnt -n -l -t cgroup2 -o TARGET | head -n 1)/$(basename "$dir")
disk=$dir/disk
mkdir -p "$group" "$disk"
echo 0 >"$group/cgroup.procs"
mount -t tmpfs machine "$disk"
mkdir "$disk/written" "$disk/work" "$disk/root"
mount -t overlay overlay -o "lowerdir=/,upperdir=$disk/written,workdir=$disk/work" "$disk/root"
cd "$disk/root" || exit
# Nothing that this host has set up is the machine's.
rm -rf etc/systemd/system/* etc/seawall var/lib/seawall root/.docker etc/nftables.conf
: >etc/machine-id
echo machine >etc/hostname
install -m 755 "$seawall" usr/bin/seawall
start() {
    unshare --mount --pid --cgroup --uts --ipc --net --fork --kill-child sh -c '
        mount -t proc proc proc
        mount --rbind /sys sys && mount --make-rslave sys
        umount -R sys/fs/cgroup 2>/dev/null
        mount -t cgroup2 cgroup2 sys/fs/cgroup
        mount --rbind /dev dev && mount --make-rslave dev
        mount -t tmpfs run run
        mount -t tmpfs tmp tmp
        touch run/docker.sock && mount --bind "$1" run/docker.sock
        exec chroot . /usr/bin/env -i container=test PATH="$PATH" /lib/systemd/systemd \
            --system --unit=multi-user.target --log-target=console --show-status=no
    ' machine "$engine" >>"$dir/log" 2>&1 &
    machine=$!
}
while read -r order; do
    case $order in
        start) start ;;
        kill) kill -KILL "$machine"; wait "$machine" ;;
    esac
    echo done
done
