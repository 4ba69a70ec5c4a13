#!/bin/sh
# Turns the bootstrapped tree $1 into a host image: nothing starts but what a role enables, nothing waits for hardware.
set -eu
root=$1

rm -f "$root/usr/sbin/policy-rc.d"
: >"$root/etc/machine-id"
rm -f "$root/var/lib/dbus/machine-id" "$root/etc/hostname" "$root/etc/resolv.conf"
rm -rf "$root"/var/cache/apt/* "$root"/var/log/*.log "$root"/var/log/apt/* "$root"/etc/nginx/sites-enabled/*

systemctl --root="$root" disable chrony.service etcd.service nginx.service nftables.service ssh.service \
	apt-daily.timer apt-daily-upgrade.timer dpkg-db-backup.timer e2scrub_all.timer e2scrub_reap.service \
	fstrim.timer xfs_scrub_all.timer 2>/dev/null || true
systemctl --root="$root" mask systemd-udevd.service systemd-udev-trigger.service systemd-timesyncd.service \
	systemd-networkd-wait-online.service systemd-logind.service getty.target console-getty.service \
	systemd-resolved.service apt-daily.timer apt-daily-upgrade.timer man-db.timer

# The lab's ssh goes through `podman exec HOST sshd -i`: it needs the directory at every boot, and no PAM session.
printf 'd /run/sshd 0755 root root -\n' >"$root/etc/tmpfiles.d/lab-sshd.conf"
printf 'UsePAM no\nUseDNS no\nPasswordAuthentication no\nPermitRootLogin prohibit-password\n' \
	>"$root/etc/ssh/sshd_config.d/lab.conf"
mkdir -p -m 0700 "$root/root/.ssh"
mkdir -p "$root/srv/footage" "$root/opt/lab"

# The journal is what tests read: keep it across a host's restarts, never limit its rate.
mkdir -p "$root/var/log/journal" "$root/etc/systemd/journald.conf.d"
printf '[Journal]\nStorage=persistent\nRateLimitIntervalSec=0\nSystemMaxUse=200M\n' >"$root/etc/systemd/journald.conf.d/lab.conf"

# Containers may not set the clock (and must not: it is the machine's). chronyd keeps watching it, with -x, so that the
# site's roles need no word about the lab.
mkdir -p "$root/etc/systemd/system/chrony.service.d"
printf '[Unit]\nConditionCapability=\n\n[Service]\nExecStart=\nExecStart=!/usr/sbin/chronyd -x $DAEMON_OPTS\n' \
	>"$root/etc/systemd/system/chrony.service.d/lab.conf"
