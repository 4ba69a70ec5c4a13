"""No input makes a reader raise what it does not document, hold memory without bound, or take long (issue C, part 8).

What the corpus holds is read first; then hypothesis changes it. `python -m fuzz --seconds N` here goes on for longer.
"""

from __future__ import annotations

import pytest
from fuzz.edits import KINDS, Edit, apply
from fuzz.targets import TARGETS, Target
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

EXAMPLES = 150

by_target = pytest.mark.parametrize("target", TARGETS, ids=lambda target: target.name)


def edits(tokens: tuple[bytes, ...]) -> st.SearchStrategy[list[Edit]]:
    numbers = st.integers(0, 4095)
    edit = st.builds(Edit, st.sampled_from(KINDS), st.integers(0, 65_535), numbers, st.sampled_from(tokens))
    return st.lists(edit, min_size=1, max_size=6)


@by_target
def test_the_corpus_is_read_within_its_bounds(target: Target) -> None:
    corpus = target.corpus()
    assert corpus
    for data in corpus:
        target.run(data)
        target.run(data, weigh=True)


@by_target
@settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=[HealthCheck.too_slow], derandomize=True)
@given(data=st.data())
def test_changed_input_is_harmless(target: Target, data: st.DataObject) -> None:
    seed = data.draw(st.sampled_from(target.corpus()))
    target.run(apply(seed, data.draw(edits(target.tokens))))


@by_target
@settings(max_examples=EXAMPLES // 3, deadline=None, derandomize=True)
@given(data=st.binary(max_size=600))
def test_any_input_is_harmless(target: Target, data: bytes) -> None:
    target.run(data)
