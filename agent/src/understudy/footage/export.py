"""Export: one playable MP4 of a span of a camera's timeline, whoever holds the bytes. Nothing is encoded again.

FILE gets its name when all of it is on the disk: an error leaves nothing, a crash leaves `FILE.part`.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Sequence
from pathlib import Path

import msgspec

from understudy.footage.access import Footage
from understudy.footage.disks import FootageError
from understudy.footage.gaps import Gap
from understudy.footage.model import Frame, Segment, SegmentIndex
from understudy.footage.movie import Movie, Sample, Track, sample_entry
from understudy.footage.peers import PeerError
from understudy.footage.runs import REBASE_US
from understudy.footage.timeline import Piece, Timeline

#: the key frame at or before the start is looked for this far back; a camera with longer groups starts late
LOOK_BACK_US = 60_000_000
#: video and audio take turns in the file at this length
CHUNK_US = 1_000_000


class Manifest(msgspec.Struct, frozen=True, kw_only=True):
    """What an export holds. Times are microseconds since the epoch, UTC."""

    file: str
    from_us: int
    to_us: int
    duration_s: float
    video_frames: int
    audio_frames: int
    bytes: int
    #: servers whose recordings are in it
    recorders: tuple[str, ...]
    gaps: tuple[Gap, ...]
    #: segments of the span that nobody could give
    unavailable: tuple[str, ...]
    #: what is recorded and not in the file, because a player takes one codec per track: sentences
    left_out: tuple[str, ...] = ()


class _Chunk(msgspec.Struct, frozen=True):
    """Neighbouring frames of one segment and their decode times in ticks from the start of their track."""

    segment: Segment
    index: SegmentIndex
    frames: Sequence[Frame]
    ticks: Sequence[int]


async def export(footage: Footage, rows: Sequence[Segment], from_us: int, to_us: int, target: Path) -> Manifest:
    """Write the footage of `rows` (one camera and track) of [from_us, to_us) to `target`.

    It starts at the key frame at or before `from_us`. FootageError when the span has no video or a holder fails on the
    way, OSError when `target` cannot be written; neither leaves a file.
    """
    video = _Reader(footage, await footage.timeline(rows, "video", from_us - LOOK_BACK_US, to_us))
    await video.begin_at_key(from_us)
    audio = _Reader(footage, await footage.timeline(rows, "audio", video.start_us, to_us))
    part = target.with_name(target.name + ".part")
    try:
        with part.open("w+b") as file:
            movie = Movie(file)
            last_us = await _write(footage, movie, [video, audio], video.start_us)
            movie.finish()
            file.flush()
            await asyncio.to_thread(os.fsync, file.fileno())
        part.replace(target)
    except BaseException:
        part.unlink(missing_ok=True)
        raise
    frames = {track.stream: track.frames for track in movie.tracks}
    return Manifest(
        file=str(target),
        from_us=video.start_us,
        to_us=last_us,
        duration_s=round(movie.tracks[0].seconds(), 3),
        video_frames=frames["video"],
        audio_frames=frames.get("audio", 0),
        bytes=target.stat().st_size,
        recorders=tuple(dict.fromkeys(piece.segment.recorder for piece in video.timeline.pieces)),
        gaps=video.timeline.gaps,
        unavailable=tuple(video.lost + audio.lost),
        left_out=(*video.left_out("pictures"), *audio.left_out("units of sound")),
    )


class _Reader:
    """Goes through the frames of a timeline and gives each its decode time."""

    def __init__(self, footage: Footage, timeline: Timeline) -> None:
        self._footage = footage
        self.timeline = timeline
        self._last_index: tuple[str, SegmentIndex] | None = None
        #: ids of segments that nobody could give
        self.lost = list(timeline.unavailable)
        #: frames by codec, in the order of the timeline: the first codec is the one that is exported
        self._codecs: dict[str, int] = {}

    @property
    def start_us(self) -> int:
        """Capture time of the first frame."""
        return self.timeline.pieces[0].start_us

    async def _index(self, segment: Segment) -> SegmentIndex | None:
        """The frame index; None, and noted in `lost`, when it cannot be had."""
        if self._last_index is None or self._last_index[0] != segment.id:
            if segment.id in self.lost:
                return None
            try:
                self._last_index = (segment.id, await self._footage.index(segment))
            except (FootageError, PeerError):
                self.lost.append(segment.id)
                return None
        return self._last_index[1]

    async def begin_at_key(self, from_us: int) -> None:
        """Drop what is before the last key frame up to `from_us`, or before the first one behind it."""
        pieces = self.timeline.pieces
        if not pieces or pieces[-1].end_us < from_us:
            raise FootageError("there is no footage in this span")
        behind = next((n for n, piece in enumerate(pieces) if piece.start_us > from_us), len(pieces))
        in_gap = any(gap.from_us < from_us < gap.to_us for gap in self.timeline.gaps)
        backwards = range(0) if in_gap else range(behind - 1, -1, -1)
        for number in [*backwards, *range(behind, len(pieces))]:
            piece = pieces[number]
            index = await self._index(piece.segment)
            frames = index.frames if index else ()
            keys = [n for n in range(piece.first, min(piece.stop, len(frames))) if frames[n].key]
            before = [n for n in keys if frames[n].wall_us <= from_us]
            if before or (keys and number >= behind):
                first = before[-1] if before else keys[0]
                self._begin(number, first, frames[first].wall_us)
                return
        raise FootageError("there is no footage in this span")

    def _begin(self, number: int, first: int, start_us: int) -> None:
        pieces = self.timeline.pieces
        start = msgspec.structs.replace(pieces[number], first=first, start_us=start_us, step_us=None)
        self.timeline = msgspec.structs.replace(
            self.timeline,
            pieces=(start, *pieces[number + 1 :]),
            gaps=tuple(gap for gap in self.timeline.gaps if gap.to_us > start_us),
        )

    async def chunks(self) -> AsyncIterator[_Chunk]:
        """Frames with decode times in ticks of the first segment's clock, in chunks of at most `CHUNK_US`."""
        timescale = 0
        ticks = 0
        before: tuple[Piece, Frame] | None = None
        for piece in self.timeline.pieces:
            index = await self._index(piece.segment)
            if index is None:
                continue
            held = index.frames[piece.first : piece.stop]
            codec = index.header.codec
            self._codecs[codec] = self._codecs.get(codec, 0) + len(held)
            if codec != next(iter(self._codecs)):
                continue
            timescale = timescale or index.header.clock_rate
            frames: list[Frame] = []
            times: list[int] = []
            for frame in held:
                if before is not None:
                    ticks += max(1, self._step(before, (piece, frame), index.header.clock_rate, timescale))
                before = (piece, frame)
                if frames and frame.wall_us - frames[0].wall_us >= CHUNK_US:
                    yield _Chunk(piece.segment, index, frames, times)
                    frames, times = [], []
                frames.append(frame)
                times.append(ticks)
            if frames:
                yield _Chunk(piece.segment, index, frames, times)

    def left_out(self, what: str) -> list[str]:
        """What `chunks` passed over, once it has ended."""
        first, *others = self._codecs.items() or [("", 0)]
        return [f"{count} {what} in {codec}: the export is in {first[0]}" for codec, count in others]

    def _step(self, before: tuple[Piece, Frame], after: tuple[Piece, Frame], clock_rate: int, timescale: int) -> int:
        """Ticks from frame to frame: by media time within a session, as the timeline says across sessions."""
        last, frame = before[1], after[1]
        one, other = before[0].segment, after[0].segment
        media_us = (frame.dts - last.dts) * 1_000_000 // clock_rate
        wall_us = frame.wall_us - last.wall_us
        same = (one.recorder, one.session) == (other.recorder, other.session)
        if same and media_us > 0 and abs(media_us - wall_us) <= REBASE_US:
            return (frame.dts - last.dts) * timescale // clock_rate
        # The timeline's step leads to the piece right before, which must not have been passed over.
        known = after[0] is not before[0] and not self.lost and len(self._codecs) == 1
        step_us = after[0].step_us if known else None
        return (wall_us if step_us is None else step_us) * timescale // 1_000_000


