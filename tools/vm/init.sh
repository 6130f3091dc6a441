#!/bin/busybox sh
# PID 1 of a guest, in two steps. In the initramfs, the script mounts the shares and
# changes to the root made of them. In this root, the script runs the job and powers off;
# with the kernel parameter guest.init=job, the script executes the job as PID 1.
#
# Each line of /shares has the tag, the mode and the place of a share. The mode "rw"
# mounts the folder itself. With the mode "ro", writes stay in the guest's memory.

in_initramfs() {
	/bin/busybox --install -s /bin
	export PATH=/bin
	mount -t proc proc /proc
	mount -t sysfs sysfs /sys
	mount -t devtmpfs dev /dev
	for module in /modules/*; do
		[ -e "$module" ] && insmod "$module"
	done
	mount -t tmpfs -o size=80% upper /upper
	mount_stacked root /root
	mount_kernel_filesystems
	while read -r tag mode place; do
		mkdir -p "/root$place"
		case $mode in
		rw) mount -t virtiofs "$tag" "/root$place" ;;
		ro) mount_stacked "$tag" "/root$place" ;;
		esac
	done </shares
	mkdir /root/run/guest
	cp /bin/busybox /init /job /root/run/guest/
	umount /proc /sys /dev
	exec switch_root -c /dev/console /root \
		/run/guest/busybox sh /run/guest/init job
}

mount_stacked() {
	lower=/lower/$1 upper=/upper/$1/data work=/upper/$1/work
	mkdir -p "$lower" "$upper" "$work"
	mount -t virtiofs -o ro "$1" "$lower"
	mount -t overlay -o "lowerdir=$lower,upperdir=$upper,workdir=$work" "$1" "$2"
}

mount_kernel_filesystems() {
	mkdir -p /root/dev /root/proc /root/run /root/sys /root/tmp
	chmod 1777 /root/tmp
	mount -t tmpfs run /root/run
	mount -t proc proc /root/proc
	mount -t sysfs sysfs /root/sys
	mount -t devtmpfs dev /root/dev
	mkdir -p /root/dev/pts /root/dev/shm
	ln -s /proc/self/fd /root/dev/fd
	ln -s fd/0 /root/dev/stdin
	ln -s fd/1 /root/dev/stdout
	ln -s fd/2 /root/dev/stderr
	mount -t devpts devpts /root/dev/pts
	mount -t tmpfs shm /root/dev/shm
	mount -t tracefs tracefs /root/sys/kernel/tracing
	mount -t debugfs debugfs /root/sys/kernel/debug
	mount -t securityfs securityfs /root/sys/kernel/security
	mount -t bpf bpf /root/sys/fs/bpf
	mount -t cgroup2 cgroup2 /root/sys/fs/cgroup
}

in_root() {
	run=/run/guest/busybox
	export HOME=/root LANG=C.UTF-8 TERM=dumb
	export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
	$run hostname guest
	$run ip link set lo up
	case $(cat /proc/cmdline) in *guest.init=job*) exec /bin/sh /run/guest/job ;; esac
	/bin/sh /run/guest/job </dev/null
	echo $? >/run/results/status
	$run sync
	$run poweroff -f
}

if [ "$1" = job ]; then in_root; else in_initramfs; fi
