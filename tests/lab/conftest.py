"""The lab's stories need the lab: `./lab test` brings it up first."""

from __future__ import annotations

import pytest
import story
from harness.lab import Lab


def pytest_addoption(parser: pytest.Parser) -> None:
    """What the faults measure is kept only when asked: a test leaves the checkout as it is."""
    parser.addoption(
        "--figures", action="store_true", help="keep what the faults measure in tests/lab/faults/figures.json"
    )


@pytest.fixture(scope="session")
def lab() -> Lab:
    """The running lab; fails with the remedy when it is not up."""
    return Lab()


@pytest.fixture
def site(lab: Lab) -> Lab:
    """The lab with every fault undone and everything at home, recording, protected."""
    lab.heal("all")
    story.wait_whole(lab)
    return lab
