"""Transactions in the words of etcd's JSON gateway (3.4 to 3.6) and back. Pure: base64 keys, int64 as text."""

from __future__ import annotations

import base64
from typing import Any

from understudy.arbitration.register import Txn

Document = dict[str, Any]


class AnswerError(Exception):
    """An answer of etcd that cannot be believed; the text says why."""


def text(data: bytes) -> str:
    """Bytes as the gateway wants them."""
    return base64.b64encode(data).decode()


def _compare(key: str, value: bytes | None) -> Document:
    if value is None:
        return {"key": text(key.encode()), "result": "EQUAL", "target": "CREATE", "create_revision": "0"}
    return {"key": text(key.encode()), "result": "EQUAL", "target": "VALUE", "value": text(value)}


def request_of(txn: Txn) -> Document:
    """The body of POST /v3/kv/txn.

    Reads are linearizable: an answer then proves that a majority is there, which an answer from the memory of a
    member that has been cut off does not.
    """
    puts = [{"request_put": {"key": text(key.encode()), "value": text(value)}} for key, value in txn.puts]
    ranges = [{"request_range": {"key": text(key.encode())}} for key in txn.reads]
    return {
        "compare": [_compare(key, value) for key, value in txn.compare],
        "success": [*puts, *ranges],
        "failure": ranges,
    }


def result_of(txn: Txn, answer: Document) -> tuple[bool, dict[str, bytes | None]]:
    """Whether the comparisons held, and the values of `txn.reads`; AnswerError when the answer does not fit."""
    try:
        held = bool(answer.get("succeeded", False))
        ranges = [r["response_range"] for r in answer.get("responses", []) if "response_range" in r]
        found = [_value(r) for r in ranges]
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        raise AnswerError(f"an answer this client cannot read: {error!r}") from error
    if len(found) != len(txn.reads):
        raise AnswerError(f"{len(found)} values for {len(txn.reads)} reads")
    return held, dict(zip(txn.reads, found, strict=True))


def _value(found: Document) -> bytes | None:
    values = found.get("kvs", [])
    return base64.b64decode(values[0].get("value", ""), validate=True) if values else None


def watch_request(prefix: str) -> Document:
    """The body of POST /v3/watch for all keys that begin with `prefix`, from now on."""
    key = prefix.encode()
    end = key[:-1] + bytes([key[-1] + 1])
    return {"create_request": {"key": text(key), "range_end": text(end)}}


class Lineage:
    """Remembers which cluster and which term answered last, and refuses older ones (a member that was left behind).

    Every answer checked here is one of a majority, so its term never runs ahead of the cluster's.
    """

    def __init__(self) -> None:
        self._cluster = 0
        self._term = 0

    def check(self, answer: Document) -> None:
        """AnswerError unless `answer` is of the known cluster and no older than the newest seen."""
        try:
            cluster = int(answer["header"]["cluster_id"])
            term = int(answer["header"]["raft_term"])
        except (KeyError, TypeError, ValueError) as error:
            raise AnswerError(f"an answer without a readable header: {error!r}") from error
        if self._cluster and cluster != self._cluster:
            raise AnswerError(
                f"cluster {cluster:x} answered, {self._cluster:x} was known; restart the agent if it was replaced"
            )
        if term < self._term:
            raise AnswerError(f"a member of term {term} answered, {self._term} is known: left behind")
        self._cluster, self._term = cluster, term
