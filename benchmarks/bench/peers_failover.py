"""The peers of `benchmarks/failover`: keepalived and pacemaker, each with an address and an ffmpeg recorder to move.

Both run in the hosts of the lab, beside ours and at their defaults: VRRP adverts once a second; a corosync token of
3 s. A recorder is a systemd unit that copies one camera into fragmented MP4 files; whoever has the address runs it.
Neither fences: the lab's hosts have no power switch.
"""

from __future__ import annotations

import io
import subprocess
import tarfile
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import audit
from harness import cams
from harness.lab import Lab
from harness.podman import send_files
from harness.shell import LabError, run, say

from bench import tools

PACKAGES = ("ffmpeg", "keepalived", "pacemaker", "pacemaker-cli-utils", "corosync", "resource-agents")
#: home and standby; the third member is there for pacemaker's quorum
HOSTS = ("rec1", "stby1", "rec2")
HOME, STANDBY = "rec1", "stby1"
_HOMES = (HOME, STANDBY)
_NUMBERS = {"rec1": 11, "rec2": 12, "stby1": 21}
_FOOTAGE = "/var/lib/peers"
#: ffmpeg's file before its first fragment
_EMPTY_BYTES = 4096
_INSTALL_LIMIT_S = 600.0


@dataclass(frozen=True, slots=True)
class Peer:
    """One peer: its logical address, the camera it records, and where its recorder leaves files."""

    name: str
    address: str
    camera: int

    @property
    def unit(self) -> str:
        return f"peer-{self.name}.service"

    @property
    def footage(self) -> str:
        return f"{_FOOTAGE}/{self.name}"

    def carries(self, lab: Lab, host: str) -> bool:
        """Whether `host` has the address and a running recorder."""
        done = lab.host(host).run(
            ["sh", "-c", f"ip -o addr show dev cli0 | grep -q '{self.address}/' && systemctl is-active -q {self.unit}"],
            check=False,
        )
        return done.returncode == 0

    def missing(self) -> int:
        """Frames that neither host has between the first at home and the last on the standby."""
        with tempfile.TemporaryDirectory(dir=tools.CACHE) as directory:
            files = {host: self._fetch(host, Path(directory)) for host in _HOMES}
            last = max(counter for path in files[STANDBY] for counter in audit.counters(path))
            found = audit.check([path for each in files.values() for path in each], last=last)
        return sum(end - begin + 1 for begin, end in found.missing)

    def forget(self, lab: Lab) -> None:
        """Delete what it has recorded so far, but for the file that grows at home."""
        for host, kept in zip(_HOMES, (1, 0), strict=True):
            script = f"cd {self.footage} && ls -t | tail -n +{kept + 1} | xargs -r rm -f"
            lab.host(host).run(["sh", "-c", script])

    def _fetch(self, host: str, place: Path) -> list[Path]:
        """Its recordings on `host`, brought to `place`; what was just begun and holds no picture is left out."""
        command = ["podman", "exec", host, "tar", "-C", self.footage, "--warning=no-file-changed", "-cf", "-", "."]
        done = subprocess.run(command, capture_output=True, check=False)
        if done.returncode > 1:  # 1: the file that grows has grown
            raise LabError(f"{host}: {done.stderr.decode(errors='replace').strip()}")
        found = []
        with tarfile.open(fileobj=io.BytesIO(done.stdout)) as archive:
            for member in archive.getmembers():
                content = archive.extractfile(member) if member.isfile() else None
                if content is not None and member.size > _EMPTY_BYTES:
                    path = place / f"{host}-{Path(member.name).name}"
                    path.write_bytes(content.read())
                    found.append(path)
        return found


KEEPALIVED = Peer("keepalived", "198.18.31.201", 1)
PACEMAKER = Peer("pacemaker", "198.18.31.202", 2)
PEERS = (KEEPALIVED, PACEMAKER)


def install(lab: Lab) -> None:
    """Install and start both peers; what is there already stays. LabError with the reason when that fails."""
    for host in HOSTS:
        _install_packages(lab, host)
        files = {f"/etc/systemd/system/{peer.unit}": _unit(peer).encode() for peer in PEERS}
        files["/etc/keepalived/keepalived.conf"] = _keepalived(host).encode()
        files["/etc/corosync/corosync.conf"] = _corosync().encode()
        send_files(host, files)
        lab.host(host).run(["mkdir", "-p", *(peer.footage for peer in PEERS)])
        lab.host(host).run(["systemctl", "daemon-reload"])
        units = ["corosync", "pacemaker", *(["keepalived"] if host in _HOMES else [])]
        lab.host(host).run(["systemctl", "enable", "--quiet", *units], check=False)
        lab.host(host).run(["systemctl", "restart", *units], timeout=120)
    lab.wait(lambda: _has_quorum(lab), 60, "pacemaker's three members")
    _cib(lab)


