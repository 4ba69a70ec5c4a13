"""Network faults: cables, switch ports and lossy lines of a host, done outside it or in its network namespace."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterable

from harness.hosts import require
from harness.podman import Container
from harness.shell import LabError, run
from harness.topology import HOSTS, LOGICAL_ADDRESSES, Host

TABLE = "understudy_lab"
"""The nftables table (family netdev: below ARP, bridges and the agent's own rules) that holds every packet fault."""


def outer_ends(found: Container, nics: Iterable[str]) -> list[str]:
    """The interfaces of this machine at the other ends of the host's cables. /sys would show the wrong namespace."""
    inside = json.loads(_inside(found, "ip", "-json", "link").stdout)
    wanted = {int(link["link_index"]) for link in inside if link["ifname"] in set(nics)}
    outside = json.loads(run(["ip", "-json", "link"]).stdout)
    ends = [str(link["ifname"]) for link in outside if int(link["ifindex"]) in wanted]
    if len(ends) != len(wanted):
        raise LabError(f"{found.name}: its cables do not end on this machine")
    return ends


def set_links(ends: list[str], state: str) -> None:
    """Set all these interfaces `up` or `down` at once (one process: they go within a millisecond of each other)."""
    run(["ip", "-batch", "-"], stdin="".join(f"link set dev {end} {state}\n" for end in ends))


def cable_out(host: Host, nic: str) -> None:
    """Pull the cable: the host sees its carrier go."""
    set_links(outer_ends(require(host.name), [nic]), "down")


def drop_in(host: Host, nic: str) -> None:
    """The host sends but hears nothing on this NIC, ARP included; its carrier stays."""
    _add_rules(host, nic, "ingress", ["drop"])


def drop_to(host: Host, nic: str, peer: str) -> None:
    """Nothing that this host sends on the NIC reaches `peer`, whichever of its addresses it is sent to."""
    network = host.network_of(nic)
    other = HOSTS[peer]
    rules = [f"ether daddr {other.mac(network)} drop", f"arp daddr ip {other.address4(network)} drop"]
    _add_rules(host, nic, "egress", rules)


def drop_out(host: Host, nic: str) -> None:
    """The host hears everything and sends nothing on this NIC, ARP included; its carrier stays."""
    _add_rules(host, nic, "egress", ["drop"])


def drop_from(host: Host, nic: str, peer: str) -> None:
    """Nothing that `peer` sends reaches this host on the NIC."""
    _add_rules(host, nic, "ingress", [f"ether saddr {HOSTS[peer].mac(host.network_of(nic))} drop"])


def drop_port(host: Host, nic: str, port: int) -> None:
    """No TCP or UDP to or from this port passes the NIC, either way."""
    for hook in ("ingress", "egress"):
        _add_rules(host, nic, hook, [f"meta l4proto {{ tcp, udp }} th {end} {port} drop" for end in ("sport", "dport")])


def drop_announcements(host: Host, nic: str) -> None:
    """What a switch with ARP inspection does: no gratuitous ARP, no unsolicited neighbour advertisement leaves."""
    to_all = "ip6 daddr ff02::1 icmpv6 type nd-neighbor-advert drop"
    gratuitous = [f"arp saddr ip {address} arp daddr ip {address} drop" for address in _logical4()]
    _add_rules(host, nic, "egress", [to_all, *gratuitous])


def _logical4() -> list[str]:
    return [address for addresses in LOGICAL_ADDRESSES.values() for address in addresses if ":" not in address]


def loss(host: Host, nic: str, percent: int) -> None:
    """Lose this share of the packets, each way, at random."""
    for hook in ("ingress", "egress"):
        _add_rules(host, nic, hook, [f"numgen random mod 100 < {percent} drop"])


def heal(found: Container, host: Host) -> None:
    """Put all cables in and remove every packet fault."""
    _inside(found, "nft", "delete", "table", "netdev", TABLE, check=False)
    set_links(outer_ends(found, host.nics), "up")


def _add_rules(host: Host, nic: str, hook: str, rules: list[str]) -> None:
    chain = f"{hook}_{nic}"
    lines = [
        f"add table netdev {TABLE}",
        f'add chain netdev {TABLE} {chain} {{ type filter hook {hook} device "{nic}" priority 0; }}',
        *(f"add rule netdev {TABLE} {chain} {rule}" for rule in rules),
    ]
    _inside(require(host.name), "nft", "-f", "-", stdin="\n".join(lines) + "\n")


def _inside(
    found: Container, *argv: str, check: bool = True, stdin: str | None = None
) -> subprocess.CompletedProcess[str]:
    """Run this machine's own tool in the host's network namespace: works however sick the host is."""
    return run(["nsenter", "--target", str(found.pid), "--net", *argv], check=check, stdin=stdin)
