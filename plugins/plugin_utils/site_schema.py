# Copyright (c) 2026, The Understudy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a site file may say: the one declaration of its keys, types, defaults and limits. Pure data."""

from __future__ import annotations

from .site_schema_events import NOTIFY, RULE
from .site_spec import LETTER, NAME, NIC, WINDOW, Flag, ListOf, MapOf, Mapping, Number, Text


def _addresses(doc: str) -> MapOf:
    return MapOf(doc, NIC, "a NIC of `nics`", ListOf("addresses", Text("an address", pattern=r"[0-9a-fA-F.:/]+")))


_LICENCE = Mapping(
    "licence of the machine",
    {
        "edition": Text("edition; failover needs enterprise on all", "enterprise", choices=("standard", "enterprise")),
        "channels": Number("cameras the machine may record", whole=True, high=4096),
        "expires": Text("last day, YYYY-MM-DD", None, pattern=r"\d{4}-\d\d-\d\d", allowed="YYYY-MM-DD"),
    },
)

_DISKS = MapOf(
    "disk letters",
    LETTER,
    "one capital letter",
    Mapping(
        "a disk letter",
        {
            "path": Text("mount point", pattern=r"/[^\0]+", allowed="an absolute path"),
            "label": Text("file system label; {server} is replaced by the server's name", None),
            "uuid": Text("file system UUID", None),
            "fstype": Text("file system", "ext4", choices=("ext4", "xfs")),
            "provided": Flag("the mount is made by something else; only checked", False),
            "free_floor_mb": Number("retention keeps this much free, MiB", 1024),
            "size_gb": Number("fit check: size on the smallest standby, GB; none: as measured there", None, low=0.001),
            "write_mb_s": Number(
                "fit check: what it writes on the slowest standby, MB/s; none: unknown", None, low=0.1
            ),
        },
    ),
)

_MACHINE = {
    "licence": _LICENCE,
    "management": Text("address Ansible connects to; without it the peer address", None),
    "etcd": Flag("this machine votes in the arbitration cluster", False),
    "addresses": _addresses("physical addresses per NIC, with prefix"),
}

_TRACK = Mapping(
    "how a camera is recorded",
    {
        "disk": Text("disk letter", pattern=LETTER, allowed="one capital letter"),
        "days": Number("retention in days", low=0.01, high=3650),
        "mode": Text("when", "continuous", choices=("continuous", "event", "off")),
        "pre_s": Number("mode event: seconds recorded before an event", 5, high=60),
        "post_s": Number("mode event: seconds recorded behind an event", 10, high=600),
    },
)

_CAMERA = Mapping(
    "a camera",
    {
        "number": Number("slot of the camera, 1 first", whole=True, low=1, high=1024),
        "name": Text("name viewers see"),
        "capture": Text("capture device", "rtsp", choices=("rtsp", "analogue")),
        "url": Text(
            "URL of the stream without user and password",
            "",
            pattern=r"((rtsp|http)s?://[^@\s]+)?",
            allowed="rtsp[s]://HOST[:PORT]/PATH, http[s]://HOST[:PORT]/PATH",
        ),
        "credentials": Text("entry of `understudy_credentials` in the secrets file", None, pattern=r"[A-Za-z0-9_-]+"),
        "failover": Text("what the standby does for it", "full", choices=("full", "live-only", "none")),
        "preroll_s": Number("seconds the standby holds in memory", 15, low=5, high=120),
        "tracks": ListOf("entries of the top level `tracks`", Text("a track", pattern=NAME), ["continuous"]),
        "bit_rate_kbit": Number("fit check: bit rate at most, kbit/s; none: 8000 is assumed", None, low=1, high=1e6),
        "sessions": Number("fit check: streams it serves at once; none: enough", None, low=1, high=1000, whole=True),
    },
)

