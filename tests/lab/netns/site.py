"""A site of 2+1 in network namespaces: real etcd with mutual TLS, real agents, recorders without pictures.

Seconds to start, nothing on this machine but namespaces and processes of its own. Logs and state are below `directory`.
"""

from __future__ import annotations

import base64
import contextlib
import json
import os
import shutil
import signal
import ssl
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
from netns import pki
from netns.machine import Machine, ip
from understudy import control
from understudy.network.addresses import Addresses
from understudy.site.plan import Handback, Logical, LogicalAddress, Nic, Plan, Server

NUMBERS = {"rec1": 11, "rec2": 12, "stby1": 13}
VIEWER = "viewer"
_WHOLE_SITE = {"key": b"/understudy/netns/", "range_end": b"/understudy/netns0"}
ADDRESSES = {"north": ("198.18.31.101", "fd00:31::101"), "south": ("198.18.31.102", "fd00:31::102")}


def etcd_binary(cache: Path) -> str:
    """Path of an etcd; Debian's package is unpacked into `cache` when none is installed."""
    if found := shutil.which("etcd"):
        return found
    unpacked = cache / "usr/bin/etcd"
    if not unpacked.exists():
        cache.mkdir(parents=True, exist_ok=True)
        quiet: dict[str, Any] = {"cwd": cache, "check": True, "capture_output": True, "timeout": 120}
        subprocess.run(["apt-get", "download", "etcd-server"], **quiet)
        (package,) = cache.glob("etcd-server_*.deb")
        subprocess.run(["dpkg", "-x", package.name, "."], **quiet)
    return str(unpacked)


def plan_for(node: str, handback_after_s: float) -> Plan:
    """The site's plan for `node`."""
    servers = tuple(
        Server(
            name=name,
            kind="standby" if name == "stby1" else "server",
            rank=0 if name == "stby1" else None,
            nics=(Nic(name="lan0", role="clients", addresses=(f"198.18.31.{n}/24", f"fd00:31::{n}/64")),),
            etcd_voter=True,
            peer_address=f"198.18.31.{n}",
        )
        for name, n in NUMBERS.items()
    )
    logical = tuple(
        Logical(
            name=part,
            home=home,
            addresses=tuple(
                LogicalAddress(nic="lan0", address=f"{a}/{128 if ':' in a else 32}") for a in ADDRESSES[part]
            ),
        )
        for part, home in (("north", "rec1"), ("south", "rec2"))
    )
    return Plan(
        version=1,
        site="netns",
        node=node,
        servers=servers,
        logical=logical,
        handback=Handback(after_s=handback_after_s),
    )


