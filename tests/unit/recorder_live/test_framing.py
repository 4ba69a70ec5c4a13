"""The byte stream of a connection is told apart the same way however it was cut, and garbage costs what it covers."""

from __future__ import annotations

import pytest
from camera_wire import interleaved
from hypothesis import given, settings
from hypothesis import strategies as st
from understudy.recorder.ingest.framing import MAX_MESSAGE_BYTES, MAX_TAIL_BYTES, Framer, walk

RESPONSE = b"RTSP/1.0 200 OK\r\nCSeq: 4\r\nContent-Length: 5\r\n\r\nhello"
RTP = bytes((0x80, 96)) + bytes(20)


def taken(stream: bytes, sizes: list[int]) -> tuple[bytes, list[bytes], int]:
    """All packets, all messages and the garbage count of `stream` read in pieces of `sizes`, then whole."""
    framer = Framer()
    framer.channels = frozenset({0, 1})
    data, messages, position = b"", [], 0
    for size in [*sizes, len(stream)]:
        buffer = bytearray(framer.tail + stream[position : position + size])
        position = min(len(stream), position + size)
        batch = framer.split(buffer, len(buffer))
        assert batch.offsets == walk(batch.data)
        assert len(framer.tail) <= MAX_TAIL_BYTES
        data += batch.data
        messages += batch.messages
    return data, messages, framer.garbage_bytes


def test_packets_and_messages_are_told_apart() -> None:
    first, second = interleaved(0, RTP), interleaved(1, RTP)
    assert taken(first + RESPONSE + second, []) == (first + second, [RESPONSE], 0)


def test_garbage_is_skipped_up_to_the_next_packet() -> None:
    packet = interleaved(0, RTP)
    garbage = b"\x00$\x09half a packet of an old session"
    assert taken(packet + garbage + packet, []) == (packet * 2, [], len(garbage))


def test_a_message_without_end_is_garbage() -> None:
    endless = b"RTSP/1.0 200 OK\r\n" + b"A: b\r\n" * MAX_MESSAGE_BYTES
    data, messages, garbage = taken(endless + interleaved(0, RTP), [])
    assert (data, messages) == (interleaved(0, RTP), [])
    assert garbage == len(endless)


pieces = st.lists(
    st.one_of(
        st.binary(max_size=60).map(lambda payload: interleaved(0, RTP + payload)),
        st.just(interleaved(1, RTP)),
        st.just(interleaved(9, b"")),
        st.just(RESPONSE),
        st.binary(max_size=30),
        st.sampled_from([b"$", b"RTSP", b"RTSP/1.", b"$\x00", b"RTSP/1.0 200 OK\r\nContent-Length: 99\r\n\r\n"]),
    ),
    max_size=12,
).map(b"".join)


@settings(max_examples=300, deadline=None)
@given(pieces, st.lists(st.integers(0, 40), max_size=40))
def test_how_the_stream_was_cut_changes_nothing(stream: bytes, sizes: list[int]) -> None:
    assert taken(stream, sizes) == taken(stream, [])


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=400))
def test_random_bytes_never_raise(stream: bytes) -> None:
    data, _, garbage = taken(stream, [])
    assert len(data) + garbage <= len(stream)


@pytest.mark.parametrize("length", ["999999999", "70000"])
def test_a_message_with_a_huge_body_is_garbage(length: str) -> None:
    message = f"RTSP/1.0 200 OK\r\nContent-Length: {length}\r\n\r\n".encode()
    packet = interleaved(0, RTP)
    assert taken(message + packet, []) == (packet, [], len(message))
