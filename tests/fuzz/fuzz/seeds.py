"""Makes the corpus of well-formed inputs again: `python -m fuzz.seeds` in tests/fuzz. What was found is added by hand.

Small on purpose: an edit should hit what is read, not pictures.
"""

from __future__ import annotations

import base64
import struct
import sys
from collections.abc import Iterable
from pathlib import Path

CORPUS = Path(__file__).parents[1] / "corpus"
#: as x264 and x265 write them
SETS_264 = (bytes.fromhex("6764001facd9405005bb011000000300100000030320f1831960"), bytes.fromhex("68ebe3cb22c0"))
SETS_265 = (
    bytes.fromhex("40010c01ffff01600000030090000003000003003fba0240"),
    bytes.fromhex("42010101600000030090000003000003003fa005020171f2e5ba4a4c2e6808000003000800000300c840"),
    bytes.fromhex("4401c0718112"),
)


def _packets(channel: int, kind: int, payloads: Iterable[tuple[int, bytes, bool]]) -> list[bytes]:
    """Interleaved RTP packets of (timestamp, payload, marker)."""
    packets = []
    for sequence, (timestamp, payload, marker) in enumerate(payloads, start=65_533):
        head = struct.pack(">BBHII", 0x80, kind | marker << 7, sequence & 0xFFFF, timestamp, 7)
        packets.append(struct.pack(">BBH", 0x24, channel, len(head) + len(payload)) + head + payload)
    return packets


def _aggregate(head: bytes, units: Iterable[bytes]) -> bytes:
    return head + b"".join(struct.pack(">H", len(unit)) + unit for unit in units)


def h264() -> bytes:
    """Parameter sets in a STAP-A, a key frame in fragments, pictures of two slices, AAC whole and in pieces."""
    key = [b"\x7c\x85\x88" + b"k" * 60, b"\x7c\x05" + b"k" * 60, b"\x7c\x45" + b"k" * 60]
    video = [(0, _aggregate(b"\x78", (*SETS_264, b"\x06\x05\x02hi\x80")), False)]
    video += [(0, piece, piece is key[-1]) for piece in key]
    for picture in range(1, 30):
        first = b"\x65\x88key" if picture % 10 == 0 else b"\x41\x9adelta"
        video += [(picture * 3600, first, False), (picture * 3600, b"\x41\x1asecond", True)]
    frame = b"a" * 200
    audio = [(n * 1920, b"\x00\x20\x00\x28\x00\x28onetwo" + b"12345"[:4], True) for n in range(20)]
    audio += [(40_000, b"\x00\x10" + struct.pack(">H", 200 << 3) + piece, False) for piece in (frame[:90], frame[90:])]
    report = struct.pack(">BBH", 0x24, 1, 28) + struct.pack(">BBHIIIIII", 0x80, 200, 6, 7, 3_994_415_800, 0, 0, 1, 1)
    return _shuffled(_packets(0, 96, video), [*_packets(2, 97, audio), report])


def h265() -> bytes:
    """Parameter sets in an AP, an IDR in fragments, CRA pictures, G.711."""
    key = [b"\x62\x01\x93\x80" + b"k" * 60, b"\x62\x01\x13" + b"k" * 60, b"\x62\x01\x53" + b"k" * 60]
    video = [(0, _aggregate(b"\x60\x01", SETS_265), False), (0, b"\x4e\x01\x05\x02hi\x80", False)]
    video += [(0, piece, piece is key[-1]) for piece in key]
    for picture in range(1, 30):
        first = b"\x2a\x01\x80cra" if picture % 10 == 0 else b"\x02\x01\x80trail"
        video += [(picture * 3600, first, False), (picture * 3600, b"\x02\x01\x20second", True)]
    audio = [(n * 160, b"\xff\x7f" * 40, n == 0) for n in range(20)]
    return _shuffled(_packets(0, 96, video), _packets(2, 97, audio))


def _shuffled(video: list[bytes], audio: list[bytes]) -> bytes:
    """Sound between the pictures."""
    mixed = []
    for number, packet in enumerate(video):
        mixed.append(packet)
        mixed += audio[number : number + 1]
    return b"".join(mixed)


def _answers(*heads: str, body: str = "") -> bytes:
    """The answers of a camera; `body` goes with SDP. Without CSeq each is an answer to whatever was asked."""
    messages = []
    for head in heads:
        text = body if "sdp" in head else ""
        messages.append(f"RTSP/1.0 {head}\r\nContent-Length: {len(text)}\r\n\r\n{text}")
    return "".join(messages).encode()


def _description(rtpmap: str, fmtp: str, sound: str) -> str:
    lines = ["v=0", "s=Gate", "a=control:*", "m=video 0 RTP/AVP 96", f"a=rtpmap:96 {rtpmap}", f"a=fmtp:96 {fmtp}"]
    return "\r\n".join([*lines, "a=control:trackID=0", sound, "a=control:trackID=1", ""])


