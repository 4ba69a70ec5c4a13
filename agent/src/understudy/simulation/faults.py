"""Fault schedules: what goes wrong in a simulated site, when, and for how long. Numbers in brackets: fault list."""

from __future__ import annotations

from collections.abc import Callable
from random import Random

from understudy.failover.model import Fired
from understudy.simulation import operators, registers
from understudy.simulation.fault import Fault, Inject
from understudy.simulation.machine import Machine
from understudy.simulation.world import CLIENTS, NETWORKS, World

#: faults begin after everybody has settled and end before the site is healed
FIRST_S, LAST_S = 3.0, 18.0
#: share of the schedules in which a server drifts, in which the register loses what it knows
DRIFTS, LOSES = 0.3, 0.2


def crash(world: World, fault: Fault) -> Callable[[], None]:
    """[1, 38, 39, 41] Power off, and on again."""
    machine = world.machines[fault.targets[0]]
    if not machine.up:
        return lambda: None
    machine.power_off()
    return lambda: None if machine.up else machine.power_on()


def freeze(world: World, fault: Fault) -> Callable[[], None]:
    """[6] SIGSTOP of the agent, SIGCONT later."""
    machine = world.machines[fault.targets[0]]
    machine.freeze()
    return machine.thaw


def kill(world: World, fault: Fault) -> Callable[[], None]:
    """[5] kill -9 of the agent; systemd starts it again after half a second, whatever `lasts` says."""
    machine = world.machines[fault.targets[0]]
    machine.stop_agent()
    world.at(world.now + 0.5, machine.start_agent)
    return lambda: None


def freeze_first_write(world: World, fault: Fault) -> Callable[[], None]:
    """[5, then 6] The agent is killed, starts again, and is stopped while its first write is on its way."""
    machine = world.machines[fault.targets[0]]
    machine.trap_s = fault.lasts
    return kill(world, fault)


def count(attribute: str) -> Inject:
    """A fault of the whole site that is a counter of the world, for faults overlap."""

    def injected(world: World, fault: Fault) -> Callable[[], None]:
        setattr(world, attribute, getattr(world, attribute) + 1)
        return lambda: setattr(world, attribute, getattr(world, attribute) - 1)

    return injected


def stale_reads(world: World, fault: Fault) -> Callable[[], None]:
    """Reads are answered by a member that has fallen behind."""
    world.stale[fault.targets[0]] = dict(world.register.values)

    def heal() -> None:
        world.stale.pop(fault.targets[0], None)

    return heal


def cut_register(world: World, fault: Fault) -> Callable[[], None]:
    """[23] One machine cannot reach the register."""
    return _cut(world, [], [fault.targets[0]])


def cut_pair(world: World, fault: Fault) -> Callable[[], None]:
    """[24] Two machines do not hear each other."""
    a, b = fault.targets
    return _cut(world, [(a, b), (b, a)], [])


def one_way(world: World, fault: Fault) -> Callable[[], None]:
    """[26] Packets from the first to the second are lost."""
    a, b = fault.targets
    return _cut(world, [(a, b)], [])


def isolate(world: World, fault: Fault) -> Callable[[], None]:
    """[25] One machine is alone."""
    a = fault.targets[0]
    pairs = [pair for b in world.machines if b != a for pair in ((a, b), (b, a))]
    return _cut(world, pairs, [a])


def one_network(network: str) -> Inject:
    """One machine is cut off on one network and heard on the other."""

    def injected(world: World, fault: Fault) -> Callable[[], None]:
        a = fault.targets[0]
        pairs = [pair for b in world.machines if b != a for pair in ((a, b), (b, a))]
        return _cut(world, pairs, [], (network,))

    return injected


def one_way_clients(world: World, fault: Fault) -> Callable[[], None]:
    """What the first sends to the second is lost on the client network, answers to ARP among it."""
    a, b = fault.targets
    return _cut(world, [(a, b)], [], (CLIENTS,))


def half_deaf(world: World, fault: Fault) -> Callable[[], None]:
    """The machine hears everybody and is heard by nobody, not even by the register."""
    a = fault.targets[0]
    return _cut(world, [(a, b) for b in world.machines if b != a], [a])


def mute_arp(world: World, fault: Fault) -> Callable[[], None]:
    """[45] A switch filters what the machine answers to ARP."""
    world.mute_arp[fault.targets[0]] += 1

    def heal() -> None:
        world.mute_arp[fault.targets[0]] -= 1

    return heal


def stopped_unseen(world: World, fault: Fault) -> Callable[[], None]:
    """[6 and 25] The agent is stopped and the machine cut off in the same second; it holds its addresses."""
    heal = isolate(world, fault)
    thaw = freeze(world, fault)

    def both() -> None:
        thaw()
        heal()

    return both


def deaf_then_alone(world: World, fault: Fault) -> Callable[[], None]:
    """[23, then 25] The register is lost first, everything else in the middle of the fault."""
    heal_first = _cut(world, [], [fault.targets[0]])
    heals = [heal_first]
    world.at(world.now + fault.lasts / 2, lambda: heals.append(isolate(world, fault)))

    def heal() -> None:
        for one in heals:
            one()

    return heal


def split(world: World, fault: Fault) -> Callable[[], None]:
    """[27] The switch splits; the register is with the machines that are not named."""
    inside = set(fault.targets)
    pairs = [(a, b) for a in world.machines for b in world.machines if (a in inside) != (b in inside)]
    return _cut(world, pairs, sorted(inside))


