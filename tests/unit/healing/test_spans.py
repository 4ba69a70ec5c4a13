"""The holder's side: whatever carriers ask for, all that the ring holds of it is written, once, and the ring stays."""

from __future__ import annotations

from camera_wire import PPS, SPS, TICKS, Memory, Sender, delta, idr, session
from hypothesis import given, settings
from hypothesis import strategies as st
from rig import FakeWriter
from understudy.recorder.camera import TAKEOVER_ROOM_BYTES, Feed
from understudy.recorder.healing import Healer, Healing, Span
from understudy.recorder.ingest.framing import walk
from understudy.recorder.ingest.loop import Feed as Fed
from understudy.recorder.ingest.loop import Loop
from understudy.recorder.ingest.parser import Session, SessionParser
from understudy.recorder.preroll import Ring
from understudy.recorder.ring_memory import Chunk
from understudy.recorder.tracks import Tracks
from understudy.recorder.units import StreamKind
from understudy.site.plan import Camera, Source

START_US = 1_795_427_000_000_000
FRAME_US = 40_000
GOP = 25
FRAMES = 500
FEED = Feed("north", Camera(number=1, name="Gate", source=Source(type="rtsp")), (), ())


class Now(Loop):
    """Does backlog at once."""

    def __init__(self) -> None:
        super().__init__()
        self.fed: list[Fed] = []

    def add(self, feed: Fed) -> None:
        self.fed.append(feed)

    def remove(self, feed: Fed) -> None:
        self.fed.remove(feed)

    def has_backlog(self, feed: Fed) -> None:
        while feed.work(0.0):
            pass


class Rig:
    """A healer, and what it wrote in files of its own."""

    def __init__(self) -> None:
        self.loop = Now()
        self.opened: list[FakeWriter] = []
        self.room_bytes = 1 << 30
        self.error: str | None = None
        self.healer = Healer(self.loop, self._open)

    def _open(self, feed: Feed) -> Tracks:
        self.opened.append(FakeWriter(room_bytes=self.room_bytes, error=self.error))
        return Tracks([self.opened[-1]])

    @property
    def payloads(self) -> list[bytes]:
        return [unit.payload for writer in self.opened for unit in writer.video]


def wall_us(number: int) -> int:
    return START_US + number * FRAME_US


def ring(seconds: float = 15.0, sets_once: bool = False, hole: range = range(0)) -> Ring:
    """The camera's frames but those of `hole`, one read each; behind the hole another session."""
    filled, sender, held = Ring(seconds), Sender(), session()
    for number in range(FRAMES):
        if number == hole.stop and hole:
            sender, held = Sender(sequence=5, ssrc=9), session(SPS, PPS)
        if number in hole:
            continue
        sets = [SPS, PPS] if number % GOP == 0 and not (sets_once and number) else []
        picture = idr(b"%d" % number, 900) if number % GOP == 0 else delta(b"%d" % number, 700)
        data = sender.picture([*sets, picture], number * TICKS)
        filled.append(Chunk(data, held, wall_us(number), 100 + number * 0.04), walk(data))
    return filled


def replay(chunks: list[Chunk]) -> Memory:
    memory, parsers = Memory(), dict[int, SessionParser]()
    for chunk in chunks:
        parser = parsers.setdefault(id(chunk.session), SessionParser(chunk.session, memory))
        parser.feed(chunk.data, walk(chunk.data), chunk.wall_us)
    return memory


def expected(span: Span, held: list[bytes], first: int) -> list[bytes]:
    return [payload for number, payload in enumerate(held, first) if span.from_us <= wall_us(number) <= span.to_us]


times = st.integers(wall_us(FRAMES - 375), wall_us(FRAMES - 1))
spans = st.lists(st.tuples(times, times).filter(lambda pair: pair[0] < pair[1]), min_size=1, max_size=6)


@settings(max_examples=150, deadline=None)
@given(spans, st.booleans())
def test_f10_every_frame_asked_for_is_written_and_the_ring_stays(asked: list[tuple[int, int]], once: bool) -> None:
    filled, rig = ring(sets_once=once), Rig()
    for pair in asked:
        span = Span(*pair)
        answer = rig.healer.heal(FEED, filled, span)
        assert isinstance(answer, Healing)
        files = len(rig.opened)
        assert rig.healer.heal(FEED, filled, span) is not None
        assert len(rig.opened) == files, "asked again, it writes again"
    whole = replay([held.load() for held in filled.drain()]).video
    payloads = [unit.payload for unit in whole]
    for pair in asked:
        assert set(expected(Span(*pair), payloads, FRAMES - len(payloads))) <= set(rig.payloads)
    for writer in rig.opened:
        assert writer.closed
        assert writer.video[0].key
    assert [number for number, _ in enumerate(payloads)] == list(range(400))  # untouched: 16 s from a key frame on


