"""Proves that a file plays: decodes all of it. Needs PyAV, unlike the rest of the audit."""

from __future__ import annotations

from pathlib import Path

#: errors reported of one file; a broken file has one per picture
MAX_ERRORS = 100


def decodes(path: Path | str) -> tuple[int, list[str]]:
    """Decode the video of a file: (pictures decoded, what the decoder complained of, at most `MAX_ERRORS`).

    The decoder is told not to conceal errors; a corrupt picture is an error, and so is one whose time does not grow.
    A decoder shows much that is wrong (pictures left out, many flipped bits) without a word; `check` sees it.
    """
    import av  # here, so that the audit itself runs where PyAV is not installed

    errors: list[str] = []
    count = 0
    try:
        with av.open(str(path)) as file:
            stream = file.streams.video[0]
            stream.codec_context.options = {"err_detect": "crccheck+bitstream+buffer+explode"}
            last = None
            for packet in file.demux(stream):
                try:
                    pictures = packet.decode()
                except av.FFmpegError as error:
                    errors.append(f"{packet.pts}: {error}")
                    continue
                for picture in pictures:
                    count += 1
                    if picture.is_corrupt:
                        errors.append(f"{picture.pts}: corrupt picture")
                    if last is not None and picture.pts is not None and picture.pts <= last:
                        errors.append(f"{picture.pts}: shown after {last}")
                    last = picture.pts
    except (av.FFmpegError, IndexError) as error:
        errors.append(f"{path}: {error}")
    return count, errors[:MAX_ERRORS]
