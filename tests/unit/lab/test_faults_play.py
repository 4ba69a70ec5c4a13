"""A play that is broken off is told of like any other: what it measured, and the error as its complaint."""

from collections.abc import Callable

import pytest
from faults import audits
from faults.addresses import Sampler
from faults.play import Play, told
from faults.scenario import STEADY, Scenario
from harness.probe import Watch
from harness.shell import LabError


class HealedLab:
    """A lab of which only the healing is seen."""

    def __init__(self) -> None:
        self.healed: list[str] = []

    def heal(self, host: str) -> None:
        self.healed.append(host)

    def host(self, _name: str) -> "HealedLab":
        return self

    def run(self, _argv: list[str]) -> None:
        pass


def play_of(lab: HealedLab, does: Callable[[Play], None]) -> Play:
    scenario = Scenario(1, "crash", "dies", does, {"north": STEADY, "south": STEADY})
    return Play(lab, scenario, Watch([]), Sampler(), audits.Site({}, {}))


@pytest.mark.parametrize("error", [LabError("stby1 is\nnot up"), TimeoutError("north"), pytest.fail.Exception("900 s")])
def test_an_error_becomes_a_complaint_and_everything_is_undone(error: BaseException) -> None:
    lab, heard, undone = HealedLab(), [], []

    def breaks(play: Play) -> None:
        play.undo(lambda: undone.append("cable"))
        play.figure("taken after, s", 1.5)
        raise error

    play = play_of(lab, breaks)
    with pytest.raises(type(error)), told(play, heard.append):
        play.scenario.play(play)
    assert heard == [play]
    assert play.figures == {"taken after, s": 1.5}
    words = " ".join(str(error).split())
    assert play.complaints == [f"broken off by {type(error).__name__}: {words}"]
    assert (undone, lab.healed) == (["cable"], ["all"])


def test_who_gives_up_leaves_no_figure_but_everything_undone() -> None:
    lab, heard = HealedLab(), []
    play = play_of(lab, lambda _play: None)
    with pytest.raises(KeyboardInterrupt), told(play, heard.append):
        raise KeyboardInterrupt
    assert (heard, lab.healed) == ([], ["all"])