async def _write(footage: Footage, movie: Movie, readers: list[_Reader], start_us: int) -> int:
    """Write the tracks, taking turns by time; returns the capture time of the last video frame."""
    turns = [reader.chunks() for reader in readers]
    heads = [await anext(turn, None) for turn in turns]
    tracks: list[Track | None] = [None for _ in turns]
    last_us = start_us
    while any(heads):
        number = min((n for n, head in enumerate(heads) if head), key=lambda n: _wall(heads[n]))
        chunk = heads[number]
        assert chunk is not None
        track = tracks[number]
        if track is None:
            delay_us = max(0, chunk.frames[0].wall_us - start_us)
            track = movie.track(chunk.segment.stream, chunk.index.header.clock_rate, delay_us)
            tracks[number] = track
        await _copy(footage, movie, track, chunk)
        if chunk.segment.stream == "video":
            last_us = chunk.frames[-1].wall_us
        heads[number] = await anext(turns[number], None)
    return last_us


def _wall(chunk: _Chunk | None) -> int:
    assert chunk is not None
    return chunk.frames[0].wall_us


async def _copy(footage: Footage, movie: Movie, track: Track, chunk: _Chunk) -> None:
    entry = sample_entry(await footage.read(chunk.segment, 0, chunk.index.init_size))
    first = chunk.frames[0].offset
    data = await footage.read(chunk.segment, first, chunk.frames[-1].offset + chunk.frames[-1].size - first)
    view = memoryview(data)
    payloads = [view[frame.offset - first : frame.offset - first + frame.size] for frame in chunk.frames]
    scale = track.timescale / chunk.index.header.clock_rate
    samples = [
        Sample(frame.size, ticks, round(frame.cts * scale), frame.key)
        for frame, ticks in zip(chunk.frames, chunk.ticks, strict=True)
    ]
    movie.write(track, entry, payloads, samples)
