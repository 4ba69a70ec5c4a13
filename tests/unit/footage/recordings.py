"""A site of two servers with real segment files: what rec1 and stby1 recorded of one camera, in directories."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from pathlib import Path

import media
from understudy.footage.catalogue import Catalogue
from understudy.footage.disks import Disks
from understudy.footage.model import Segment, SegmentHeader, StreamKind
from understudy.recorder.fmp4.fragment import Fragmenter
from understudy.recorder.fmp4.init import init_section
from understudy.recorder.fmp4.scan import scan
from understudy.recorder.layout import segment_path
from understudy.recorder.units import AccessUnit, Codec, Format
from understudy.site.plan import PLAN_VERSION, Camera, Disk, Logical, Plan, Server, Source, Track

SECONDS = 12
FPS = 25


def plan(root: Path, node: str) -> Plan:
    """north lives on rec1, south on rec2, stby1 stands by; every server has the letter C below `root`."""

    def server(name: str, address: str, kind: str, rank: int | None = None) -> Server:
        disk = Disk(letter="C", path=str(root / name / "C"), free_floor_bytes=0)
        return Server(name=name, kind=kind, rank=rank, disks=(disk,), peer_address=address)  # type: ignore[arg-type]

    camera = Camera(
        number=1,
        name="Gate",
        source=Source(type="rtsp", url="rtsp://198.18.0.1/1"),
        tracks=(Track(name="main", disk="C", days=3650),),
    )
    return Plan(
        version=PLAN_VERSION,
        site="lab",
        node=node,
        servers=(
            server("rec1", "198.18.30.11", "server"),
            server("rec2", "198.18.30.12", "server"),
            server("stby1", "198.18.30.21", "standby", 0),
        ),
        logical=(
            Logical(name="north", home="rec1", cameras=(camera,)),
            Logical(name="south", home="rec2", cameras=(camera,)),
        ),
    )


@dataclass
class Node:
    """One server: its plan, its letter, its catalogue."""

    root: Path
    name: str
    plan: Plan = field(init=False)
    disks: Disks = field(init=False)
    catalogue: Catalogue = field(init=False)

    def __post_init__(self) -> None:
        self.plan = plan(self.root, self.name)
        (self.root / self.name / "C").mkdir(parents=True)
        self.disks = Disks(self.plan.me, mounted=lambda path: path.is_dir())
        self.catalogue = Catalogue(self.root / self.name / "catalogue.db")

    def path(self, segment: Segment) -> Path:
        """Where the bytes of `segment` would be on this server."""
        return self.disks.path(segment)

    def record(
        self,
        session: str,
        first_s: float,
        stop_s: float,
        *,
        stream: StreamKind = "video",
        clock_us: int = 0,
        segment_s: float = 3.0,
        logical: str = "north",
        state: str = "closed",
        codec: Codec = "h264",
    ) -> list[Segment]:
        """Record the camera from `first_s` to `stop_s` of its picture in a session of its own."""
        form, units = _film(stream, codec)
        base = sum(session.encode()) * 1_000_003
        kept = [
            AccessUnit(unit.pts + base, unit.wall_us + clock_us, unit.key, unit.payload, unit.crc)
            for unit in units
            if first_s <= (unit.wall_us - media.EPOCH_US) / 1e6 < stop_s
        ]
        groups: list[list[AccessUnit]] = []
        for unit in kept:
            if not groups or (unit.key and unit.wall_us - groups[-1][0].wall_us >= segment_s * 1e6):
                groups.append([])
            groups[-1].append(unit)
        rows = [self._write(form, group, session, logical, state) for group in groups]
        self.catalogue.put(rows)
        return rows

    def _write(self, form: Format, units: list[AccessUnit], session: str, logical: str, state: str) -> Segment:
        header = SegmentHeader(
            logical=logical,
            camera=1,
            track="main",
            stream=form.kind,
            codec=form.codec,
            clock_rate=form.clock_rate,
            recorder=self.name,
            session=session,
            start_us=units[0].wall_us,
        )
        fragmenter = Fragmenter(form)
        parts = [fragmenter.add(unit) for unit in units] + [fragmenter.flush()]
        data = init_section(header, form) + b"".join(b"".join(part.buffers) for part in parts if part)
        path = segment_path(header)
        target = self.root / self.name / "C" / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(data)
        frames = scan(target).frames
        return Segment(
            id=f"{self.name}/{path}",
            logical=logical,
            camera=1,
            track="main",
            stream=form.kind,
            recorder=self.name,
            session=session,
            disk="C",
            path=path,
            start_us=header.start_us,
            end_us=frames[-1].wall_us,
            frames=len(frames),
            bytes=len(data),
            state=state,  # type: ignore[arg-type]
            holder=self.name,
        )


def _film(stream: StreamKind, codec: Codec) -> tuple[Format, tuple[AccessUnit, ...]]:
    """What the camera shows; asked for sound, `codec` counts only when it is one of sound."""
    if stream == "video":
        return media.video(SECONDS) if codec == "h264" else media.video(SECONDS, codec=codec)
    return media.audio(SECONDS) if codec in ("h264", "aac") else media.g711(SECONDS, law=codec)


def sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()
