"""Frames against bytes written down by hand from the RFCs."""

from __future__ import annotations

import ipaddress

from understudy.network import frames

MAC = bytes.fromhex("02300000000b")
V4 = ipaddress.ip_address("198.18.31.101")
V6 = ipaddress.ip_address("fd00:31::101")


def test_s40_gratuitous_arp_has_both_forms() -> None:
    request, reply = frames.announcement(MAC, V4)
    head = "ffffffffffff02300000000b0806000108000604"
    assert request.hex() == head + "000102300000000bc6121f65ffffffffffffc6121f65"
    assert reply.hex() == head + "000202300000000bc6121f6502300000000bc6121f65"


def test_s40_unsolicited_advertisement_overrides_and_goes_to_all_nodes() -> None:
    (frame,) = frames.announcement(MAC, V6)
    assert frame.hex() == (
        "333300000001" "02300000000b" "86dd"
        "60000000" "0020" "3a" "ff"
        "fd000031000000000000000000000101" "ff020000000000000000000000000001"
        "88" "00" "57ff" "20000000"
        "fd000031000000000000000000000101" "0201" "02300000000b"
    )  # fmt: skip


def test_arp_probe_claims_nothing() -> None:
    frame = frames.probe(MAC, V4)
    assert frame.hex() == (
        "ffffffffffff" "02300000000b" "0806" "0001" "0800" "06" "04" "0001"
        "02300000000b" "00000000" "000000000000" "c6121f65"
    )  # fmt: skip
    assert frames.read_claim(frame) is None


def test_solicitation_goes_to_the_solicited_node_group_from_the_unspecified_address() -> None:
    frame = frames.probe(MAC, V6)
    assert frame[:6].hex() == "3333ff000101"
    assert frame[22:38] == bytes(16)
    assert frame[38:54] == ipaddress.ip_address("ff02::1:ff00:101").packed
    assert frames.read_claim(frame) is None


def test_checksum_verifies_to_zero() -> None:
    for frame in (*frames.announcement(MAC, V6), frames.probe(MAC, V6)):
        message = frame[54:]
        pseudo = frame[22:54] + len(message).to_bytes(4, "big") + (58).to_bytes(4, "big")
        total = sum(int.from_bytes((pseudo + message)[i : i + 2], "big") for i in range(0, len(pseudo + message), 2))
        while total >> 16:
            total = (total & 0xFFFF) + (total >> 16)
        assert total == 0xFFFF


def test_claims_are_read_back() -> None:
    for address in (V4, V6):
        for frame in frames.announcement(MAC, address):
            assert frames.read_claim(frame) == frames.Claim(MAC, address)


def test_torn_and_foreign_frames_claim_nothing() -> None:
    whole = [*frames.announcement(MAC, V4), *frames.announcement(MAC, V6)]
    for frame in whole:
        for length in range(len(frame) - 8):
            claim = frames.read_claim(frame[:length])
            assert claim is None or length >= 78  # an advertisement without its option still names its sender
    assert frames.read_claim(b"\x00" * 60) is None
