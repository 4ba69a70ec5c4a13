"""Rows of a server and its own part; the first row of a state whose guard gives a reason fires. Pure."""

from __future__ import annotations

from functools import partial

from understudy.failover import guards, moves, tasks
from understudy.failover.model import Phase
from understudy.failover.row import Row

STARTING, MAINTENANCE = Phase.STARTING, Phase.MAINTENANCE
FAILED, CLEARED, DETACHED = Phase.FAILED, Phase.CLEARED, Phase.DETACHED
CLAIMING, ISOLATED, HANDING_OVER = Phase.CLAIMING, Phase.ISOLATED, Phase.HANDING_OVER
SERVING, RETURNING = Phase.SERVING, Phase.RETURNING

#: what must leave goes first, then what the register says, then what people want, then what merely goes on
ROW = partial(Row, who="home")

ROWS: tuple[Row, ...] = (
    ROW(103, STARTING, FAILED, moves.fails, "the fault lasts", "record nothing, claim nothing"),
    ROW(102, STARTING, DETACHED, moves.removed, "removed from failover", "only record"),
    ROW(109, STARTING, SERVING, guards.confirmed, "the register confirms its own part", "add addresses"),
    ROW(113, STARTING, RETURNING, guards.others, "another server carries its part", "go on recording"),
    ROW(111, STARTING, CLAIMING, guards.unowned, "nobody has ever carried its part", "create", tasks.claim),
    ROW(115, STARTING, STARTING, guards.no_register, "records without the register, without addresses"),
    ROW(207, SERVING, RETURNING, guards.others, "the register gives its part away", "drop addresses"),
    ROW(205, SERVING, ISOLATED, guards.expired, "the deadline passed", "drop addresses, go on recording"),
    ROW(209, SERVING, HANDING_OVER, moves.fails, "this server is FAILED", "ask a standby to record, 2 s"),
    ROW(212, SERVING, HANDING_OVER, moves.removed, "removed from failover", "ask a standby to record, 10 s"),
    ROW(211, SERVING, HANDING_OVER, moves.shuts_down, "the machine shuts down", "ask a standby to record, 10 s"),
    ROW(213, SERVING, HANDING_OVER, moves.shuts_down_alone, "the machine shuts down", "drop, release"),
    ROW(215, SERVING, HANDING_OVER, moves.drains, "maintenance", "ask a standby to record, 10 s"),
    ROW(217, SERVING, HANDING_OVER, moves.moved, "moved by hand", "ask that standby to record, 10 s"),
    ROW(203, SERVING, SERVING, guards.unconfirmed, "renewals are late", "ask all takers for promises"),
    ROW(201, SERVING, SERVING, guards.renewing, "renewals are confirmed again"),
    ROW(232, HANDING_OVER, RETURNING, moves.given, "its part has left", "go on recording", tasks.gone),
    ROW(234, HANDING_OVER, ISOLATED, guards.stranded, "the deadline passed", "drop addresses", tasks.keep),
    ROW(233, HANDING_OVER, SERVING, moves.broken_off, "the move is broken off", "retry in 30 s", tasks.rest),
    ROW(231, HANDING_OVER, HANDING_OVER, moves.next_ready, "its part can leave", "drop, release", tasks.drop),
    ROW(807, RETURNING, FAILED, moves.fails, "this server is FAILED", "stop recording"),
    ROW(808, RETURNING, DETACHED, moves.removed, "removed from failover", "only record"),
    ROW(803, RETURNING, SERVING, guards.confirmed, "its part was handed home", "add addresses"),
    ROW(821, RETURNING, MAINTENANCE, moves.maintained, "maintenance", "take nothing back"),
    ROW(805, RETURNING, CLAIMING, guards.claimable, "its part's carrier is gone", "take", tasks.claim),
    ROW(804, RETURNING, CLAIMING, guards.claimable_early, "its carrier is silent everywhere", "take", tasks.claim),
    ROW(806, RETURNING, CLAIMING, moves.takeable, "its part is free", "take", tasks.claim_released),
    ROW(801, RETURNING, RETURNING, guards.ready, "records its own cameras again", "say so to the carrier"),
    ROW(511, CLAIMING, SERVING, guards.confirmed, "the claim won", "add addresses"),
    ROW(513, CLAIMING, RETURNING, guards.claim_refused, "the claim lost", task=tasks.end_claim),
    ROW(515, CLAIMING, RETURNING, guards.claim_lost, "the claim was not answered", task=tasks.end_claim),
    ROW(905, ISOLATED, FAILED, moves.fails, "this server is FAILED", "stop recording, release"),
    ROW(906, ISOLATED, DETACHED, moves.removed, "removed from failover", "release, only record"),
    ROW(901, ISOLATED, SERVING, guards.confirmed, "the register confirms its part again", "add addresses"),
    ROW(903, ISOLATED, RETURNING, guards.others, "its part was taken over meanwhile", "go on recording"),
    ROW(825, MAINTENANCE, FAILED, moves.fails, "this server is FAILED", "stop recording"),
    ROW(826, MAINTENANCE, DETACHED, moves.removed, "removed from failover", "only record"),
    ROW(823, MAINTENANCE, SERVING, guards.confirmed, "an earlier claim had won", "add addresses"),
    ROW(822, MAINTENANCE, RETURNING, moves.maintenance_over, "maintenance is over"),
    ROW(954, FAILED, DETACHED, moves.removed, "removed from failover", "only record"),
    ROW(952, FAILED, CLEARED, moves.cleared, "the fault is cleared", "wait for a restart of the machine"),
    ROW(956, CLEARED, DETACHED, moves.removed, "removed from failover", "only record"),
    ROW(953, CLEARED, FAILED, moves.fails_again, "the fault is back"),
)
