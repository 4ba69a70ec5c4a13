"""Keys, values and transactions of the register."""

from __future__ import annotations

import pytest
from understudy.arbitration.memory import MemoryRegister
from understudy.arbitration.register import (
    Beat,
    Keys,
    Owner,
    RegisterError,
    Txn,
    decode_beat,
    decode_owner,
    encode,
)


def test_values_are_the_documented_json() -> None:
    assert encode(Owner(node="rec1", epoch=3)) == b'{"node":"rec1","epoch":3,"state":"held","to":null}'
    beat = Beat(boot="b", seq=1, takers=("stby1",), holds=("north",))
    assert encode(beat) == b'{"boot":"b","seq":1,"takers":["stby1"],"holds":["north"],"early":[]}'
    assert decode_beat("k", encode(beat)) == beat


def test_keys_are_the_documented_ones() -> None:
    assert Keys("lab").owner("north") == "/understudy/lab/owner/north"
    assert Keys("lab").beat("rec1") == "/understudy/lab/beat/rec1"


@pytest.mark.parametrize("data", [b"", b"[]", b'{"node": 1, "epoch": 2}', b'{"node": "a"}'])
def test_unreadable_values_name_the_key(data: bytes) -> None:
    with pytest.raises(RegisterError, match=r"^/understudy/lab/owner/north: "):
        decode_owner("/understudy/lab/owner/north", data)


def test_a_transaction_is_all_or_nothing_and_always_answers_reads() -> None:
    register = MemoryRegister()
    create = Txn(compare=(("a", None),), puts=(("a", b"1"), ("b", b"1")), reads=("a", "c"))
    assert register.execute(create) == (True, {"a": b"1", "c": None})
    assert register.execute(create) == (False, {"a": b"1", "c": None})
    assert register.execute(Txn(compare=(("a", b"1"), ("b", b"2")), puts=(("a", b"9"),), reads=("a",))) == (
        False,
        {"a": b"1"},
    )
