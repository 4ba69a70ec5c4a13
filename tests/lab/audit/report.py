"""The verdict on a set of recordings of one camera. Reads files, changes none."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any

from audit import mp4, stamps
from audit.stamps import Stamped

#: first and last counter of a run of pictures, ends included
Range = tuple[int, int]


@dataclass(frozen=True, slots=True)
class Damage:
    """A picture that is not as its camera sent it; `counter` is None when it carries none."""

    file: str
    counter: int | None
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Audit:
    """What the recordings hold between the counters `first` and `last` (None: there is no picture at all)."""

    camera: str
    first: int | None
    last: int | None
    #: pictures read, duplicates and damaged ones included
    count: int
    missing: list[Range] = field(default_factory=list)
    #: counters that are there more than once, in one file or in several
    duplicates: list[Range] = field(default_factory=list)
    damaged: list[Damage] = field(default_factory=list)
    #: pictures a decoder cannot show: at the start of a file or behind a jump of the counter, up to the next key frame
    undecodable: list[Range] = field(default_factory=list)
    #: (counter, next counter in the same file) where the file goes backwards
    backwards: list[Range] = field(default_factory=list)
    #: files that end in the middle of a box, as a crash leaves them; what is whole in them counts
    torn: list[str] = field(default_factory=list)

    @property
    def ok(self) -> bool:
        """Every picture once, undamaged, in order and decodable. Torn tails alone are no fault: see `missing`."""
        return not (self.missing or self.duplicates or self.damaged or self.undecodable or self.backwards)

    def to_dict(self) -> dict[str, Any]:
        """All fields and `ok`, ready for JSON."""
        return {"ok": self.ok, **asdict(self)}


@dataclass(frozen=True, slots=True)
class _File:
    path: Path
    pictures: list[Stamped]
    torn: bool

    def camera(self) -> str:
        """The camera most of its pictures are of."""
        names = Counter(picture.camera for picture in self.pictures if picture.camera)
        return names.most_common(1)[0][0] if names else ""


def counters(path: Path | str) -> list[int]:
    """The counters of all pictures of a file in decode order, damaged ones included where they have one.

    Raises OSError, or ValueError when it is no MP4 file; a file without a video track gives an empty list.
    """
    return [picture.counter for picture in _read(Path(path)).pictures if picture.counter is not None]


def check(
    paths: Iterable[Path | str],
    first: int | None = None,
    last: int | None = None,
    *,
    silent: Sequence[Range] = (),
) -> Audit:
    """Audit the files of one camera together, in any order, between two counters (default: the outermost found).

    `silent` are ranges the camera itself never produced (`camsim stats`): they are not missing. A picture of another
    camera than most is damage. Files without a video track are passed over. Raises as `counters` does.
    """
    return _judge([_read(Path(path)) for path in paths], first, last, silent)


def check_all(paths: Iterable[Path | str], first: int | None = None, last: int | None = None) -> dict[str, Audit]:
    """Audit files of several cameras: one verdict for each camera; a file belongs to the camera most of it is of."""
    files = [_read(Path(path)) for path in paths]
    names = sorted({file.camera() for file in files if file.pictures})
    return {name: _judge([file for file in files if file.camera() == name], first, last, ()) for name in names}


def sound(path: Path | str) -> tuple[str, bytes]:
    """(sample entry, all bytes) of the sound of a file, ("", b"") when it has none. Raises as `counters` does.

    Sound carries no counter: that G.711 is whole shows by comparing its bytes with the camera's.
    """
    data, movie = _movie(Path(path), b"soun")
    return movie.entry.decode(), b"".join(data[at : at + size] for at, size in movie.samples)


def _read(path: Path) -> _File:
    data, movie = _movie(path, b"vide")
    pictures = [stamps.read(data[at : at + size], movie.length_size, movie.entry) for at, size in movie.samples]
    return _File(path, pictures, movie.torn)


def _movie(path: Path, handler: bytes) -> tuple[bytes, mp4.Movie]:
    data = path.read_bytes()
    try:
        return data, mp4.read(data, handler)
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from error


def _judge(files: list[_File], first: int | None, last: int | None, silent: Sequence[Range]) -> Audit:
    found = [picture.counter for file in files for picture in file.pictures if picture.counter is not None]
    first = min(found, default=None) if first is None else first
    last = max(found, default=None) if last is None else last
    names = Counter(file.camera() for file in files if file.pictures)
    camera = names.most_common(1)[0][0] if names else ""
    if first is None or last is None:
        return Audit(camera=camera, first=first, last=last, count=0, damaged=_damage(files, camera))

    def inside(counter: int | None) -> bool:
        return counter is None or first <= counter <= last

    files = [_File(file.path, [p for p in file.pictures if inside(p.counter)], file.torn) for file in files]
    seen = Counter(p.counter for file in files for p in file.pictures if p.counter is not None)
    excused = {counter for low, high in silent for counter in range(max(low, first), min(high, last) + 1)}
    known = sorted({first - 1, *seen, *excused, last + 1})
    return Audit(
        camera=camera,
        first=first,
        last=last,
        count=sum(len(file.pictures) for file in files),
        missing=[(before + 1, after - 1) for before, after in pairwise(known) if after - before > 1],
        duplicates=ranges(sorted(counter for counter, times in seen.items() if times > 1)),
        damaged=_damage(files, camera),
        undecodable=ranges(sorted({counter for file in files for counter in _undecodable(file)})),
        backwards=[pair for file in files for pair in _backwards(file)],
        torn=[str(file.path) for file in files if file.torn],
    )


def ranges(counters: Iterable[int]) -> list[Range]:
    """Ascending counters as ranges, ends included."""
    found: list[Range] = []
    for counter in counters:
        if found and found[-1][1] == counter - 1:
            found[-1] = (found[-1][0], counter)
        else:
            found.append((counter, counter))
    return found


def _damage(files: list[_File], camera: str) -> list[Damage]:
    damaged = []
    for file in files:
        for picture in file.pictures:
            foreign = f"a picture of {picture.camera}" if picture.camera and picture.camera != camera else ""
            if reason := picture.fault or foreign:
                damaged.append(Damage(str(file.path), picture.counter, reason))
    return damaged


def _undecodable(file: _File) -> Iterable[int]:
    previous: int | None = None
    shown = False
    for picture in file.pictures:
        if picture.counter is None:
            shown = False
            continue
        shown = picture.key or (shown and previous is not None and picture.counter == previous + 1)
        if not shown:
            yield picture.counter
        previous = picture.counter


def _backwards(file: _File) -> Iterable[Range]:
    found = [picture.counter for picture in file.pictures if picture.counter is not None]
    return ((a, b) for a, b in pairwise(found) if b <= a)
