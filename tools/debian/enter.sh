# Run a command in a chroot: enter.sh ROOT CHECKOUT PACKAGES COMMAND [ARGUMENT...]
#
# Needs a mount namespace of its own (unshare --mount --propagation private): the kernel
# removes the mounts when the last process of the namespace ends. ROOT must be a mount
# point, because the loader changes the propagation of "/", and mount(2) with MS_PRIVATE
# works on mount points only.
set -eu
root=$1 checkout=$2 packages=$3
shift 3

mount --bind "$root" "$root"
mount --bind -o ro "$checkout" "$root/mnt/checkout"
mount --bind -o ro "$packages" "$root/mnt/packages"
mount --bind /proc "$root/proc"
mount --rbind /sys "$root/sys"
mount -t tmpfs tmpfs "$root/tmp"
mount -o remount,bind,ro "$root"
exec chroot "$root" "$@"