SITE_FILE = Mapping(
    "a site",
    {
        "plugin": Text("names the inventory plugin", choices=("understudy.nvr.site",)),
        "site": Mapping(
            "the site as a whole",
            {
                "name": Text("short name", pattern=NAME, allowed="lower case letters, digits and dashes"),
                "timezone": Text("time zone of the site, e.g. Europe/Zurich", "UTC"),
                "ntp_servers": ListOf("time servers; none: the carrier of the first logical server", Text("host"), []),
                "controller_dir": Text("where the controller keeps CA, keys and releases", "controller"),
                "secrets": Text(
                    "file with `understudy_credentials`; ansible-vault may encrypt it", "group_vars/all/vault.yml"
                ),
                "arbitration_lost": Text("addresses without arbitration", "drop", choices=("drop", "keep")),
                "takeover": Text(
                    "`early`: under 2 s instead of 4 s; the one risk is told in docs/concepts/failover.md",
                    "certain",
                    choices=("certain", "early"),
                ),
                "handback": Mapping(
                    "when a logical server goes home",
                    {
                        "mode": Text("how", "automatic", choices=("automatic", "window", "manual")),
                        "after_s": Number("healthy for so long, seconds", 30, low=1, high=86400),
                        "window": Text(
                            "mode `window`: daily, in the site's time zone; may span midnight",
                            None,
                            pattern=WINDOW,
                            allowed="HH:MM-HH:MM",
                        ),
                    },
                    {},
                ),
                "heartbeat_port": Number("UDP port", 4620, low=1024, high=65535, whole=True),
            },
        ),
        "users": MapOf(
            "who may log in to the viewer page; passwords are made in `controller_dir`/users; none: one admin, `admin`",
            NAME,
            "a name",
            Mapping(
                "a user",
                {
                    "role": Text(
                        "`viewer` looks at everything, `admin` also moves parts and orders maintenance",
                        "viewer",
                        choices=("viewer", "admin"),
                    ),
                },
            ),
            {},
        ),
        "nics": MapOf(
            "NICs in use; the same names on every server",
            NIC,
            "an interface name",
            Text("what it is for", choices=("cameras", "clients", "management")),
        ),
        "disks": _DISKS,
        "tracks": MapOf("track profiles", NAME, "a name", _TRACK),
        "servers": MapOf("recording servers", NAME, "a host name", Mapping("a server", dict(_MACHINE))),
        "standbys": MapOf(
            "standbys, first in line first",
            NAME,
            "a host name",
            Mapping(
                "a standby",
                {
                    **_MACHINE,
                    "takeover_limit": Number("parts it may carry at once", 1, low=1, high=16, whole=True),
                    "group": Text("group that `logical` may name as a choice", None, pattern=NAME, allowed="a name"),
                    "location": Text(
                        "where it stands, for `locations` of `logical`", None, pattern=NAME, allowed="a name"
                    ),
                },
            ),
            {},
        ),
        "witnesses": MapOf(
            "machines that only vote",
            NAME,
            "a host name",
            Mapping("a witness", {key: value for key, value in _MACHINE.items() if key not in ("licence", "etcd")}),
            {},
        ),
        "logical": MapOf(
            "logical servers, the one that may serve time first",
            NAME,
            "a name",
            Mapping(
                "a logical server",
                {
                    "home": Text("the server that normally carries it"),
                    "priority": Number("taken over first when lower", 100, whole=True),
                    "groups": ListOf(
                        "groups of standbys that may take it, first choice first; none: every standby",
                        Text("a group", pattern=NAME, allowed="a name"),
                        [],
                    ),
                    "locations": ListOf(
                        "where a standby must stand to take it; none: anywhere",
                        Text("a location", pattern=NAME, allowed="a name"),
                        [],
                    ),
                    "addresses": _addresses("logical addresses per NIC; a prefix only outside the physical subnet"),
                    "cameras": ListOf("its cameras", _CAMERA, []),
                },
            ),
        ),
        "rules": MapOf("event rules", NAME, "a name", RULE, {}),
        "notify": NOTIFY,
    },
)
