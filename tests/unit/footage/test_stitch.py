"""Stitching gives the union of what anybody holds: in order, each frame once (S10-S12)."""

from __future__ import annotations

import random
from itertools import pairwise

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sequences import INTERVAL_US, Camera, Kept
from understudy.footage.stitch import stitch

RECORDERS = ("rec1", "stby1", "stby2")


def played(kept: Kept) -> list[int]:
    """The true numbers of the frames that play."""
    return [step.entry.frame.offset for step in stitch(kept.segments, kept.indexes)]


def recorders(kept: Kept) -> list[str]:
    """Who plays, one after the other."""
    names: list[str] = []
    for step in stitch(kept.segments, kept.indexes):
        if not names or names[-1] != step.entry.segment.recorder:
            names.append(step.entry.segment.recorder)
    return names


def test_s12_takeover_and_handback_play_through() -> None:
    kept = Kept(Camera(1000))
    kept.record("rec1", [(0, 407), (800, 1000)])
    kept.record("stby1", [(350, 900)], clock_us=90_000)
    assert played(kept) == list(range(1000))
    assert recorders(kept) == ["rec1", "stby1", "rec1"]


def test_f10_a_hiccup_in_the_middle_is_filled_by_the_other() -> None:
    kept = Kept(Camera(900))
    kept.record("rec1", [(0, 300), (340, 900)])
    kept.record("stby1", [(250, 420)], clock_us=-80_000)
    assert played(kept) == list(range(900))
    assert recorders(kept) == ["rec1", "stby1", "rec1"]


def test_a_group_that_nobody_holds_whole_is_put_together() -> None:
    kept = Kept(Camera(300, gop=50))
    kept.record("rec1", [(0, 300)], lost=frozenset({110, 111, 160}))
    kept.record("stby1", [(50, 250)], lost=frozenset({120, 160}))
    assert played(kept) == [n for n in range(300) if n != 160]


def test_a_ring_written_again_in_the_same_session_repeats_nothing() -> None:
    kept = Kept(Camera(600))
    kept.record("stby1", [(0, 300), (200, 600)], same_session=True)
    assert played(kept) == list(range(600))


def test_the_same_picture_a_minute_later_is_another_frame() -> None:
    kept = Kept(Camera(3200, period=1500))
    kept.record("rec1", [(0, 1400), (2900, 3200)])
    kept.record("stby1", [(1300, 3000)], clock_us=100_000)
    assert played(kept) == list(range(3200))


@pytest.mark.parametrize("clock_us", [-100_000, 0, 100_000])
def test_a_still_picture_is_joined_by_wall_time(clock_us: int) -> None:
    """A scene without motion: slices repeat as soon as frame numbers do."""
    kept = Kept(Camera(800, gop=32, period=32))
    kept.record("rec1", [(0, 410)])
    kept.record("stby1", [(320, 800)], clock_us=clock_us)
    assert played(kept) == list(range(800))


def test_recorders_without_a_common_frame_follow_by_wall_time() -> None:
    kept = Kept(Camera(600))
    kept.record("rec1", [(0, 200), (400, 600)])
    kept.record("stby1", [(200, 390)], clock_us=-100_000)
    assert played(kept) == [*range(390), *range(400, 600)]


@st.composite
def sites(draw: st.DrawFn) -> Kept:
    gop = draw(st.integers(8, 25))
    gops = draw(st.integers(8, 24))
    camera = Camera(gop * gops, gop=gop, period=draw(st.sampled_from([None, max(gop * gops * 2 // 3, 100)])))
    if camera.period and camera.period * INTERVAL_US < 3_000_000:
        camera.period = None
    kept = Kept(camera)
    for recorder in RECORDERS[: draw(st.integers(1, 3))]:
        cuts = sorted(draw(st.sets(st.integers(0, gops), min_size=2, max_size=6)))
        windows = []
        for first, stop in zip(cuts[::2], cuts[1::2], strict=False):
            torn = draw(st.integers(0, gop - 1))
            windows.append((first * gop, max(first * gop + 8, stop * gop - torn)))
        kept.record(
            recorder,
            windows,
            clock_us=draw(st.integers(-85_000, 85_000)),
            jitter=random.Random(draw(st.integers(0, 9))),
            segment_gops=draw(st.integers(1, 4)),
        )
    return kept


@settings(max_examples=200, deadline=None)
@given(sites())
def test_the_result_is_the_union_in_order_without_repeats(kept: Kept) -> None:
    union = sorted({frame.offset for index in kept.indexes.values() for frame in index.frames})
    assert played(kept) == union


@settings(max_examples=60, deadline=None)
@given(sites(), st.randoms(use_true_random=False))
def test_the_order_in_which_segments_are_listed_does_not_matter(kept: Kept, shuffled: random.Random) -> None:
    before = [(step.entry.segment.id, step.entry.number) for step in stitch(kept.segments, kept.indexes)]
    shuffled.shuffle(kept.segments)
    assert [(step.entry.segment.id, step.entry.number) for step in stitch(kept.segments, kept.indexes)] == before


def test_a_long_span_takes_little_time() -> None:
    """Both recorders for 40 minutes: 120 000 frames."""
    kept = Kept(Camera(60_000, gop=50))
    kept.record("rec1", [(0, 30_010), (30_100, 60_000)], segment_gops=30)
    kept.record("stby1", [(0, 60_000)], segment_gops=30)
    assert played(kept) == list(range(60_000))


@settings(max_examples=80, deadline=None)
@given(sites())
def test_without_any_common_frame_wall_time_orders_and_nothing_long_is_lost_or_repeated(kept: Kept) -> None:
    """As if every server's encoder made its own bytes: seams are as good as the clocks, a quarter of a second."""
    for id, index in kept.indexes.items():
        own = RECORDERS.index(index.header.recorder) * 1_000_000
        frames = tuple(msgspec.structs.replace(frame, crc=own + frame.offset) for frame in index.frames)
        kept.indexes[id] = msgspec.structs.replace(index, frames=frames)
    shown = played(kept)
    seams = len(kept.indexes) * len(RECORDERS)
    union = {frame.offset for index in kept.indexes.values() for frame in index.frames}
    assert all(after > before - 20 for before, after in pairwise(shown))
    assert len(union - set(shown)) <= 8 * seams
    assert len(shown) - len(set(shown)) <= 8 * seams
