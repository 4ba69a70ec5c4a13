"""Times of frames that libav gives, and of those it knows none of."""

from __future__ import annotations

from fractions import Fraction

from understudy.recorder.fallback.times import Times

S = 1_000_000_000


def test_a_first_frame_without_time_is_no_jump_before_the_second() -> None:
    """Over UDP the first picture has none now and then; the next one is a few milliseconds from zero."""
    times = Times(90_000, by_arrival=False)
    assert times.timestamp(None, 1529 * S) == 0
    assert times.timestamp(Fraction(5389, 90_000), 1529 * S) == 5389


def test_a_frame_without_time_follows_the_last_one() -> None:
    times = Times(90_000, by_arrival=False)
    times.timestamp(Fraction(10), 7 * S)
    assert times.timestamp(None, 7 * S + S // 25) == 10 * 90_000 + 3600
    assert times.timestamp(None, 7 * S + S // 25) == 10 * 90_000 + 3601, "never the same twice"
    assert times.timestamp(Fraction(251, 25), 8 * S) == 251 * 3600


def test_where_the_stream_has_no_times_arrival_is_all_there_is() -> None:
    times = Times(90_000, by_arrival=True)
    assert times.timestamp(Fraction(5), 3 * S) == 3 * 90_000
