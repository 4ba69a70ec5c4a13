"""Where the lab keeps its things: everything under `.lab/` of one checkout."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parents[3]


@dataclass(frozen=True)
class Paths:
    """The paths of the lab that belongs to the checkout `root`."""

    root: Path = CHECKOUT

    @property
    def lab(self) -> Path:
        """Everything that the lab writes."""
        return self.root / ".lab"

    @property
    def ssh_key(self) -> Path:
        """Private key that opens every host."""
        return self.lab / "ssh" / "id_ed25519"

    @property
    def ssh_config(self) -> Path:
        """How to reach the hosts by ssh, from anywhere: `ssh -F .lab/ssh_config rec1`."""
        return self.lab / "ssh_config"

    @property
    def faults(self) -> Path:
        """The faults that are in force now."""
        return self.lab / "faults.json"

    @property
    def media(self) -> Path:
        """The cameras' films, encoded once."""
        return self.lab / "media"

    @property
    def logs(self) -> Path:
        """Output of long steps."""
        return self.lab / "log"

    def disk_image(self, host: str, disk: str) -> Path:
        """The file behind a disk."""
        return self.lab / "disks" / f"{host}-{disk}.img"

    def footage(self, host: str) -> Path:
        """What the host sees as /srv/footage; shared, so that a disk pulled here is gone there."""
        return self.lab / "hosts" / host / "footage"

    def mountpoint(self, host: str, disk: str) -> Path:
        """Where a disk is mounted on this machine."""
        if disk in ("C", "D", "E"):
            return self.footage(host) / disk
        return self.lab / "hosts" / host / disk

    def make(self) -> None:
        """Create the directories; only root may look at the keys and disks."""
        for directory in (self.lab, self.ssh_key.parent, self.lab / "disks", self.media, self.logs):
            directory.mkdir(parents=True, exist_ok=True)
        self.ssh_key.parent.chmod(0o700)