def mute_recorder(world: World, fault: Fault) -> Callable[[], None]:
    """The recorder goes on recording and does not answer the agent."""
    machine = world.machines[fault.targets[0]]
    machine.recorder_mute = True

    def heal() -> None:
        machine.recorder_mute = False

    return heal


def home_dies_in_handback(world: World, fault: Fault) -> Callable[[], None]:
    """[42] Homes come back without first frames, and die when they are about to get their part."""
    for machine in world.machines.values():
        machine.recorder_mute = True
    world.at_row[605] = lambda machine, row: _off_and_on(world, machine.state_of(row.part).home, fault.lasts)

    def heal() -> None:
        for machine in world.machines.values():
            machine.recorder_mute = False

    return heal


def carrier_dies_at_last(world: World, fault: Fault) -> Callable[[], None]:
    """[39, 41] The standby dies when the home is back and does not have its part yet."""

    def strike(machine: Machine, row: Fired) -> None:
        for name, other in world.machines.items():
            if row.part in other.kernel and name != machine.name:
                _off_and_on(world, name, fault.lasts)
                return

    world.at_row[801] = strike
    return crash(world, fault)


def blind_restart(world: World, fault: Fault) -> Callable[[], None]:
    """[19, then 5] No register, a server dies, and the agent of the standby that records for it is killed."""
    world.register_down += 1

    def strike(machine: Machine, row: Fired) -> None:
        machine.stop_agent()
        world.at(world.now + 0.5, machine.start_agent)

    world.at_row[301] = strike
    revive = crash(world, fault)

    def heal() -> None:
        world.register_down -= 1
        revive()

    return heal


def _off_and_on(world: World, name: str, lasts: float) -> None:
    machine = world.machines[name]
    if machine.up:
        machine.power_off()
        world.at(world.now + lasts, lambda: None if machine.up else machine.power_on())


def _cut(
    world: World, pairs: list[tuple[str, str]], register: list[str], networks: tuple[str, ...] = NETWORKS
) -> Callable[[], None]:
    wires = [(a, b, network) for a, b in pairs for network in networks]
    world.cut.update(wires)
    world.register_cut.update(register)

    def heal() -> None:
        world.cut.subtract(wires)
        world.register_cut.subtract(register)

    return heal


#: kind -> how, how many machines it names, how often compared with the others
KINDS: dict[str, tuple[Inject, int, int]] = {
    "crash": (crash, 1, 5),
    "freeze": (freeze, 1, 3),
    "freeze-first-write": (freeze_first_write, 1, 1),
    "kill-agent": (kill, 1, 2),
    #: [18, 19, 21] no quorum
    "register-down": (count("register_down"), 0, 2),
    #: [15, 16, 17] stalling disks, elections
    "register-slow": (count("register_slow"), 0, 2),
    #: executed, but the answer is lost
    "register-lossy": (count("register_lossy"), 0, 2),
    "claim-unanswered": (count("lose_claims"), 0, 1),
    "home-dies-in-handback": (home_dies_in_handback, 0, 1),
    "carrier-dies-at-last": (carrier_dies_at_last, 1, 1),
    "blind-restart": (blind_restart, 1, 1),
    "stale-reads": (stale_reads, 1, 2),
    "cut-register": (cut_register, 1, 2),
    "cut-pair": (cut_pair, 2, 2),
    "one-way": (one_way, 2, 2),
    "isolate": (isolate, 1, 3),
    "deaf-then-alone": (deaf_then_alone, 1, 2),
    "split": (split, 2, 1),
    #: [30] one NIC of two
    "cut-cameras": (one_network(NETWORKS[0]), 1, 1),
    "cut-clients": (one_network(CLIENTS), 1, 1),
    "one-way-clients": (one_way_clients, 2, 1),
    "half-deaf": (half_deaf, 1, 2),
    "mute-arp": (mute_arp, 1, 1),
    "stopped-unseen": (stopped_unseen, 1, 1),
    #: [28] three heartbeats in ten are lost; all are late and out of order
    "loss": (count("loss"), 0, 1),
    "jitter": (count("jitter"), 0, 1),
    "mute-recorder": (mute_recorder, 1, 1),
    **operators.KINDS,
    **registers.KINDS,
}


def draw(random: Random, machines: list[str]) -> list[Fault]:
    """One to six faults, overlapping as it comes; now and then a server that drifts, a register that is lost."""
    faults = []
    for _ in range(random.randint(1, 6)):
        kind = random.choices(list(KINDS), weights=[weight for _, _, weight in KINDS.values()])[0]
        targets = tuple(random.sample(machines, KINDS[kind][1]))
        at = round(random.uniform(FIRST_S, LAST_S), 2)
        lasts = round(random.choice([0.3, 1.0, 3.0, 4.0, 6.0, 12.0]) * random.uniform(0.7, 1.3), 2)
        faults.append(Fault(at=at, lasts=lasts, kind=kind, targets=targets))
    if random.random() < DRIFTS:
        at, lasts = round(random.uniform(FIRST_S, LAST_S), 2), round(random.uniform(2.0, 15.0), 2)
        faults.append(Fault(at=at, lasts=lasts, kind="drift", targets=(random.choice(machines),)))
    if random.random() < LOSES:
        at, lasts = round(random.uniform(FIRST_S, LAST_S), 2), round(random.uniform(1.0, 12.0), 2)
        faults.append(Fault(at=at, lasts=lasts, kind=random.choice(list(registers.KINDS)), targets=()))
    return sorted(faults, key=lambda fault: fault.at)


def inject(world: World, fault: Fault) -> None:
    """Let it happen now, and heal it when its time is over."""
    heal = KINDS[fault.kind][0](world, fault)
    world.at(world.now + fault.lasts, heal)
