"""A server leaves for good while it carries: its part is handed over, and nothing of the logical server stays."""

from __future__ import annotations

import story

from faults.play import Play
from faults.scenario import HANDED, fault

ORDERS = "/var/lib/understudy/agent/orders.json"
IDENTITIES = "/etc/understudy/pki/logical"
KEPT = "/root/lab-kept"
#: the server as it was before it was removed: what a new machine would get from site.yml
KEEP = (
    f"rm -rf {KEPT} && mkdir {KEPT} && cp -a {IDENTITIES} {KEPT}/ &&"
    f" if [ -e {ORDERS} ]; then cp -a {ORDERS} {KEPT}/; fi"
)
RESTORE = (
    "systemctl stop understudy-agent;"
    f" rm -rf {IDENTITIES} {ORDERS}; cp -a {KEPT}/logical {IDENTITIES};"
    f" if [ -e {KEPT}/orders.json ]; then cp -a {KEPT}/orders.json {ORDERS}; fi;"
    f" rm -rf {KEPT}; systemctl start understudy-agent"
)


@fault(
    52,
    "deleted-while-carrying",
    "`understudy failover-delete` on `rec1` while it carries north; then its agent is started anew",
    north=HANDED,
    rows=(("rec1", 212), ("rec1", 231), ("stby1", 304), ("stby1", 402), ("stby1", 501)),
)
def deleted_while_carrying(play: Play) -> None:
    play.run("rec1", "sh", "-c", KEEP)
    play.undo(lambda: play.run("rec1", "sh", "-c", RESTORE))
    play.run("rec1", "understudy", "failover-delete")
    play.taken()
    play.run("rec1", "systemctl", "restart", "understudy-agent")
    play.until(lambda: story.server(play.status("rec1"), "rec1")["state"] == "DETACHED", 15, "rec1 to be DETACHED")
    play.last(6)
    play.expect(story.carrier(play.lab, "north") == "stby1", "stby1 does not carry north any more")
    left = play.run("rec1", "sh", "-c", f"ls -A {IDENTITIES} 2>/dev/null || true").split()
    play.expect(not left, f"identities are left on rec1: {left}")
