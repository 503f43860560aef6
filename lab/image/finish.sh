#!/bin/sh
# Runs inside the image that is being made, after its packages: what makes a plain Debian a lab host.
set -eu

# No unit of the image's own runs Redis: RedisForge brings its nodes. Everything else that is masked only costs time at each boot.
mask() { ln -sf /dev/null "/etc/systemd/system/$1"; }
for unit in redis-server.service console-getty.service getty.target systemd-firstboot.service systemd-resolved.service \
  systemd-timesyncd.service systemd-udevd.service systemd-udev-trigger.service systemd-udevd-control.socket systemd-udevd-kernel.socket systemd-update-utmp.service \
  systemd-update-utmp-runlevel.service systemd-modules-load.service systemd-random-seed.service systemd-remount-fs.service \
  sys-kernel-debug.mount sys-kernel-tracing.mount sys-kernel-config.mount sys-fs-fuse-connections.mount dev-mqueue.mount dev-hugepages.mount \
  apt-daily.timer apt-daily-upgrade.timer dpkg-db-backup.timer e2scrub_all.timer e2scrub_reap.service fstrim.timer systemd-pstore.service netfilter-persistent.service; do
  mask "$unit"
done
rm -f /etc/systemd/system/multi-user.target.wants/redis-server.service /etc/systemd/system/redis.service
systemctl enable ssh.service
systemctl set-default multi-user.target

# The lab gives every host its own key.
rm -f /etc/ssh/ssh_host_*

# The user for tests of sudo: no rights until a sudoers file gives them.
useradd --create-home --shell /bin/bash --gid operator operator
install -d -m 700 /root/.ssh /home/operator/.ssh
chown operator:operator /home/operator/.ssh

rm -rf /var/lib/apt/lists/* /var/cache/apt/*.bin /var/cache/apt/archives/*.deb /var/log/*.log /var/log/apt /usr/share/doc /usr/share/man /usr/share/locale /usr/share/info
: >/etc/machine-id
rm -f /var/lib/dbus/machine-id
