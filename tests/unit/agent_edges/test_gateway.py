"""Transactions in etcd's JSON, against bodies and answers taken from etcd 3.4.23."""

from __future__ import annotations

import pytest
from understudy.arbitration.gateway import AnswerError, Lineage, request_of, result_of, watch_request
from understudy.arbitration.register import Txn

TXN = Txn(compare=(("/a", b"1"), ("/b", None)), puts=(("/a", b"2"),), reads=("/a", "/b"))


def test_a_transaction_compares_values_puts_then_reads() -> None:
    assert request_of(TXN) == {
        "compare": [
            {"key": "L2E=", "result": "EQUAL", "target": "VALUE", "value": "MQ=="},
            {"key": "L2I=", "result": "EQUAL", "target": "CREATE", "create_revision": "0"},
        ],
        "success": [
            {"request_put": {"key": "L2E=", "value": "Mg=="}},
            {"request_range": {"key": "L2E="}},
            {"request_range": {"key": "L2I="}},
        ],
        "failure": [{"request_range": {"key": "L2E="}}, {"request_range": {"key": "L2I="}}],
    }


def test_answers_give_values_and_none_for_keys_that_are_not_there() -> None:
    found = {"response_range": {"kvs": [{"key": "L2E=", "value": "Mg=="}], "count": "1"}}
    missing = {"response_range": {"header": {"revision": "3"}}}
    answer = {"succeeded": True, "responses": [{"response_put": {}}, found, missing]}
    assert result_of(TXN, answer) == (True, {"/a": b"2", "/b": None})
    assert result_of(TXN, {"responses": [found, missing]}) == (False, {"/a": b"2", "/b": None})


NOT_BASE64 = {"response_range": {"kvs": [{"value": "?"}]}}


@pytest.mark.parametrize(
    "answer",
    [{}, {"responses": [{"response_range": 7}] * 2}, {"responses": 3}, {"responses": [NOT_BASE64] * 2}],
)
def test_answers_that_do_not_fit_are_refused(answer: dict[str, object]) -> None:
    with pytest.raises(AnswerError):
        result_of(TXN, answer)


def test_f22_older_terms_and_other_clusters_are_refused() -> None:
    lineage = Lineage()
    lineage.check({"header": {"cluster_id": "10", "raft_term": "5"}})
    lineage.check({"header": {"cluster_id": "10", "raft_term": "6"}})
    with pytest.raises(AnswerError, match="left behind"):
        lineage.check({"header": {"cluster_id": "10", "raft_term": "5"}})
    with pytest.raises(AnswerError, match="cluster b answered"):
        lineage.check({"header": {"cluster_id": "11", "raft_term": "7"}})
    with pytest.raises(AnswerError, match="header"):
        lineage.check({})


def test_a_watch_covers_the_prefix() -> None:
    assert watch_request("/a/") == {"create_request": {"key": "L2Ev", "range_end": "L2Ew"}}
