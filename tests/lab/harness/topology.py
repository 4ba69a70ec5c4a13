"""The lab's fixed facts: its hosts, their networks, addresses, MACs and disks. Data only; nothing runs here."""

from __future__ import annotations

from dataclasses import dataclass

LABEL = "understudy.lab"
"""Label of every container and network of a lab; its value is the checkout that owns it."""

DISK_LETTERS = ("C", "D", "E")
DISK_MIB = 512
"""Size of one disk letter (a sparse file): room for some hours of the lab's small cameras, small enough to fill."""

STATE_DISK = "state"
"""The disk under /var/lib/understudy and /var/lib/etcd: on a loop device, so that a power cut takes its data too."""

STATE_DIRECTORIES = ("understudy", "etcd")


@dataclass(frozen=True)
class Network:
    """One network of the lab: a bridge without a way out. `nic` is its interface's name in every host."""

    name: str
    nic: str
    subnet4: str
    subnet6: str
    prefix4: str
    prefix6: str
    mac_prefix: str


CAMERAS = Network("lab-cam", "cam0", "198.18.30.0/24", "fd00:30::/64", "198.18.30.", "fd00:30::", "02:30:00:00:00:")
CLIENTS = Network("lab-cli", "cli0", "198.18.31.0/24", "fd00:31::/64", "198.18.31.", "fd00:31::", "02:31:00:00:00:")
NETWORKS = (CAMERAS, CLIENTS)


@dataclass(frozen=True)
class Host:
    """One host. `number` is the last part of all its addresses (198.18.30.11, fd00:30::11) and of its MACs."""

    name: str
    number: int
    networks: tuple[Network, ...]
    disks: bool

    @property
    def nics(self) -> tuple[str, ...]:
        """Names of its interfaces."""
        return tuple(network.nic for network in self.networks)

    def address4(self, network: Network) -> str:
        """Its physical IPv4 address on `network`."""
        return f"{network.prefix4}{self.number}"

    def address6(self, network: Network) -> str:
        """Its physical IPv6 address on `network`."""
        return f"{network.prefix6}{self.number}"

    def mac(self, network: Network) -> str:
        """Its MAC on `network`, the same after every start."""
        return f"{network.mac_prefix}{self.number:02x}"

    def network_of(self, nic: str) -> Network:
        """The network behind one of its interfaces."""
        return next(network for network in self.networks if network.nic == nic)

    @property
    def disk_names(self) -> tuple[str, ...]:
        """Its disks: the letters and the one that holds its state."""
        return (*DISK_LETTERS, STATE_DISK) if self.disks else ()


HOSTS = {
    host.name: host
    for host in (
        Host("rec1", 11, NETWORKS, disks=True),
        Host("rec2", 12, NETWORKS, disks=True),
        Host("stby1", 21, NETWORKS, disks=True),
        Host("cams", 5, NETWORKS, disks=False),
        Host("client", 50, (CLIENTS,), disks=False),
    )
}
SERVERS = ("rec1", "rec2", "stby1")
CAMERA_HOST = "cams"
CLIENT_HOST = "client"

LOGICAL_ADDRESSES = {
    "north": ("198.18.31.101", "fd00:31::101"),
    "south": ("198.18.31.102", "fd00:31::102"),
}
"""Managed by the agents; the lab never configures them."""

IMAGE_PACKAGES = (
    "systemd",
    "systemd-sysv",
    "dbus",
    "openssh-server",
    "sudo",
    "ca-certificates",
    "openssl",
    "tzdata",
    "python3",
    "python3-apt",
    "python3-venv",
    "iproute2",
    "iputils-ping",
    "iputils-arping",
    "tcpdump",
    "nftables",
    "curl",
    "jq",
    "less",
    "procps",
    "xfsprogs",
    "e2fsprogs",
    "etcd-server",
    "etcd-client",
    "chrony",
    "nginx-light",
)
"""All that the roles install: baked in, so that `apt: state=present` needs no network."""
