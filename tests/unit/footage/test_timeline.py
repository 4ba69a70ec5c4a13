"""The timeline: spans, gaps with cause and proof, and looking only where it must."""

from __future__ import annotations

import random
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sequences import INTERVAL_US, START_US, Camera, Kept
from test_stitch import sites
from understudy.footage.timeline import Timeline, build, needed


def timeline(kept: Kept, from_us: int | None = None, to_us: int | None = None) -> Timeline:
    """The timeline with only those indexes it asks for."""
    wanted = needed(kept.segments, from_us, to_us)
    indexes = {id: index for id, index in kept.indexes.items() if id in wanted}
    return build(kept.segments, indexes, from_us, to_us)


def played(kept: Kept, found: Timeline) -> list[int]:
    frames = [kept.indexes[piece.segment.id].frames[piece.first : piece.stop] for piece in found.pieces]
    return [frame.offset for part in frames for frame in part]


def us(number: int) -> int:
    return START_US + number * INTERVAL_US


def test_f01_a_takeover_without_loss_has_no_gap() -> None:
    kept = Kept(Camera(1000))
    kept.record("rec1", [(0, 407), (800, 1000)])
    kept.record("stby1", [(350, 900)])
    found = timeline(kept)
    assert found.gaps == ()
    assert [(span.holder, span.frames) for span in found.spans()] == [("rec1", 407 - 7), ("stby1", 500), ("rec1", 100)]


@pytest.mark.parametrize(
    ("first", "second", "cause", "proof"),
    [
        (("rec1", [(0, 200)]), ("stby1", [(300, 500)]), "takeover, rec1 to stby1", "wall time"),
        (("rec1", [(0, 200), (300, 500)]), None, "recorder restart or new connection to the camera", "wall time"),
        (("rec1", [(0, 200), (230, 500)]), None, "recorder restart or new connection to the camera", "wall time"),
    ],
)
def test_f01_gaps_say_how_long_why_and_how_it_is_known(first, second, cause, proof) -> None:  # type: ignore[no-untyped-def]
    kept = Kept(Camera(500))
    kept.record(*first)
    if second:
        kept.record(*second)
    (gap,) = timeline(kept).gaps
    held = [frame.offset for index in kept.indexes.values() for frame in index.frames]
    missing = 500 - len(held)
    assert (gap.from_us, gap.length_s) == (us(199), pytest.approx(missing * 0.04))
    assert (gap.cause, gap.proof) == (cause, proof)


def test_f01_frames_lost_on_the_way_are_a_gap_by_media_time_even_if_the_clock_jitters() -> None:
    kept = Kept(Camera(600))
    kept.record("rec1", [(0, 600)], lost=frozenset({155, 156}), jitter=random.Random(1))
    (gap,) = timeline(kept).gaps
    assert (gap.length_s, gap.cause, gap.proof) == (0.08, "camera or network", "media time")


def test_a_standby_between_two_takeovers_was_not_recording() -> None:
    kept = Kept(Camera(900))
    kept.record("stby1", [(0, 200), (600, 900)], same_session=True)
    (gap,) = timeline(kept).gaps
    assert (gap.length_s, gap.cause) == (16.0, "stby1 was not recording")


def test_a_gap_that_both_share_is_known_by_the_frames_on_either_side() -> None:
    kept = Kept(Camera(400, gop=20))
    kept.record("rec1", [(0, 210)])
    kept.record("stby1", [(100, 400)], lost=frozenset(range(205, 220)))
    found = timeline(kept)
    assert played(kept, found) == [*range(210), *range(220, 400)]
    assert [(gap.length_s, gap.proof) for gap in found.gaps] == [(0.4, "frame identity")]


def test_quiet_hours_are_not_looked_into() -> None:
    kept = Kept(Camera(60_000, gop=50))
    kept.record("rec1", [(0, 30_010), (32_000, 60_000)], segment_gops=30)
    kept.record("stby1", [(29_750, 32_500)], segment_gops=30)
    wanted = needed(kept.segments)
    assert len(kept.segments) == 42
    assert len(wanted) <= 7
    assert played(kept, timeline(kept)) == list(range(60_000))


def test_a_span_begins_and_ends_where_asked() -> None:
    kept = Kept(Camera(1000))
    kept.record("rec1", [(0, 407)])
    kept.record("stby1", [(350, 1000)])
    found = timeline(kept, us(100), us(700))
    assert played(kept, found) == list(range(100, 700))
    assert timeline(kept, us(2000), us(2100)) == Timeline()


def test_s17_a_late_frame_at_a_seam_is_no_hole_where_the_span_ends() -> None:
    """Frame 409 reached the standby so late that its time is behind those of the next two, of the other recorder."""
    kept = Kept(Camera(1000))
    kept.record("rec1", [(410, 1000)])
    kept.record("stby1", [(300, 410)], clock_us=3 * INTERVAL_US)
    kept.record("stby1", [(200, 300)])
    for end in range(405, 415):
        frames = played(kept, timeline(kept, us(250), us(end)))
        assert frames == list(range(frames[0], frames[-1] + 1))
        assert end - 4 <= frames[-1] < end


@settings(max_examples=120, deadline=None)
@given(sites(), st.integers(0, 600), st.integers(1, 300))
def test_s17_any_span_is_a_stretch_of_the_whole(kept: Kept, first: int, length: int) -> None:
    """Wherever a span is cut, nothing inside it is left out."""
    whole = played(kept, timeline(kept))
    frames = played(kept, timeline(kept, us(first), us(first + length)))
    if frames:
        begin = whole.index(frames[0])
        assert frames == whole[begin : begin + len(frames)]


def test_footage_nobody_lets_us_look_into_is_named_and_leaves_a_gap() -> None:
    kept = Kept(Camera(600))
    kept.record("rec1", [(0, 250), (400, 600)])
    kept.record("stby1", [(200, 450)])
    lost = next(s.id for s in kept.segments if s.recorder == "stby1" and s.start_us <= us(300) <= s.end_us)
    indexes = {id: index for id, index in kept.indexes.items() if id != lost}
    found = build(kept.segments, indexes, us(300), us(301))
    assert found.unavailable == (lost,)
    assert found.pieces == ()


@settings(max_examples=120, deadline=None)
@given(sites())
def test_looking_only_where_needed_gives_the_same_frames(kept: Kept) -> None:
    union = sorted({frame.offset for index in kept.indexes.values() for frame in index.frames})
    found = timeline(kept)
    assert played(kept, found) == union
    holes = [(b - a - 1) * INTERVAL_US / 1e6 for a, b in pairwise(union) if b - a > 1]
    clocks_apart_s = 0.25
    assert len(found.gaps) >= len([hole for hole in holes if hole > clocks_apart_s])
    assert sum(gap.length_s for gap in found.gaps) <= sum(holes) + clocks_apart_s * (len(holes) + 6)
