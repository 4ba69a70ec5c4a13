"""All scenarios, by number."""

from __future__ import annotations

from faults import arbitration, homeward, network, planned, power, processes, storage
from faults.scenario import REGISTRY, Scenario

MODULES = (arbitration, homeward, network, planned, power, processes, storage)
SCENARIOS: tuple[Scenario, ...] = tuple(sorted(REGISTRY.scenarios, key=lambda scenario: scenario.number))
