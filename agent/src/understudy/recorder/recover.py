"""Disk and catalogue compared and put right: after a crash, when a disk comes back, and for the command line.

The files are the truth. A torn tail is cut to the last whole part; a row is made from its file; a row whose file is
gone is forgotten, on a disk that was looked through without an error. Damage that is no torn tail is told and not
touched. All of it may be interrupted at any point and done again.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from understudy.footage.catalogue import Catalogue
from understudy.footage.model import Segment, SegmentIndex
from understudy.recorder.fmp4.scan import scan
from understudy.recorder.fmp4.verify import good_size, resumes
from understudy.recorder.layout import PATH
from understudy.recorder.volume import Volume

#: a crash can falsify rows of the last seconds; with the day's change that is two day directories per track
_DOUBTFUL_DAYS = 2
#: a copy of another server's segment appears in one rename, and its row soon after: not ours to add before
_FOREIGN_S = 600
#: a file being written grows every second while frames come
_QUIET_S = 10.0
#: a smaller file whose head is not readable was torn at birth and holds no frame
_BIRTH_BYTES = 4096
_HASH_BYTES = 1024 * 1024


@dataclass(frozen=True, slots=True)
class Place:
    """A letter to look through: a descriptor of its verified mount point, and what is being written there meanwhile."""

    node: str
    letter: str
    path: Path
    root: int
    #: paths being written now
    live: Callable[[], frozenset[str]] = frozenset
    #: brings the catalogue up to all rows told so far; raises OSError when it cannot
    flush: Callable[[], None] = lambda: None
    #: files changed less than this many seconds ago are left alone (for who cannot know `live`)
    quiet_s: float = 0.0


@dataclass(frozen=True, slots=True)
class Finding:
    """A difference between disk and catalogue, and what puts it right (nothing: it is only told)."""

    id: str
    what: str
    put: Segment | None = None
    forget: bool = False
    cut_to: int | None = None
    unlink: bool = False


def recover(place: Place, catalogue: Catalogue) -> Iterator[Finding]:
    """What a crash can have left on a letter, first where rows are open. Apply each finding before asking for the next.

    Directories whose number of files is that of their rows, all closed, are passed over, but for the newest days.
    """
    yield from _differences(place, catalogue, all_directories=False)


def check(place: Place, catalogue: Catalogue) -> Iterator[Finding]:
    """Every difference between disk and catalogue; bytes are not read where size and row agree."""
    yield from _differences(place, catalogue, all_directories=True)


def check_letter(
    node: str, letter: str, path: Path, catalogue: Catalogue, *, repair: bool, require_mount: bool = True
) -> Iterator[Finding]:
    """`check` from another process than the recorder, which may be running; `repair` applies what is found.

    OSError (`DiskMissingError`) when the letter cannot be looked through: nothing is to be concluded then.
    """
    with Volume(letter, path, require_mount=require_mount).root() as root:
        place = Place(node, letter, path, root, quiet_s=_QUIET_S)
        for finding in check(place, catalogue):
            if repair:
                apply(place, catalogue, finding)
            yield finding


def apply(place: Place, catalogue: Catalogue, finding: Finding) -> None:
    """Put `finding` right. A crash in here leaves a difference that is found again."""
    path = finding.id.split("/", 1)[1]
    if finding.cut_to is not None:
        descriptor = os.open(path, os.O_WRONLY | os.O_CLOEXEC, dir_fd=place.root)
        try:
            os.ftruncate(descriptor, finding.cut_to)
        finally:
            os.close(descriptor)
    if finding.unlink:
        os.unlink(path, dir_fd=place.root)
    if finding.put is not None:
        catalogue.put([finding.put])
    if finding.forget:
        catalogue.remove([finding.id])


def _differences(place: Place, catalogue: Catalogue, *, all_directories: bool) -> Iterator[Finding]:
    done = set()
    for row in catalogue.held(place.node, place.letter, state="open"):
        directory = row.path.rpartition("/")[0]
        if directory not in done:
            done.add(directory)
            yield from _in_directory(place, catalogue, directory)
    known = catalogue.directories(place.node, place.letter)
    newest = sorted({directory[-8:] for directory in known})[-_DOUBTFUL_DAYS:]
    for directory, files in _walk(place.root):
        as_counted = known.pop(directory, None) == (files, 0)
        if directory not in done and (all_directories or not as_counted or directory[-8:] in newest):
            yield from _in_directory(place, catalogue, directory)
    for directory in sorted(known.keys() - done):  # rows of directories that are not there
        yield from _in_directory(place, catalogue, directory)


def _walk(root: int) -> Iterator[tuple[str, int]]:
    """The day directories below `root`, and how many segment files each has."""

    def fail(error: OSError) -> None:
        raise error

    for where, directories, names, _ in os.fwalk(".", dir_fd=root, onerror=fail):
        directory = where.removeprefix("./")
        if where == ".":
            directories[:] = [name for name in directories if name != "lost+found"]
        directories.sort()
        files = sum(PATH.fullmatch(f"{directory}/{name}") is not None for name in names)
        if files:
            yield directory, files


def _in_directory(place: Place, catalogue: Catalogue, directory: str) -> Iterator[Finding]:
    # In this order: a file that is created or closed meanwhile is live, or its row is there already.
    files = _files(place.root, directory)
    live = place.live()
    place.flush()
    rows = {row.path: row for row in catalogue.in_directory(place.node, place.letter, directory)}
    for path, status in sorted(files.items()):
        if path not in live:
            finding = _file(place, path, status, rows.get(path))
            if finding is not None:
                yield finding
    for path, row in sorted(rows.items()):
        if path not in files and path not in live and not _exists(place.root, path):
            yield Finding(row.id, "the file is gone", forget=True)


def _files(root: int, directory: str) -> dict[str, os.stat_result]:
    try:
        descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC, dir_fd=root)
    except FileNotFoundError:
        return {}
    found = {}
    try:
        with os.scandir(descriptor) as entries:
            for entry in entries:
                path = f"{directory}/{entry.name}"
                if PATH.fullmatch(path):
                    with contextlib.suppress(FileNotFoundError):  # deleted meanwhile
                        found[path] = entry.stat(follow_symlinks=False)
    finally:
        os.close(descriptor)
    return found


def _exists(root: int, path: str) -> bool:
    try:
        os.stat(path, dir_fd=root)
    except FileNotFoundError:
        return False
    return True


def _file(place: Place, path: str, status: os.stat_result, row: Segment | None) -> Finding | None:
    """What is to be said of a file that nobody writes; `row` is what the catalogue has of it."""
    if row is not None and row.state == "closed" and row.bytes == status.st_size:
        return None
    match = PATH.fullmatch(path)
    assert match is not None, "only such paths are collected"
    foreign = row is None and match["recorder"] != place.node
    if time.time() - status.st_mtime < max(place.quiet_s, _FOREIGN_S if foreign else 0.0):
        return None
    id = f"{match['recorder']}/{path}"
    with (place.path / path).open("rb", buffering=0) as file:
        descriptor = file.fileno()
        try:
            index = scan(place.path / path)
        except ValueError as error:
            return _headless(id, descriptor, status.st_size, str(error))
        header = index.header
        said = (header.logical, f"{header.camera:03d}", header.track, header.recorder, header.stream[0])
        if said != match.group("logical", "camera", "track", "recorder", "stream"):
            return Finding(id, f"the file says it is of {'/'.join(said)}: left alone")
        damaged = index.whole_size < status.st_size and resumes(descriptor, index.whole_size, status.st_size)
        end = status.st_size if damaged else good_size(descriptor, index)
        segment = _segment(place, id, index, descriptor, end)
    if segment is None:
        return Finding(id, "no whole part: the file goes", unlink=True, forget=True)
    if damaged:
        return Finding(id, f"damaged at byte {index.whole_size}: kept as it is", put=segment)
    if end < status.st_size:
        return Finding(id, f"torn tail of {status.st_size - end} bytes", put=segment, cut_to=end)
    return Finding(id, "no row" if row is None else f"the row says {row.state}, {row.bytes} bytes", put=segment)


def _headless(id: str, descriptor: int, size: int, error: str) -> Finding:
    """A file whose head cannot be read: torn before its first part was whole, or damaged."""
    if size < _BIRTH_BYTES or not any(os.pread(descriptor, _BIRTH_BYTES, 0)):
        return Finding(id, "torn at birth: the file goes", unlink=True, forget=True)
    return Finding(id, f"left alone: {error}")


def _segment(place: Place, id: str, index: SegmentIndex, descriptor: int, end: int) -> Segment | None:
    """The closed row of a file's first `end` bytes; None when there is no whole frame in them."""
    frames = [frame for frame in index.frames if frame.offset < end]
    if not frames:
        return None
    header = index.header
    return Segment(
        id=id,
        logical=header.logical,
        camera=header.camera,
        track=header.track,
        stream=header.stream,
        recorder=header.recorder,
        session=header.session,
        disk=place.letter,
        path=id.split("/", 1)[1],
        start_us=header.start_us,
        end_us=max(frame.wall_us for frame in frames),
        frames=len(frames),
        bytes=end,
        state="closed",
        holder=place.node,
        sha256=_sha256(descriptor, end),
    )


def _sha256(descriptor: int, end: int) -> str:
    digest = hashlib.sha256()
    for offset in range(0, end, _HASH_BYTES):
        digest.update(os.pread(descriptor, min(_HASH_BYTES, end - offset), offset))
    return digest.hexdigest()