class Site:
    """Use as a context; `start` all or one, `crash` one, ask one for its status."""

    def __init__(
        self,
        directory: Path,
        etcd: str,
        handback_after_s: float = 2.0,
        cameras: int = 1,
        agent: str = "netns.processes",
    ) -> None:
        self.directory = directory
        self._etcd = etcd
        #: cameras each recorder reports of a part; the module that is run as the agent
        self._cameras, self._agent = cameras, agent
        self._handback_after_s = handback_after_s
        self._prefix = f"understudy-{os.getpid()}"
        self.machines = {name: Machine(f"{self._prefix}-{name}") for name in (*NUMBERS, VIEWER)}
        self._switch = f"{self._prefix}-switch"
        self.processes: dict[tuple[str, str], subprocess.Popen[bytes]] = {}

    def __enter__(self) -> Site:
        try:
            self._wire()
            pki.authority(self.directory / "ca")
            for name, number in NUMBERS.items():
                etc = self.directory / name / "etc/understudy"
                pki.identity(self.directory / "ca", name, f"198.18.31.{number}", etc / "pki")
                (etc / "plan.json").write_bytes(msgspec.json.encode(plan_for(name, self._handback_after_s)))
                (etc / "heartbeat.key").write_text("5a" * 32)
        except BaseException:
            self._clean()
            raise
        return self

    def __exit__(self, *_exception: object) -> None:
        self._clean()

    def start(self, *names: str) -> None:
        """Start everything on the machines `names` (all when none is given)."""
        for name in names or NUMBERS:
            self.cable(name, "up")
            self.start_etcd(name)
            self.start_process(name, "recorder")
            self.start_process(name, "agent")

    def start_process(self, name: str, kind: str) -> None:
        """Start the `agent` or the `recorder` of a machine."""
        module = self._agent if kind == "agent" else "netns.processes"
        root, cameras = str(self.directory / name), str(self._cameras)
        self._spawn(name, kind, sys.executable, "-m", module, kind, root, cameras)

    def start_etcd(self, name: str) -> None:
        """Start the machine's member, with what is left of its data."""
        tls = self.directory / name / "etc/understudy/pki"
        own, peers = (
            f"https://198.18.31.{NUMBERS[name]}",
            {n: f"https://198.18.31.{i}:2380" for n, i in NUMBERS.items()},
        )
        options = {
            "name": name,
            "data-dir": self.directory / name / "etcd",
            "listen-client-urls": f"{own}:2379",
            "advertise-client-urls": f"{own}:2379",
            "listen-peer-urls": f"{own}:2380",
            "initial-advertise-peer-urls": f"{own}:2380",
            "initial-cluster": ",".join(f"{n}={url}" for n, url in peers.items()),
            "heartbeat-interval": 50,
            "election-timeout": 500,
            "pre-vote": "true",
            **{f"{kind}client-cert-auth": "true" for kind in ("", "peer-")},
            **{f"{kind}trusted-ca-file": tls / "ca.crt" for kind in ("", "peer-")},
            **{f"{kind}cert-file": tls / "node.crt" for kind in ("", "peer-")},
            **{f"{kind}key-file": tls / "node.key" for kind in ("", "peer-")},
        }
        self._spawn(name, "etcd", self._etcd, *(f"--{option}={value}" for option, value in options.items()))

    def crash(self, name: str) -> float:
        """The machine loses power: cable first, then everything on it; the time.monotonic() of the cable."""
        self.cable(name, "down")
        crashed_s = time.monotonic()
        for kind in ("agent", "recorder", "etcd"):
            self.kill(name, kind)
        self.machines[name].run(_forget_addresses)
        return crashed_s

    def forget_register(self) -> None:
        """Delete everything the site has in the register, as if it had come back without its data."""
        pki_of = self.directory / "rec1/etc/understudy/pki"
        tls = ssl.create_default_context(cafile=str(pki_of / "ca.crt"))
        tls.load_cert_chain(pki_of / "node.crt", pki_of / "node.key")
        body = {key: base64.b64encode(value).decode() for key, value in _WHOLE_SITE.items()}
        url = f"https://198.18.31.{NUMBERS['rec1']}:2379/v3/kv/deleterange"
        wanted = urllib.request.Request(url, json.dumps(body).encode(), {"Content-Type": "application/json"})
        self.machines["rec1"].run(lambda: urllib.request.urlopen(wanted, timeout=5, context=tls).close())

    def kill(self, name: str, kind: str, number: int = signal.SIGKILL) -> None:
        """Send a signal to a process of a machine; waits for its end when it is SIGKILL or SIGTERM."""
        process = self.processes[name, kind]
        process.send_signal(number)
        if number in (signal.SIGKILL, signal.SIGTERM):
            process.wait(10)

    def cable(self, name: str, state: str) -> None:
        """Pull (`down`) or plug (`up`) the machine's cable at the switch."""
        ip("-n", self._switch, "link", "set", name, state)

    def status(self, name: str) -> dict[str, Any]:
        """The status document as the agent of `name` sees it."""
        document: dict[str, Any] = self.ask(name, "status")["status"]
        return document

    def ask(self, name: str, op: str, **arguments: Any) -> dict[str, Any]:
        """Any request to the agent of `name`."""
        socket = self.directory / name / "run/understudy-agent/control.sock"
        return control.call(socket, op, **{"timeout_s": 2.0, **arguments})

    def holders(self, part: str) -> set[str]:
        """Machines whose kernel has an address of the part."""
        return {name for name in NUMBERS if set(ADDRESSES[part]) & self.machines[name].run(_addresses)}

    def wait(self, what: str, is_so: Callable[[], bool], limit_s: float) -> float:
        """Seconds until `is_so`; AssertionError naming `what` after `limit_s`."""
        started_s = time.monotonic()
        while time.monotonic() - started_s < limit_s:
            with contextlib.suppress(control.ControlError):
                if is_so():
                    return time.monotonic() - started_s
            time.sleep(0.02)
        raise AssertionError(f"not within {limit_s:g} s: {what}; logs are in {self.directory}")

    def states(self, seen_by: str) -> dict[str, str]:
        """Server -> state, and logical server -> state, as one agent sees them."""
        found = self.status(seen_by)
        return {entry["name"]: entry["state"] for entry in (*found["servers"], *found["logical"])}

    def log(self, name: str, kind: str = "agent") -> str:
        """What a process has said."""
        return (self.directory / name / f"{kind}.log").read_text()

    def _spawn(self, name: str, kind: str, *command: str) -> None:
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path)), "ETCDCTL_API": "3"}
        with (self.directory / name / f"{kind}.log").open("ab") as log:
            self.processes[name, kind] = subprocess.Popen(
                ["ip", "netns", "exec", self.machines[name].namespace, *command],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env=environment,
            )

    def _wire(self) -> None:
        ip("netns", "add", self._switch)
        ip("-n", self._switch, "link", "add", "br0", "type", "bridge", "forward_delay", "0", "mcast_snooping", "0")
        ip("-n", self._switch, "link", "set", "br0", "up")
        for name, machine in self.machines.items():
            number = NUMBERS.get(name, 50)
            ip("netns", "add", machine.namespace)
            ip("-n", self._switch, "link", "add", name, "type", "veth", "peer", "lan0", "netns", machine.namespace)
            ip("-n", self._switch, "link", "set", name, "up", "master", "br0")
            machine.ip("link", "set", "lo", "up")
            machine.ip("address", "add", f"198.18.31.{number}/24", "dev", "lan0")
            machine.ip("address", "add", f"fd00:31::{number}/64", "dev", "lan0", "nodad")
            machine.ip("link", "set", "lan0", "up")
            machine.run(_settings)

    def _clean(self) -> None:
        for process in self.processes.values():
            if process.poll() is None:
                process.kill()
                process.wait(10)
        for namespace in (self._switch, *(machine.namespace for machine in self.machines.values())):
            subprocess.run(["ip", "netns", "del", namespace], capture_output=True, check=False, timeout=20)


def _addresses() -> set[str]:
    with Addresses() as kernel:
        return {held.address.split("/")[0] for held in kernel.held()}


def _forget_addresses() -> None:
    """A machine without power holds no logical addresses."""
    with Addresses() as kernel:
        for held in kernel.held():
            if any(held.address.split("/")[0] in addresses for addresses in ADDRESSES.values()):
                kernel.delete(held.nic, held.address)


def _settings() -> None:
    """As role `system` sets them: an old carrier must not forward for the new one, a flap must not cost IPv6."""
    values = ("ipv4.ip_forward=0", "ipv6.conf.all.forwarding=0", "ipv6.conf.lan0.keep_addr_on_down=1")
    subprocess.run(["sysctl", "-qw", *(f"net.{value}" for value in values)], check=True, timeout=10)
