"""Rows of a standby and another server's part; the first row of a state whose guard gives a reason fires. Pure."""

from __future__ import annotations

from functools import partial

from understudy.failover import guards, moves, tasks
from understudy.failover.model import Phase
from understudy.failover.row import Row

STARTING, MAINTENANCE = Phase.STARTING, Phase.MAINTENANCE
FAILED, CLEARED, DETACHED = Phase.FAILED, Phase.CLEARED, Phase.DETACHED
STANDBY, SHADOWING, CLAIMING = Phase.STANDBY, Phase.SHADOWING, Phase.CLAIMING
TAKEN_OVER, ISOLATED = Phase.TAKEN_OVER, Phase.ISOLATED
HANDING_BACK, HANDING_OVER = Phase.HANDING_BACK, Phase.HANDING_OVER

ROW = partial(Row, who="standby")

ROWS: tuple[Row, ...] = (
    ROW(104, STARTING, FAILED, moves.fails, "the fault lasts", "record nothing, claim nothing"),
    ROW(110, STARTING, DETACHED, moves.removed, "removed from failover", "record nothing"),
    ROW(108, STARTING, TAKEN_OVER, guards.confirmed, "it carried the part before", "add addresses"),
    ROW(107, STARTING, STANDBY, guards.not_ours, "stands by", "hold pre-roll", tasks.go_on),
    ROW(106, STARTING, SHADOWING, guards.start_recording, "records without the register", task=tasks.suspect),
    ROW(105, STARTING, STANDBY, guards.start_blind, "stands by without register", "hold pre-roll", tasks.go_on),
    ROW(307, STANDBY, FAILED, moves.fails, "this server is FAILED", "leave the line"),
    ROW(308, STANDBY, DETACHED, moves.removed, "removed from failover", "leave the line for good"),
    ROW(310, STANDBY, TAKEN_OVER, guards.confirmed, "an earlier claim had won", "add addresses"),
    ROW(321, STANDBY, MAINTENANCE, moves.maintained, "maintenance", "leave the line"),
    ROW(304, STANDBY, SHADOWING, moves.asked, "its carrier gives it away", "record", tasks.accept),
    ROW(303, STANDBY, SHADOWING, moves.released, "nobody carries it", "record", tasks.suspect),
    ROW(301, STANDBY, SHADOWING, guards.rescue, "its carrier is silent", "record", tasks.suspect),
    ROW(302, STANDBY, SHADOWING, guards.faltered, "its carrier may miss frames", "record", tasks.suspect),
    ROW(305, STANDBY, STANDBY, guards.promised, "its carrier cannot reach the register", "promise"),
    ROW(306, STANDBY, STANDBY, guards.promise_over, "the promise is over"),
    ROW(408, SHADOWING, FAILED, moves.fails, "this server is FAILED", "stop recording"),
    ROW(409, SHADOWING, DETACHED, moves.removed, "removed from failover", "stop recording"),
    ROW(410, SHADOWING, TAKEN_OVER, guards.confirmed, "an earlier claim had won", "add addresses", tasks.carry),
    ROW(405, SHADOWING, STANDBY, guards.new_owner, "another server has it now", "stop soon", tasks.linger),
    ROW(401, SHADOWING, STANDBY, guards.calm, "a false alarm", "stop recording"),
    ROW(406, SHADOWING, STANDBY, guards.other_first, "another part comes first", "stop recording"),
    ROW(402, SHADOWING, CLAIMING, moves.takeable, "nobody carries it", "take", tasks.claim_released),
    ROW(403, SHADOWING, CLAIMING, guards.claimable, "its carrier is gone", "take", tasks.claim),
    ROW(404, SHADOWING, CLAIMING, guards.claimable_early, "its carrier is silent everywhere", "take", tasks.claim),
    ROW(407, SHADOWING, SHADOWING, guards.no_register, "goes on recording without the register"),
    ROW(501, CLAIMING, TAKEN_OVER, guards.confirmed, "the claim won", "add addresses, announce", tasks.carry),
    ROW(503, CLAIMING, SHADOWING, guards.claim_refused, "the claim lost", task=tasks.end_claim),
    ROW(505, CLAIMING, SHADOWING, guards.claim_lost, "the claim was not answered", task=tasks.end_claim),
    ROW(609, TAKEN_OVER, STANDBY, guards.others, "the register gives it away", "drop addresses", tasks.gone),
    ROW(603, TAKEN_OVER, ISOLATED, guards.expired, "the deadline passed", "drop addresses, go on recording"),
    ROW(605, TAKEN_OVER, HANDING_BACK, guards.home_back, "its home is back", "wait for first frames there"),
    ROW(607, TAKEN_OVER, HANDING_OVER, moves.fails, "this server is FAILED", "ask another to record, 2 s"),
    ROW(612, TAKEN_OVER, HANDING_OVER, moves.removed, "removed from failover", "ask another to record, 10 s"),
    ROW(611, TAKEN_OVER, HANDING_OVER, moves.shuts_down, "the machine shuts down", "ask another to record, 10 s"),
    ROW(613, TAKEN_OVER, HANDING_OVER, moves.shuts_down_alone, "the machine shuts down", "drop, release"),
    ROW(615, TAKEN_OVER, HANDING_OVER, moves.drains, "maintenance", "ask another to record, 10 s"),
    ROW(617, TAKEN_OVER, HANDING_OVER, moves.moved, "moved by hand", "ask that standby to record, 10 s"),
    ROW(602, TAKEN_OVER, TAKEN_OVER, guards.unconfirmed, "renewals are late", "ask all takers for promises"),
    ROW(601, TAKEN_OVER, TAKEN_OVER, guards.renewing, "renewals are confirmed again"),
    ROW(702, HANDING_BACK, STANDBY, guards.others, "it went home", "record 5 s more", tasks.gone_home),
    ROW(704, HANDING_BACK, ISOLATED, guards.stranded, "the deadline passed", "drop addresses", tasks.keep),
    ROW(703, HANDING_BACK, TAKEN_OVER, guards.handback_failed, "handback broken off", "retry later", tasks.damp),
    ROW(701, HANDING_BACK, HANDING_BACK, guards.home_ready, "its home records", "drop, hand over", tasks.drop),
    ROW(632, HANDING_OVER, STANDBY, moves.given, "it has left", "record 5 s more", tasks.gone),
    ROW(634, HANDING_OVER, ISOLATED, guards.stranded, "the deadline passed", "drop addresses", tasks.keep),
    ROW(633, HANDING_OVER, TAKEN_OVER, moves.broken_off, "the move is broken off", "retry in 30 s", tasks.rest),
    ROW(631, HANDING_OVER, HANDING_OVER, moves.next_ready, "it can leave", "drop, release", tasks.drop),
    ROW(911, ISOLATED, FAILED, moves.fails, "this server is FAILED", "stop recording, release"),
    ROW(912, ISOLATED, DETACHED, moves.removed, "removed from failover", "stop recording, release"),
    ROW(902, ISOLATED, TAKEN_OVER, guards.confirmed, "the register confirms it again", "add addresses"),
    ROW(904, ISOLATED, STANDBY, guards.others, "it was taken meanwhile", "record 5 s more", tasks.gone),
    ROW(335, MAINTENANCE, FAILED, moves.fails, "this server is FAILED", "drop pre-roll"),
    ROW(336, MAINTENANCE, DETACHED, moves.removed, "removed from failover", "drop pre-roll"),
    ROW(323, MAINTENANCE, TAKEN_OVER, guards.confirmed, "an earlier claim had won", "add addresses"),
    ROW(322, MAINTENANCE, STANDBY, moves.maintenance_over, "maintenance is over", "stand by again"),
    ROW(958, FAILED, DETACHED, moves.removed, "removed from failover"),
    ROW(957, FAILED, CLEARED, moves.cleared, "the fault is cleared", "wait for a restart of the machine"),
    ROW(960, CLEARED, DETACHED, moves.removed, "removed from failover"),
    ROW(959, CLEARED, FAILED, moves.fails_again, "the fault is back"),
)
