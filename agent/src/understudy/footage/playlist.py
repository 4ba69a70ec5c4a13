"""Playlists of HLS (RFC 8216) over segment files as they lie: byte ranges of whole parts, and what is cut out. Pure.

A *chunk* is one entry of a playlist: parts of one file that lie behind each other, or, where a timeline enters or
leaves a file in the middle of a part, some frames of it, which the web process lays out anew. So a seam between two
servers plays each frame once.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import pairwise
from urllib.parse import quote

import msgspec

from understudy.footage.instants import show
from understudy.footage.model import Segment, SegmentIndex
from understudy.footage.timeline import Piece, Timeline

#: chunks of recordings are about this long: few requests, and a seek lands near
CHUNK_S = 4.0
#: shown where the next frame does not tell how long the last one lasts
_USUAL_FRAME_S = 0.04
_MAX_FRAME_S = 2.0


class Chunk(msgspec.Struct, frozen=True, kw_only=True):
    """An entry of a playlist. Frames `first` to before `stop` of the file, which begin at its byte `offset`."""

    #: the segment's id and the server that holds it
    id: str
    holder: str
    init_size: int
    offset: int
    size: int
    first: int
    stop: int
    #: whether the bytes are not those of whole parts: frames are cut out
    cut: bool
    #: capture time of the first frame, microseconds
    wall_us: int
    length_s: float
    #: whether it begins with a key frame
    key: bool
    #: media time does not go on from the chunk before: another recorder or session, or a gap
    broken: bool


class _Stretch(msgspec.Struct, frozen=True):
    """A part of a file as far as a piece uses it."""

    first: int
    stop: int
    offset: int
    size: int
    cut: bool


def chunks(timeline: Timeline, indexes: Mapping[str, SegmentIndex]) -> list[Chunk]:
    """The entries that play `timeline`; pieces of which no index is given are left out and leave a break."""
    found: list[Chunk] = []
    gaps = {gap.to_us for gap in timeline.gaps}
    before: Piece | None = None
    for piece in timeline.pieces:
        index = indexes.get(piece.segment.id)
        if index is None:
            before = None
            continue
        broken = before is None or _session(before) != _session(piece) or piece.start_us in gaps
        if found and not broken:
            found[-1] = _meet(found[-1], indexes[found[-1].id], index, piece)
        for group in _groups(_stretches(index, piece.first, piece.stop), index):
            found.append(_chunk(piece.segment, index, group, broken=broken and bool(found)))
            broken = False
        before = piece
    return found


def from_key(found: Sequence[Chunk], from_us: int) -> Sequence[Chunk]:
    """Without what lies before the last chunk that begins with a key frame at or before `from_us`."""
    starts = [number for number, chunk in enumerate(found) if chunk.key and (number == 0 or chunk.wall_us <= from_us)]
    return found[starts[-1] :] if starts else found


def _session(piece: Piece) -> tuple[str, str]:
    return piece.segment.recorder, piece.segment.session


def _stretches(index: SegmentIndex, first: int, stop: int) -> Iterator[_Stretch]:
    """The parts of the file that hold frames `first` to before `stop`."""
    number = 0
    for offset, size in index.parts:
        begin = number
        while number < len(index.frames) and index.frames[number].offset < offset + size:
            number += 1
        low, high = max(begin, first), min(number, stop)
        if low < high:
            yield _Stretch(low, high, offset, size, (low, high) != (begin, number))


def _groups(stretches: Iterable[_Stretch], index: SegmentIndex) -> Iterator[list[_Stretch]]:
    """Put whole parts together until the next key frame behind `CHUNK_S`; what is cut stays alone."""
    group: list[_Stretch] = []
    for stretch in stretches:
        long = group and _ticks(index, group[0].first, stretch.first) >= CHUNK_S * index.header.clock_rate
        key = index.frames[stretch.first].key
        if group and (stretch.cut or group[-1].cut or (long and key)):
            yield group
            group = []
        group.append(stretch)
    if group:
        yield group


def _ticks(index: SegmentIndex, first: int, stop: int) -> int:
    return index.frames[stop].dts - index.frames[first].dts


def _chunk(segment: Segment, index: SegmentIndex, group: list[_Stretch], *, broken: bool) -> Chunk:
    first, stop = group[0].first, group[-1].stop
    frame = index.frames[first]
    return Chunk(
        id=segment.id,
        holder=segment.holder,
        init_size=index.init_size,
        offset=group[0].offset,
        size=group[-1].offset + group[-1].size - group[0].offset,
        first=first,
        stop=stop,
        cut=group[0].cut,
        wall_us=frame.wall_us,
        length_s=length_s(index, first, stop),
        key=frame.key,
        broken=broken,
    )


def length_s(index: SegmentIndex, first: int, stop: int) -> float:
    """How long frames `first` to before `stop` are shown; the last frame of a file as long as the one before it."""
    rate = index.header.clock_rate
    if stop < len(index.frames):
        return _bounded(_ticks(index, first, stop) / rate, stop - first)
    last_s = _ticks(index, stop - 2, stop - 1) / rate if stop > 1 else _USUAL_FRAME_S
    return _bounded(_ticks(index, first, stop - 1) / rate + min(last_s, _MAX_FRAME_S), stop - first)


def _bounded(found_s: float, frames: int) -> float:
    """Times within a file that step back or stand still are no length."""
    return found_s if found_s > 0 else frames * _USUAL_FRAME_S


def _meet(chunk: Chunk, index: SegmentIndex, following: SegmentIndex, piece: Piece) -> Chunk:
    """The chunk as long as it is until the next file of its session begins."""
    if index.header.clock_rate != following.header.clock_rate:
        return chunk
    ticks = following.frames[piece.first].dts - index.frames[chunk.first].dts
    found_s = ticks / index.header.clock_rate
    near = 0 < found_s <= chunk.length_s + _MAX_FRAME_S
    return msgspec.structs.replace(chunk, length_s=found_s) if near else chunk


def vod(found: Sequence[Chunk]) -> str:
    """A playlist of something that is over."""
    return "\n".join([*_head(found), "#EXT-X-PLAYLIST-TYPE:VOD", *_entries(found), "#EXT-X-ENDLIST", ""])


def live(found: Sequence[Chunk], sequence: int, discontinuities: int) -> str:
    """A playlist that goes on. `sequence` numbers its first entry, `discontinuities` counts the breaks before it."""
    counts = [f"#EXT-X-MEDIA-SEQUENCE:{sequence}", f"#EXT-X-DISCONTINUITY-SEQUENCE:{discontinuities}"]
    return "\n".join([*_head(found), *counts, *_entries(found), ""])


def _head(found: Sequence[Chunk]) -> list[str]:
    longest_s = max((chunk.length_s for chunk in found), default=1.0)
    return ["#EXTM3U", "#EXT-X-VERSION:7", f"#EXT-X-TARGETDURATION:{max(1, round(longest_s))}"]


def _entries(found: Sequence[Chunk]) -> Iterator[str]:
    init = ""
    for before, chunk in pairwise([None, *found]):
        assert chunk is not None, "only the one before the first is None"
        if chunk.broken and before is not None:
            yield "#EXT-X-DISCONTINUITY"
        place = f"{quote(chunk.id)}?at={quote(chunk.holder, safe='')}"
        wanted = f'#EXT-X-MAP:URI="/hls/segments/{place}",BYTERANGE="{chunk.init_size}@0"'
        if wanted != init or chunk.broken:
            yield wanted
        init = wanted
        yield f"#EXT-X-PROGRAM-DATE-TIME:{show(chunk.wall_us)}"
        yield f"#EXTINF:{chunk.length_s:.5f},"
        if chunk.cut:
            yield f"/hls/cuts/{place}&first={chunk.first}&stop={chunk.stop}"
        else:
            yield f"#EXT-X-BYTERANGE:{chunk.size}@{chunk.offset}"
            yield f"/hls/segments/{place}"
