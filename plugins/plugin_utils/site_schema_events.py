# Copyright (c) 2026, The Understudy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a site file may say about event rules and notifications. Pure data."""

from __future__ import annotations

from .site_events import ACTIONS, CAUSES
from .site_spec import LETTER, WINDOW, ListOf, Mapping, Number, Text

_ADDRESS = Text("an address", pattern=r"[^@\s<>,]+@[^@\s<>,]+", allowed="NAME@DOMAIN")

RULE = Mapping(
    "an event rule; docs/operate/events.md tells the causes",
    {
        "cause": Text("what is watched", choices=tuple(CAUSES)),
        "where": ListOf("servers, or logical servers wherever they are; none: every server", Text("a server"), []),
        "disk": Text("disk causes: the letter; none: any", None, pattern=LETTER, allowed="one capital letter"),
        "nic": Text("cause nic: the interface; none: any", None),
        "limit": Number("from which value on it is bad, in the unit of the cause", None),
        "command": Text("cause script: path and arguments", None, pattern=r"/[^\0\n]+", allowed="an absolute path"),
        "every_s": Number("cause script: how often it runs, seconds", 60, low=5, high=86400),
        "for_s": Number("bad for so long, seconds", 10, high=86400),
        "clear_s": Number("well for so long until it is over, seconds", 30, high=86400),
        "window": Text("begins only then, in the site's time zone", None, pattern=WINDOW, allowed="HH:MM-HH:MM"),
        "actions": ListOf(
            "what is done; without mail, webhook, syslog all of `notify` tell", Text("action", choices=ACTIONS), []
        ),
        "script": Number("99: the action failover, as other products write it", None, low=99, high=99, whole=True),
        "parameter": Number("of script 99", None, high=0, whole=True),
        "text": Text("of script 99", None, choices=("Failover",)),
        "arm": ListOf("action arm: cameras LOGICAL/NUMBER whose event tracks record", Text("a camera"), []),
        "arm_s": Number("action arm: how long, seconds", 30, low=1, high=3600),
    },
)

NOTIFY = Mapping(
    "who is told of incidents",
    {
        "mail": Mapping(
            "by e-mail",
            {
                "host": Text("mail server"),
                "port": Number("port; none: 587, tls 465, none 25", None, low=1, high=65535, whole=True),
                "security": Text("encryption", "starttls", choices=("starttls", "tls", "none")),
                "from": _ADDRESS,
                "to": ListOf("recipients", _ADDRESS),
                "credentials": Text("entry of `understudy_credentials`; none: no login", None),
                "ca_file": Text("PEM file on the servers with the mail server's authority; none: the system's", None),
            },
            None,
        ),
        "webhook": Mapping(
            "by HTTP POST, signed",
            {
                "url": Text("where to", pattern=r"https?://[^@\s]+", allowed="http[s]://HOST[:PORT]/PATH"),
                "credentials": Text("entry of `understudy_credentials` whose password signs"),
            },
            None,
        ),
        "syslog": Mapping(
            "by syslog over UDP",
            {"host": Text("syslog server"), "port": Number("port", 514, low=1, high=65535, whole=True)},
            None,
        ),
        "per_hour": Number("more notifications than so many in an hour become one", 30, low=1, high=1000, whole=True),
    },
    {},
)
