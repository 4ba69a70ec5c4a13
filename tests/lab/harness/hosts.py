"""The hosts themselves: networks, containers that boot systemd, and starting again whatever is down."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from pathlib import Path

import yaml

from harness.disks import discard, ensure_disks, thaw
from harness.paths import Paths
from harness.podman import Container, container, containers, podman, start_again
from harness.shell import LabError, run, say, wait
from harness.topology import HOSTS, LABEL, NETWORKS, SERVERS, STATE_DIRECTORIES, STATE_DISK, Host

CONFIG_LABEL = "understudy.config"
BOOT_LIMIT_S = 120.0
"""Five hosts boot in 4 s on an idle machine; a loaded one may take ten times that."""

CPU_SHARES = Path("/sys/fs/cgroup/cpu/libpod_parent/cpu.shares")
FAVOURED = 65536
"""Without systemd's slices (cgroup v1) all hosts together count as much as ONE other process: a lint run held
up etcd's heartbeats for half a second. Real servers have CPUs of their own, so the lab's hosts go first."""

PREPARE = """
set -eu
install -d -m 0755 /run/sshd
if ! cmp -s - /root/.ssh/authorized_keys <<'KEY'
{key}
KEY
then
  install -d -m 0700 /root/.ssh
  printf '%s\\n' '{key}' >/root/.ssh/authorized_keys
fi
if mountpoint -q /var/lib/etcd; then chown etcd:etcd /var/lib/etcd; chmod 0700 /var/lib/etcd; fi
systemctl is-system-running --wait
"""


def ensure_networks(paths: Paths) -> None:
    """Create the two networks: bridges without a way out of this machine."""
    for network in NETWORKS:
        if podman("network", "exists", network.name, check=False).returncode == 0:
            continue
        podman(
            *("network", "create", "--internal", "--disable-dns", "--ipv6", "--label", f"{LABEL}={paths.root}"),
            *("--subnet", network.subnet4, "--subnet", network.subnet6, network.name),
        )


def ensure_ssh(paths: Paths) -> None:
    """A key pair for this lab and an ssh configuration that reaches the hosts without their network."""
    if not paths.ssh_key.exists():
        run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "understudy lab", "-f", str(paths.ssh_key)])
    blocks = []
    for host in HOSTS.values():
        addresses = [a for n in host.networks for a in (host.address4(n), host.address6(n))]
        blocks.append(
            f"Host {host.name} {' '.join(addresses)}\n    ProxyCommand podman exec -i {host.name} /usr/sbin/sshd -i\n"
        )
    common = (
        f'Host *\n    User root\n    IdentityFile "{paths.ssh_key}"\n    IdentitiesOnly yes\n'
        "    StrictHostKeyChecking no\n    UserKnownHostsFile /dev/null\n    LogLevel ERROR\n"
    )
    text = "\n".join([*blocks, common])
    if not paths.ssh_config.exists() or paths.ssh_config.read_text(encoding="utf-8") != text:
        paths.ssh_config.write_text(text, encoding="utf-8")


def ensure_hosts(paths: Paths, image: str, hosts: Iterable[Host] = tuple(HOSTS.values())) -> bool:
    """Bring every host to a booted system with its disks; return whether anything had to be done."""
    known = containers()
    changed = [host for host in hosts if start_host(paths, image, host, known.get(host.name))]
    if CPU_SHARES.exists() and int(CPU_SHARES.read_text(encoding="ascii")) != FAVOURED:
        CPU_SHARES.write_text(str(FAVOURED), encoding="ascii")
    for host in changed:
        wait_for_boot(paths, host)
    return bool(changed)


def start_host(paths: Paths, image: str, host: Host, now: Container | None) -> bool:
    """Start one host, made anew when its description changed; return whether it was not running."""
    arguments = _arguments(paths, image, host)
    config = hashlib.sha256(json.dumps(arguments).encode()).hexdigest()[:16]
    if now is not None and now.labels.get(CONFIG_LABEL) != config:
        say(f"{host.name}: its description changed, making it anew")
        podman("rm", "--force", "--time", "0", host.name)
        now = None
    if now is None:
        discard(paths, host)
    mounted = ensure_disks(paths, host)
    if now is not None and now.alive:
        if mounted:
            say(f"{host.name}: disks mounted again")
        return False
    if now is None:
        say(f"{host.name}: starting")
        podman("run", "--label", f"{CONFIG_LABEL}={config}", *arguments)
    else:
        say(f"{host.name}: starting again")
        start_again(now)
    return True


def wait_for_boot(paths: Paths, host: Host) -> None:
    """Wait until systemd has finished booting the host; names the failed units when some are."""
    key = paths.ssh_key.with_suffix(".pub").read_text(encoding="utf-8").strip()
    wait(
        lambda: podman("exec", host.name, "test", "-S", "/run/systemd/private", check=False).returncode == 0,
        BOOT_LIMIT_S,
        f"systemd on {host.name}",
    )
    script = PREPARE.format(key=key)
    done = podman("exec", "-i", host.name, "sh", stdin=script, check=False, limit_s=BOOT_LIMIT_S)
    state = done.stdout.strip()
    if state == "degraded":
        failed = podman("exec", host.name, "systemctl", "--failed", "--plain", "--no-legend").stdout.split("\n")
        say(f"{host.name}: up, but these units failed: {', '.join(line.split()[0] for line in failed if line)}")
    elif state != "running":
        raise LabError(f"{host.name} did not boot: systemd says {state or done.stderr.strip()!r}")


def remove(paths: Paths) -> list[str]:
    """Remove the lab of one checkout: hosts, disks, networks. Returns the hosts removed."""
    mine = [name for name, found in containers().items() if found.labels.get(LABEL) == str(paths.root)]
    for host in HOSTS.values():
        for disk in host.disk_names:
            thaw(paths.mountpoint(host.name, disk))
    for name in mine:
        podman("unpause", name, check=False)
    if mine:
        podman("rm", "--force", "--time", "0", *mine, limit_s=120.0)
    for network in NETWORKS:
        podman("network", "rm", network.name, check=False)
    for host in HOSTS.values():
        discard(paths, host)
    return mine


def other_checkout(paths: Paths) -> str | None:
    """The checkout whose lab is up on this machine, when it is not ours."""
    for name, found in containers().items():
        if name in HOSTS and found.labels.get(LABEL) != str(paths.root):
            return found.labels.get(LABEL, f"(a container named {name} that belongs to no lab)")
    return None


def refuse_other(paths: Paths) -> None:
    """LabError when the hosts of this machine are another checkout's: two labs cannot share names and addresses."""
    other = other_checkout(paths)
    if other is None:
        return
    if not other.startswith("/"):
        raise LabError(f"{other} is in the way: the lab needs that name; remove it with `podman rm -f`")
    raise LabError(f"the lab of {other} is up on this machine: run `./lab down` there, or `./lab down --other` here")