def _install_packages(lab: Lab, host: str) -> None:
    """The hosts have no way out: packages are fetched here, for what dpkg says is there, and handed in."""
    if lab.host(host).run(["dpkg", "-s", *PACKAGES], check=False).returncode == 0:
        return
    say(f"{host}: installing {', '.join(PACKAGES)}")
    with tempfile.TemporaryDirectory(dir=tools.CACHE) as directory:
        place = Path(directory)
        (place / "status").write_text(lab.host(host).run(["cat", "/var/lib/dpkg/status"]).stdout)
        archives = tools.CACHE / "debs"
        (archives / "partial").mkdir(parents=True, exist_ok=True)
        options = (f"Dir::State::status={place}/status", f"Dir::Cache::archives={archives}", "Debug::NoLocking=1")
        command = ["apt-get", *(word for option in options for word in ("-o", option)), "--download-only", "--yes"]
        run([*command, "--no-install-recommends", "install", *PACKAGES], limit_s=_INSTALL_LIMIT_S)
        send_files(host, {f"/var/tmp/debs/{path.name}": path.read_bytes() for path in archives.glob("*.deb")})
    command = ["env", "DEBIAN_FRONTEND=noninteractive", "sh", "-c", "apt-get install -qy /var/tmp/debs/*.deb"]
    done = lab.host(host).run(command, check=False, timeout=_INSTALL_LIMIT_S)
    lab.host(host).run(["rm", "-rf", "/var/tmp/debs"])
    if done.returncode != 0:
        raise LabError(f"{host}: apt-get: {done.stderr.strip()[-500:]}")


def _unit(peer: Peer) -> str:
    login = "viewer:p%%40ss%%3Aw%%2Frd%%231%%3F"  # systemd wants every % twice
    source = f"rtsp://{login}@198.18.30.5:{cams.RTSP_PORT}/north{peer.camera}"
    target = f"{peer.footage}/$(date +%%s%%N).mp4"
    flags = "-movflags +frag_keyframe+empty_moov+default_base_moof -flush_packets 1"
    ffmpeg = f"exec ffmpeg -nostdin -loglevel error -rtsp_transport tcp -i {source} -c:v copy -an {flags} {target}"
    return (
        f"[Unit]\nDescription=Recorder that {peer.name} moves\nStartLimitIntervalSec=0\n"
        f"[Service]\nExecStart=/bin/sh -c '{ffmpeg}'\nRestart=always\nRestartSec=0.2\nTimeoutStopSec=3\n"
    )


def _keepalived(host: str) -> str:
    role, priority = ("MASTER", 150) if host == HOME else ("BACKUP", 100)
    unit = KEEPALIVED.unit
    return f"""\
global_defs {{
  script_user root
  enable_script_security
}}
vrrp_instance benchmark {{
  state {role}
  interface cli0
  virtual_router_id 61
  priority {priority}
  advert_int 1
  virtual_ipaddress {{ {KEEPALIVED.address}/32 dev cli0 }}
  notify_master "/bin/systemctl --no-block start {unit}"
  notify_backup "/bin/systemctl --no-block stop {unit}"
  notify_fault "/bin/systemctl --no-block stop {unit}"
  notify_stop "/bin/systemctl --no-block stop {unit}"
}}
"""


def _corosync() -> str:
    nodes = "\n".join(
        f"  node {{\n    name: {name}\n    nodeid: {number}\n    ring0_addr: 198.18.31.{number}\n  }}"
        for name, number in _NUMBERS.items()
    )
    return f"""\
totem {{
  version: 2
  cluster_name: benchmark
  transport: knet
  crypto_cipher: none
  crypto_hash: none
}}
nodelist {{
{nodes}
}}
quorum {{
  provider: corosync_votequorum
}}
logging {{
  to_syslog: yes
}}
"""


def _has_quorum(lab: Lab) -> bool:
    told = lab.host("rec1").run(["crm_mon", "--one-shot", "--output-as", "text"], check=False).stdout
    return "partition with quorum" in told and f"Online: [ {' '.join(sorted(HOSTS))} ]" in told


def _cib(lab: Lab) -> None:
    """Address and recorder as one group that prefers rec1, then stby1, and never runs on rec2."""
    properties = {"stonith-enabled": "false", "no-quorum-policy": "stop"}
    for name, value in properties.items():
        lab.host("rec1").run(["crm_attribute", "--type", "crm_config", "--name", name, "--update", value])
    resources = f"""\
<group id="part">
  <primitive id="address" class="ocf" provider="heartbeat" type="IPaddr2">
    <instance_attributes id="address-a">
      <nvpair id="address-ip" name="ip" value="{PACEMAKER.address}"/>
      <nvpair id="address-mask" name="cidr_netmask" value="32"/>
      <nvpair id="address-nic" name="nic" value="cli0"/>
    </instance_attributes>
    <operations><op id="address-m" name="monitor" interval="10s" timeout="20s"/></operations>
  </primitive>
  <primitive id="recorder" class="systemd" type="{PACEMAKER.unit.removesuffix(".service")}">
    <operations><op id="recorder-m" name="monitor" interval="10s" timeout="20s"/></operations>
  </primitive>
</group>"""
    places: Sequence[tuple[str, str]] = (("rec1", "200"), ("stby1", "100"), ("rec2", "-INFINITY"))
    constraints = [f'<rsc_location id="at-{node}" rsc="part" node="{node}" score="{score}"/>' for node, score in places]
    for scope, xml in [("resources", resources), *(("constraints", constraint) for constraint in constraints)]:
        command = ["cibadmin", "--modify", "--allow-create", "--scope", scope, "--xml-text", xml]
        lab.host("rec1").run(command)
