"""The list of faults: what fails, what must happen, why some are not injected here. Data only; numbers are fixed."""

from __future__ import annotations

from typing import NamedTuple


class Fault(NamedTuple):
    """One row of the list."""

    what: str
    expected: str
    #: why it, or what part of it, is not injected in the lab; "" when all of it is
    not_here: str = ""


FAULTS: dict[int, Fault] = {
    1: Fault("power cut of a home", "takeover; no frame missing"),
    2: Fault("power cut of the home that leads the register", "as 1; the election costs nothing extra"),
    3: Fault(
        "hard hang, NIC still up",
        "addresses go, takeover",
        "a hung kernel and the hardware watchdog that restarts it: the lab's hosts share this machine's kernel",
    ),
    4: Fault(
        "clean reboot or power off",
        "handed over before the machine stops: no frame missing, addresses away for at most 0.5 s",
    ),
    5: Fault("agent killed", "back within 1 s, addresses never leave"),
    6: Fault("agent stopped", "kernel drops the addresses within 3.4 s, takeover, the home goes on recording"),
    7: Fault("agent in a crash loop", "taken over once, no to and fro"),
    8: Fault("recorder dies", "restarts by itself; the gap is short and told"),
    9: Fault("recorder hangs", "noticed by missing frames, not by its process; the standby's footage fills in"),
    10: Fault("one camera dead", "no takeover; the status names it"),
    11: Fault(
        "all cameras of a server unreachable",
        "others see them: failover (no event rule does it yet); nobody does: no takeover",
    ),
    12: Fault(
        "recording disk dead, read-only, hanging, pulled",
        "the agent is not held up, the other disk letters lose nothing, the status says why",
    ),
    13: Fault("recording disk full", "as 12; oldest first is deleted; no failover"),
    14: Fault(
        "system disk hangs",
        "addresses renewed or dropped without starting a program",
        "the hosts' system disk is this machine's; 16 hangs the disk of etcd, of the agent's log and of the catalogue",
    ),
    15: Fault("disk of the register's leader stalls", "no takeover, nobody holds an address twice"),
    16: Fault("disk of a follower stalls that a carrier asks", "another member is asked; no takeover"),
    17: Fault("leader of the register stopped", "as 15"),
    18: Fault("majority of the register down", "promises: carriers keep everything; told as UNPROTECTED"),
    19: Fault(
        "register down, then a home dies", "recorded without a frame missing; addresses move when the register is back"
    ),
    20: Fault("register down and the standby dead", "addresses dropped (`arbitration_lost: drop`), recording goes on"),
    21: Fault("register out of space", "as 18"),
    22: Fault(
        "register lost or restored from a backup",
        "epochs never go back: promises keep the part where it is; told; written anew on an order",
        "a member with an empty data folder: there is no playbook yet that replaces one",
    ),
    23: Fault("carrier cut off from the register only", "promises: no takeover"),
    24: Fault(
        "carrier cut off from the standby only",
        "its beats in the register are evidence enough: not taken",
    ),
    25: Fault(
        "carrier isolated from all servers",
        "drops at its deadline, goes on recording; takeover; no fight after healing",
    ),
    26: Fault(
        "one-way loss, either way",
        "as 25; a deaf carrier's renewals are executed up to its deadline, and its beat must stand still after that",
    ),
    27: Fault("network cut in two", "only the side with the majority may take"),
    28: Fault(
        "loss of 30 %", "no takeover, never two carriers", "delay, duplicates, reordering: the kernel has no netem"
    ),
    29: Fault("flapping link", "few moves or none, never two carriers"),
    30: Fault("one NIC of two down", "failover when cameras or clients need it; no event rule does it yet"),
    31: Fault(
        "wall clock wrong by an hour",
        "no effect on arbitration",
        "the hosts share this machine's clock; nothing may set it",
    ),
    32: Fault(
        "clock rate wrong by 0.1 %",
        "within the margin",
        "the hosts share this machine's clock; `understudy simulate` gives every machine a rate of its own",
    ),
    33: Fault(
        "machine frozen for 10 s, then on",
        "renews before it refreshes; no fight",
        "a hypervisor that stops the kernel too: here the kernel goes on and removes the addresses",
    ),
    34: Fault("memory used up", "agent and recorder survive"),
    35: Fault("CPU starved", "no takeover"),
    36: Fault(
        "two homes fail within a second, one standby", "the one of higher priority is taken, the other UNPROTECTED"
    ),
    37: Fault("two fail, two standbys", "one each", "the lab has one standby; `understudy simulate` plays it"),
    38: Fault(
        "the standby fails in the middle of a takeover",
        "goes on where it was; nothing orphaned",
        "the next standby in line taking over from it: the lab has one; `understudy simulate` plays it",
    ),
    39: Fault("the standby dies while it serves", "the home takes its part back if it is there"),
    40: Fault("the standby is in use", "told; others unaffected; taken as soon as it is free"),
    41: Fault("home returns during the takeover", "exactly one carries, whichever"),
    42: Fault("handback interrupted", "one owner; tried again"),
    43: Fault("copy interrupted", "resumed; no frame lost"),
    44: Fault("a foreign host has the address", "taken after a wait; told"),
    45: Fault("the switch drops announcements", "clients come back when their caches age"),
    46: Fault(
        "IPv6 duplicate address detection fails",
        "told",
        "the agent asks the wire itself and adds addresses without detection, so the kernel never flags one; see 44",
    ),
    47: Fault("operator deletes an address", "added again within 1 s"),
    48: Fault(
        "second agent, cloned machine",
        "the second is refused",
        "a cloned machine: it would need a fourth host with the addresses of another",
    ),
    49: Fault("servers with different settings", "refuse to arm; told", "the agent does not compare settings yet"),
    50: Fault(
        "rolling upgrade", "no takeover", "two versions at once: there is one release yet; here: restarts, one by one"
    ),
    51: Fault(
        "certificate expired, authority changed",
        "told 30 days before; heartbeats go on",
        "expiry needs another clock (31); the change of an authority has no playbook yet",
    ),
    52: Fault(
        "`failover-delete` while carrying",
        "handed over, then inert; no frame missing, addresses away for at most 0.5 s",
    ),
    53: Fault("cold start of the whole site", "every home gets its own part; no takeover"),
    54: Fault("disk of the standby full while it serves", "keeps the part, records again when there is room; told"),
}
