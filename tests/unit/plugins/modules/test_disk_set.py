"""disk_set, disk_info, host_info: what is wrong with a disk letter, and how the host is judged."""

from __future__ import annotations

from pathlib import Path

import pytest
from ansible_collections.understudy.nvr.plugins.module_utils import nvr_disks
from ansible_collections.understudy.nvr.plugins.module_utils.nvr_disks import Disk, Found
from ansible_collections.understudy.nvr.plugins.modules import host_info

DISK = Disk("C", "/srv/footage/C", label="rec1-C")
MOUNTED = Found(exists=True, mounted=True, device="/dev/sdb1", fstype="ext4", label="rec1-C")


@pytest.mark.parametrize(
    ("found", "says"),
    [
        (MOUNTED, None),
        (Found(exists=True, mounted=True, label=None), None),
        (Found(), "does not exist; mount LABEL=rec1-C there"),
        (Found(exists=True), "is not a mount point of its own; mount LABEL=rec1-C there"),
        (Found(exists=True, mounted=True, label="rec2-C"), "labelled 'rec2-C', the site file says 'rec1-C'"),
        (Found(exists=True, mounted=True, device="/dev/sdb1", read_only=True), "mounted read-only"),
    ],
)
def test_every_problem_is_told_with_its_remedy(found: Found, says: str | None) -> None:
    problems = nvr_disks.problems(DISK, found)
    assert len(problems) == (0 if says is None else 1)
    assert says is None or says in problems[0]
    assert all(text.startswith("disk letter C: /srv/footage/C") for text in problems)


def test_a_bare_directory_is_not_mounted_and_proc_is(tmp_path: Path) -> None:
    assert nvr_disks.load(str(tmp_path / "no")) == Found()
    (tmp_path / "C").mkdir()
    assert nvr_disks.load(str(tmp_path / "C")) == Found(exists=True)
    assert nvr_disks.load("/proc").mounted


def test_a_letter_is_mounted_by_label_or_uuid() -> None:
    unit = nvr_disks.mount_unit(DISK)
    assert "What=/dev/disk/by-label/rec1-C\n" in unit
    assert "Where=/srv/footage/C\n" in unit
    assert "errors=remount-ro" in unit
    assert "What=/dev/disk/by-uuid/0a-1b\n" in nvr_disks.mount_unit(Disk("C", "/c", uuid="0a-1b"))
    assert "errors=" not in nvr_disks.mount_unit(Disk("C", "/c", label="x", fstype="xfs"))


def test_names_are_escaped_as_systemd_and_udev_do() -> None:
    assert nvr_disks.unit_name("/srv/footage/C") == "srv-footage-C.mount"
    assert nvr_disks.unit_name("/srv/my-disks/C") == r"srv-my\x2ddisks-C.mount"
    assert nvr_disks.udev_escape("rec1 C/D") == r"rec1\x20C\x2fD"


def test_static_logical_addresses_are_found_where_they_are_configured() -> None:
    files = {
        "/etc/network/interfaces": "iface eno1 inet static\n  address 198.18.31.101/24\n# address 198.18.31.102\n",
        "/etc/systemd/network/a.network": "[Network]\nAddress=198.18.31.10/24\nAddress=fd00:31::1011/64\n",
    }
    addresses = ["198.18.31.101", "198.18.31.102", "198.18.31.1", "fd00:31::101"]
    assert host_info.static_addresses(addresses, files) == [
        {"address": "198.18.31.101", "file": "/etc/network/interfaces"}
    ]


def test_the_system_is_read_from_os_release() -> None:
    text = 'PRETTY_NAME="Debian GNU/Linux 12 (bookworm)"\nVERSION_ID="12"\nID=debian\n'
    assert host_info.os_identity(text) == {"id": "debian", "version": "12"}