def test_f10_only_what_the_gap_needs_is_written() -> None:
    rig = Rig()
    answer = rig.healer.heal(FEED, ring(), Span(wall_us(310), wall_us(340)))
    assert isinstance(answer, Healing)
    # From the key frame half a second before the gap (275) to a second behind it (365).
    assert answer.frames.result() == 366 - 275
    for fed in list(rig.loop.fed):
        fed.timer()
    assert not rig.loop.fed


def test_two_answers_are_two_sessions_so_that_their_media_times_are_not_mixed_up() -> None:
    rig, filled = Rig(), ring()
    for first in (200, 400):
        rig.healer.heal(FEED, filled, Span(wall_us(first), wall_us(first + 20)))
    names = [name for writer in rig.opened for _, name in writer.starts]
    assert len(set(names)) == 2
    assert "s1" not in names


def test_a_reconnection_of_the_standby_within_the_span_is_no_matter() -> None:
    rig = Rig()
    answer = rig.healer.heal(FEED, ring(hole=range(310, 325)), Span(wall_us(300), wall_us(340)))
    assert isinstance(answer, Healing)
    assert len(rig.opened[0].starts) == 2
    assert answer.frames.result() == 366 - 275 - 15


def test_what_neither_has_is_not_written() -> None:
    rig = Rig()
    assert "holds nothing" in str(rig.healer.heal(FEED, ring(hole=range(300, 350)), Span(wall_us(299), wall_us(350))))
    assert "holds nothing" in str(rig.healer.heal(FEED, ring(), Span(wall_us(-100), wall_us(-50))))
    assert not rig.opened


def test_a_part_of_the_span_is_better_than_nothing_and_the_rest_is_taken_when_it_is_there() -> None:
    rig, filled = Rig(), ring()
    begun = rig.healer.heal(FEED, filled, Span(wall_us(FRAMES - 50), wall_us(FRAMES + 50)))
    assert isinstance(begun, Healing)
    assert begun.span.to_us == wall_us(FRAMES - 1)
    assert begun.frames.result() == 75  # from the key frame 425 on
    early = rig.healer.heal(FEED, filled, Span(wall_us(-100), wall_us(120)))
    assert isinstance(early, Healing)
    assert early.frames.result() == 121 + 25 - 100


def test_a_disk_out_of_use_is_told_and_asked_again_it_writes() -> None:
    rig, filled, span = Rig(), ring(), Span(wall_us(300), wall_us(320))
    rig.error = "disk C is missing: no disk is mounted there"
    assert rig.healer.heal(FEED, filled, span) == rig.error
    rig.error = None
    assert isinstance(rig.healer.heal(FEED, filled, span), Healing)


def test_live_frames_have_the_disks_queue_first() -> None:
    rig = Rig()
    rig.room_bytes = TAKEOVER_ROOM_BYTES - 1
    answer = rig.healer.heal(FEED, ring(), Span(wall_us(300), wall_us(320)))
    assert isinstance(answer, Healing)
    assert not answer.frames.done()
    rig.opened[0].room_bytes = 1 << 30
    rig.loop.fed[0].timer()
    assert answer.frames.result() > 20


def test_a_fault_in_one_answer_ends_that_answer_only() -> None:
    class Failing(FakeWriter):
        def write(self, kind: StreamKind, unit: object) -> None:
            raise RuntimeError("a fault for the test")

    loop = Now()
    healer = Healer(loop, lambda feed: Tracks([Failing()]))
    answer = healer.heal(FEED, ring(), Span(wall_us(300), wall_us(320)))
    assert isinstance(answer, Healing)
    assert answer.frames.result() == 0


def test_sessions_keep_their_own_parameter_sets() -> None:
    filled = ring(sets_once=True)
    before = [list(chunk.session.parameter_sets) for chunk in filled.between(wall_us(300), wall_us(320))]
    assert all(sets == [SPS, PPS] for sets in before)
    held: Session = next(iter(filled.drain())).session
    assert held.name == "s1"
