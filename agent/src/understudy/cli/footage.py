"""`understudy timeline`, `gaps` and `export`: they work on every server, and ask the others for what they hold."""

from __future__ import annotations

import argparse
import asyncio
import json
from pathlib import Path
from typing import Any

import msgspec

from understudy.cli import CommandError
from understudy.cli.arguments import CameraName
from understudy.cli.reach import holds_in_force, require_camera, site_footage, warn_of_silence
from understudy.cli.table import table
from understudy.footage.access import Footage
from understudy.footage.document import first_track, gap_document, hold_document, timeline_document, tracks_of
from understudy.footage.export import LOOK_BACK_US, Manifest
from understudy.footage.export import export as write_movie
from understudy.footage.holds import Hold
from understudy.footage.instants import show
from understudy.footage.model import Segment
from understudy.site.plan import Plan

Document = dict[str, Any]


def timeline(options: argparse.Namespace) -> int:
    """Spans with their holder, and the gaps between them."""
    return asyncio.run(_timeline(options))


async def _timeline(options: argparse.Namespace) -> int:
    async with site_footage() as (plan, footage):
        require_camera(plan, options.camera)
        tracks = await _tracks(footage, options.camera, options.from_us, options.to_us)
        track = _choose_track(plan, options.camera, tracks, options.track)
        document = await _document(footage, options.camera, track, tracks.get(track, []), options)
    if options.json:
        print(json.dumps(document))
        return 0
    print(f"{options.camera} {track}")
    print(_timeline_table(document) if document["spans"] else "no footage")
    warn_of_silence(footage.silent, len(document["unavailable"]))
    return 0


async def _tracks(
    footage: Footage, camera: CameraName, from_us: int | None, to_us: int | None
) -> dict[str, list[Segment]]:
    return tracks_of(await footage.rows(camera.logical, camera.number, from_us, to_us))


async def _document(
    footage: Footage, camera: CameraName, track: str, rows: list[Segment], options: argparse.Namespace
) -> Document:
    found = await footage.timeline(rows, "video", options.from_us, options.to_us)
    return timeline_document(camera.logical, camera.number, track, found, footage.silent, holds_in_force())


def _choose_track(plan: Plan, camera: CameraName, tracks: dict[str, list[Segment]], wanted: str | None) -> str:
    """The wanted track, else the camera's first that has footage, else its first."""
    if wanted is not None and wanted not in tracks:
        have = ", ".join(tracks) or "no footage at all"
        raise CommandError(f"{camera} has no footage of a track {wanted!r} in this span; it has {have}")
    if wanted is not None:
        return wanted
    return first_track(plan, camera.logical, camera.number, tracks) or "-"


def _timeline_table(track: Document) -> str:
    rows = [(s["from"], s["to"], s["holder"], s["recorder"], s["frames"], "") for s in track["spans"]]
    rows += [(h["from"], h["to"], None, None, None, f"legal hold {h['id']}: {h['reason']}") for h in track["holds"]]
    rows += [
        (gap["from"], gap["to"], None, None, None, f"gap of {gap['length_s']:.3f} s: {gap['cause']} ({gap['proof']})")
        for gap in track["gaps"]
    ]
    return table(("FROM", "TO", "HOLDER", "RECORDER", "FRAMES", ""), sorted(rows, key=lambda row: (row[0], row[1])))


def gaps(options: argparse.Namespace) -> int:
    """Gaps of one camera or of all."""
    return asyncio.run(_gaps(options))


async def _gaps(options: argparse.Namespace) -> int:
    found: list[Document] = []
    unavailable = looked_at = 0
    async with site_footage() as (plan, footage):
        if options.camera:
            require_camera(plan, options.camera)
        for camera in [options.camera] if options.camera else _all_cameras(plan):
            for track, rows in (await _tracks(footage, camera, options.from_us, options.to_us)).items():
                document = await _document(footage, camera, track, rows, options)
                found += [{"camera": str(camera), "track": track, **gap} for gap in document["gaps"]]
                unavailable += len(document["unavailable"])
                looked_at += 1
    if options.json:
        print(json.dumps({"gaps": found, "silent": footage.silent}))
        return 0
    if found:
        fields = ("camera", "track", "from", "to", "length_s", "cause", "proof")
        header = ("CAMERA", "TRACK", "FROM", "TO", "SECONDS", "CAUSE", "KNOWN BY")
        print(table(header, [[gap[field] for field in fields] for gap in found]))
    else:
        print(f"no gap in the footage of {looked_at} tracks")
    warn_of_silence(footage.silent, unavailable)
    return 0


def _all_cameras(plan: Plan) -> list[CameraName]:
    return [CameraName(logical.name, camera.number) for logical in plan.logical for camera in logical.cameras]


def export(options: argparse.Namespace) -> int:
    """One MP4 of a span."""
    if options.to_us <= options.from_us:
        raise CommandError("--to must be later than --from")
    return asyncio.run(_export(options))


async def _export(options: argparse.Namespace) -> int:
    async with site_footage() as (plan, footage):
        require_camera(plan, options.camera)
        name = options.camera
        tracks = await _tracks(footage, name, options.from_us - LOOK_BACK_US, options.to_us)
        rows = tracks.get(_choose_track(plan, name, tracks, options.track), [])
        manifest = await write_movie(footage, rows, options.from_us, options.to_us, Path(options.file))
    holds = [hold for hold in holds_in_force() if any(hold.covers(row) for row in _within(rows, manifest))]
    print(json.dumps(_manifest_document(manifest, holds)) if options.json else _manifest_text(manifest, holds))
    warn_of_silence(footage.silent, len(manifest.unavailable))
    return 0


def _within(rows: list[Segment], manifest: Manifest) -> list[Segment]:
    return [row for row in rows if row.start_us <= manifest.to_us and row.end_us >= manifest.from_us]


def _manifest_document(manifest: Manifest, holds: list[Hold]) -> Document:
    document: Document = msgspec.to_builtins(manifest)
    times = {"from": show(document.pop("from_us")), "to": show(document.pop("to_us"))}
    gaps = [gap_document(gap) for gap in manifest.gaps]
    return {**document, **times, "gaps": gaps, "holds": [hold_document(hold) for hold in holds]}


def _manifest_text(manifest: Manifest, holds: list[Hold]) -> str:
    sound = f", {manifest.audio_frames} of sound" if manifest.audio_frames else ""
    lines = [
        f"{manifest.file}: {manifest.video_frames} frames{sound}, {manifest.duration_s:.3f} s from "
        f"{show(manifest.from_us)} to {show(manifest.to_us)}, recorded by {', '.join(manifest.recorders)}, "
        f"{len(manifest.gaps)} gaps"
    ]
    lines += [f"  gap of {gap.length_s:.3f} s from {show(gap.from_us)}: {gap.cause}" for gap in manifest.gaps]
    lines += [f"  legal hold {hold.id} by {hold.by}: {hold.reason}" for hold in holds]
    lines += [f"  left out: {sentence}" for sentence in manifest.left_out]
    return "\n".join(lines)
