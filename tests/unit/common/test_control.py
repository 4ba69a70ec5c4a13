"""The control socket answers requests, names refusals, and survives whatever is thrown at it."""

from __future__ import annotations

import asyncio
import socket
from pathlib import Path

import pytest
from understudy import control


async def _echo(request: control.Document) -> control.Document:
    return {"said": request["word"]}


async def _refuse(request: control.Document) -> control.Document:
    raise control.ControlError("not while the moon is full")


def _with_server(path: Path, question: object) -> object:
    """Run `question(path)` in a thread while a server answers on `path`."""

    async def run() -> object:
        server = await control.serve(path, {"echo": _echo, "refuse": _refuse})
        try:
            return await asyncio.to_thread(question, path)  # type: ignore[arg-type]
        finally:
            server.close()

    return asyncio.run(run())


def test_an_operation_answers_with_its_fields(tmp_path: Path) -> None:
    answer = _with_server(tmp_path / "s", lambda path: control.call(path, "echo", word="grüezi"))
    assert answer == {"ok": True, "said": "grüezi"}


def test_a_refusal_is_an_error_with_its_sentence(tmp_path: Path) -> None:
    with pytest.raises(control.ControlError, match="moon is full"):
        _with_server(tmp_path / "s", lambda path: control.call(path, "refuse"))


def test_an_unknown_operation_is_told_what_there_is(tmp_path: Path) -> None:
    with pytest.raises(control.ControlError, match="known operations: echo, refuse"):
        _with_server(tmp_path / "s", lambda path: control.call(path, "dance"))


def test_a_faulty_request_costs_one_answer_not_the_process(tmp_path: Path) -> None:
    with pytest.raises(control.ControlError, match="internal error in 'echo'"):
        _with_server(tmp_path / "s", lambda path: control.call(path, "echo"))


@pytest.mark.parametrize("line", [b"\n", b"{\n", b"[]\n", b"3\n", b'"x"\n', b"\xff\xfe\n", b'{"op": {}}\n'])
def test_garbage_is_answered_and_the_next_request_works(tmp_path: Path, line: bytes) -> None:
    def ask(path: Path) -> bytes:
        with socket.socket(socket.AF_UNIX) as connection:
            connection.settimeout(5)
            connection.connect(str(path))
            connection.sendall(line + b'{"op": "echo", "word": "on"}\n')
            with connection.makefile("rb") as reader:
                return reader.readline() + reader.readline()

    answers = _with_server(tmp_path / "s", ask)
    assert isinstance(answers, bytes)
    assert answers.startswith(b'{"ok": false, "error": "not a request')
    assert answers.endswith(b'{"ok": true, "said": "on"}\n')


def test_nobody_there_is_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(control.ControlError, match="No such file"):
        control.call(tmp_path / "nobody", "echo")
    with pytest.raises(control.ControlError, match="No such file"):
        asyncio.run(control.acall(tmp_path / "nobody", "echo"))


def test_silence_is_bounded_in_time(tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as deaf:
        deaf.bind(str(tmp_path / "deaf"))
        deaf.listen()
        with pytest.raises(control.ControlError, match=r"no answer to 'echo' within 0\.2 s"):
            control.call(tmp_path / "deaf", "echo", timeout_s=0.2)
        with pytest.raises(control.ControlError, match=r"no answer to 'echo' within 0\.2 s"):
            asyncio.run(control.acall(tmp_path / "deaf", "echo", timeout_s=0.2))


def test_a_socket_that_is_there_answers_also_while_its_process_is_replaced(tmp_path: Path) -> None:
    path = tmp_path / "s"

    async def run() -> None:
        first = await control.serve(path, {"echo": _echo})
        for word in map(str, range(50)):
            asking = [asyncio.create_task(control.acall(path, "echo", word=word)) for _ in range(4)]
            second = await control.serve(path, {"echo": _echo})
            assert [(await answer)["said"] for answer in asking] == [word] * 4
            first.close()
            first = second
        first.close()

    asyncio.run(run())
    assert [entry.name for entry in tmp_path.iterdir()] == ["s"]
    assert path.stat().st_mode & 0o777 == 0o660
