# Run a command in a copy of a chroot, which the kernel drops at the end:
# overlay.sh ROOT CHECKOUT COMMAND [ARGUMENT...]
#
# The command starts in a clone of the last commit of CHECKOUT. Needs a mount namespace of
# its own (unshare --mount --propagation private): the kernel removes the mounts when the
# last process of the namespace ends.
set -eu
root=$1 checkout=$2
shift 2

copy=$root.copy
mkdir -p "$copy"
mount -t tmpfs tmpfs "$copy"
mkdir "$copy/changes" "$copy/work" "$copy/root"
mount -t overlay overlay "$copy/root" \
	-o "lowerdir=$root,upperdir=$copy/changes,workdir=$copy/work"
git clone --quiet "$checkout" "$copy/root/root/checkout"
mount --rbind /dev "$copy/root/dev"
mount --bind /proc "$copy/root/proc"
mount --rbind /sys "$copy/root/sys"
# An overlay lists a folder with other inode numbers than stat(2) returns.
mount -t tmpfs tmpfs "$copy/root/tmp"
# The machine's name servers and certificate authorities.
cp /etc/resolv.conf "$copy/root/etc/resolv.conf"
mount --bind -o ro /etc/ssl/certs "$copy/root/etc/ssl/certs"
# Unlike chroot(2), pivot_root(2) lets processes below make user namespaces, and enter each
# other's mount namespaces.
cd "$copy/root"
pivot_root . mnt
exec chroot . sh -c 'umount -l /mnt; cd /root/checkout; exec "$@"' sh "$@"