def texts() -> dict[str, bytes]:
    """Conversations, descriptions and challenges, by file name."""
    b64 = [base64.b64encode(unit).decode() for unit in (*SETS_264, *SETS_265)]
    aac = (
        "m=audio 0 RTP/AVP 97\r\na=rtpmap:97 mpeg4-generic/48000/2\r\na=fmtp:97 mode=AAC-hbr;sizelength=13;config=1190"
    )
    avc = _description("H264/90000", f"packetization-mode=1; sprop-parameter-sets={b64[0]},{b64[1]}", aac)
    sets = f"sprop-vps={b64[2]};sprop-sps={b64[3]};sprop-pps={b64[4]}"
    hevc = _description("H265/90000", sets, "m=audio 0 RTP/AVP 0")
    setup = "200 OK\r\nSession: a1;timeout=60\r\nTransport: RTP/AVP/TCP;unicast;interleaved=0-1;ssrc=1F"
    second = "200 OK\r\nSession: a1\r\nTransport: RTP/AVP/TCP;unicast;interleaved=2-3"
    told = "200 OK\r\nContent-Base: rtsp://camera/live/\r\nContent-Type: application/sdp"
    digest = 'Digest realm="cam", nonce="n\\"1", opaque="o", algorithm=SHA-256, qop="auth,auth-int"'
    login = _answers("200 OK\r\nPublic: OPTIONS, GET_PARAMETER", f"401 No\r\nWWW-Authenticate: {digest}")
    return {
        "conversation/h264": _answers("200 OK\r\nPublic: OPTIONS", told, setup, second, "200 OK", body=avc),
        "conversation/h265": _answers("200 OK", told, setup, second, "200 OK", "454 Gone", body=hevc),
        "conversation/login": login + _answers(told, setup, second, "200 OK", body=hevc),
        "conversation/redirect": _answers("200 OK", "302 Found\r\nLocation: rtsps://u:p@[fd00::1]:322/live?x=1"),
        "conversation/two-lines": _answers("200 OK", told.replace("/live/", "/live\nX: y/"), setup, body=avc),
        "conversation/refused": _answers("200 OK", "453 Not Enough Bandwidth"),
        "description/h264": avc.encode(),
        "description/h265": hevc.encode(),
        "challenge/digest": digest.encode(),
        "challenge/both": f'Basic realm="c", {digest}'.encode(),
        "challenge/long-word": b"Digest " + b"a" * 60_000,
        "challenge/open-quote": b'Digest a="' + b"a" * 60_000,
    }


def segments() -> dict[str, bytes]:
    """Segment files of both video codecs as the recorder writes them, by file name."""
    import msgspec
    from understudy.footage.model import SegmentHeader
    from understudy.recorder.codec.nal import frame_crc
    from understudy.recorder.fmp4.boxes import HEADER_UUID, box
    from understudy.recorder.fmp4.fragment import Fragmenter
    from understudy.recorder.fmp4.init import init_section
    from understudy.recorder.units import AccessUnit, Format

    found: dict[str, bytes] = {}
    for name, sets, slices in (("h264", SETS_264, b"\x65\x88"), ("h265", SETS_265, b"\x26\x01\x80")):
        format = Format("video", "h264" if name == "h264" else "h265", 90_000, sets, 640, 360)
        told = SegmentHeader(
            logical="north",
            camera=1,
            track="main",
            stream="video",
            codec=name,
            clock_rate=90_000,
            recorder="rec1",
            session="s",
            start_us=1_795_427_000_000_000,
        )
        fragmenter = Fragmenter(format)
        payload = struct.pack(">I", 20) + slices.ljust(20, b"x")
        units = [
            AccessUnit(n * 9000, told.start_us + n * 100_000, n % 10 == 0, payload, frame_crc(name, payload))
            for n in range(25)
        ]
        parts = [*(fragmenter.add(unit) for unit in units), fragmenter.flush()]
        content = init_section(told, format) + b"".join(b"".join(part.buffers) for part in parts if part)
        found |= {f"segment/{name}": content, f"segment/{name}-torn": content[:-30]}
    ftyp = content[: int.from_bytes(content[:4], "big")]
    for name, text in (("nested", b'{"x":' + b"[" * 20_000), ("no-clock", msgspec.json.encode(told))):
        text = text.replace(b'"clock_rate":90000', b'"clock_rate":0')
        found[f"segment/{name}"] = ftyp + box(b"uuid", HEADER_UUID, text) + box(b"moov")
    return found


def main() -> None:
    """Write all of it."""
    sys.path.insert(0, str(Path(__file__).parents[3] / "agent" / "src"))
    made = texts() | segments() | {"h264/session": h264(), "h265/session": h265()}
    made |= {"framing/session": h264()[:1500] + made["conversation/h264"] + h264()[1500:]}
    made |= {
        "framing/garbage": b"$\x09old session" + h265()[:900] + b"RTSP/1.0 200 OK\r\n\r\nx$\x00" + h265()[900:1500]
    }
    made |= {f"parameter_sets/{n}": unit for n, unit in enumerate((*SETS_264, *SETS_265))}
    made |= {"tls/alert": b"\x15\x03\x03\x00\x02\x02\x28", "tls/plain": b"RTSP/1.0 400 Bad Request\r\n\r\n"}
    made |= {"tls/hello": b"\x16\x03\x03\x00\x2c\x02\x00\x00\x28\x03\x03" + bytes(32) + b"\x00\xc0\x2f\x00\x00\x00"}
    for name, content in made.items():
        path = CORPUS / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)


if __name__ == "__main__":
    main()
