# The host's own sshd as a distribution sets it up, with one more user and paths of its own, in
# namespaces that end with this shell. Arguments: folder, port, binary, uid of the user.
set -e
dir=$1 port=$2 binary=$3 uid=$4
mount --make-rprivate /
cp /etc/passwd "$dir/passwd"
echo "docker-ssh:*:$uid:$uid::$dir/home:$(cat "$dir/shell")" >> "$dir/passwd"
mount --bind "$dir/passwd" /etc/passwd
# sshd runs commands of root's only, from folders of root's only.
mount -t tmpfs -o mode=755 tmpfs /mnt
install -o root -g root -m 755 "$binary" /mnt/seawall
ln -s seawall /mnt/seawall-shell
mount -t tmpfs -o mode=755 tmpfs /run
mkdir -m 755 /run/sshd
exec /usr/sbin/sshd -D -e -f "$dir/sshd_config"