def require(name: str) -> Container:
    """The running container of a host, or LabError saying how to get it."""
    found = container(name)
    if found is None:
        raise LabError(f"{name} does not exist: the lab is not up; run ./lab up")
    if not found.alive:
        raise LabError(f"{name} is down; ./lab heal {name} starts it")
    return found


def _arguments(paths: Paths, image: str, host: Host) -> list[str]:
    """`podman run` arguments of one host; they are all that a host is, so their hash tells when to make it anew."""
    networks = [
        f"--network={n.name}:ip={host.address4(n)},ip6={host.address6(n)},mac={host.mac(n)},interface_name={n.nic}"
        for n in host.networks
    ]
    volumes = []
    if host.disks:
        volumes.append(f"--volume={paths.footage(host.name)}:/srv/footage:rslave")
        state = paths.mountpoint(host.name, STATE_DISK)
        volumes += [f"--volume={state / name}:/var/lib/{name}" for name in STATE_DIRECTORIES]
    return [
        *("--detach", "--name", host.name, "--hostname", host.name, "--label", f"{LABEL}={paths.root}"),
        *("--systemd=always", "--cap-add", "NET_ADMIN,NET_RAW,SYS_NICE,IPC_LOCK", "--no-hosts", "--dns", "127.0.0.1"),
        *("--memory", "2g", "--pids-limit", "2000"),
        *(f"--sysctl={name}={value}" for name, value in sorted(_kernel_parameters(paths, host).items())),
        *networks,
        *volumes,
        *(image, "/sbin/init"),
    ]


def _kernel_parameters(paths: Paths, host: Host) -> dict[str, int]:
    """Kernel parameters of a host: a container cannot set them itself, so servers are born with role `system`'s."""
    # Without ip_forward=0 a host forwards for the address it just lost, and hides a missing announcement.
    base = {"net.ipv4.ip_forward": 0, "net.ipv6.conf.all.disable_ipv6": 0, "net.ipv6.conf.all.forwarding": 0}
    defaults = paths.root / "roles" / "system" / "defaults" / "main.yml"
    if host.name not in SERVERS or not defaults.exists():
        return base
    wanted: dict[str, int] = yaml.safe_load(defaults.read_text(encoding="utf-8")).get("system_sysctls", {})
    return base | wanted
