"""A real browser (Debian's Chromium, headless), driven over its DevTools pipe, where a viewer's PC would be.

    with Browser(client_network()) as browser:
        page = browser.open("https://198.18.31.101/", width=1280, height=800)
        page.wait("document.querySelector('video')?.currentTime > 1", 10, "a moving picture")
        page.screenshot(Path("live.png"))

The pipe is inherited, so the browser may live in another network namespace than the test. Nothing is downloaded.
"""

from __future__ import annotations

import base64
import contextlib
import itertools
import json
import os
import queue
import shutil
import signal
import subprocess
import tempfile
import threading
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Any

from harness.shell import LabError, LabTimeout, wait

PROGRAM = "/usr/bin/chromium"
FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-dev-shm-usage",
    "--mute-audio",
    "--hide-scrollbars",
    "--autoplay-policy=no-user-gesture-required",
    "--remote-debugging-pipe",
)
ANSWER_S = 20.0
END_S = 5.0

Document = dict[str, Any]


def client_network() -> tuple[str, ...]:
    """The command that enters the network of the lab's client host; LabError when the lab is not up."""
    from harness.hosts import require
    from harness.topology import CLIENT_HOST

    return ("nsenter", "--target", str(require(CLIENT_HOST).pid), "--net")


class Browser:
    """A running Chromium with a profile of its own; `keys`: base64 SHA-256 of the public keys whose certificates it
    takes although it does not know their authority, and no other."""

    def __init__(self, enter: Sequence[str] = (), keys: Sequence[str] = ()) -> None:
        self._enter = tuple(enter)
        self._keys = tuple(keys)
        self._numbers = itertools.count(1)
        self._answers: dict[int, queue.Queue[Document]] = {}
        self._pages: dict[str, Page] = {}
        self._lock = threading.Lock()

    def __enter__(self) -> Browser:
        if shutil.which(PROGRAM) is None:
            raise LabError(f"{PROGRAM} is not installed: apt-get install chromium")
        self._profile = tempfile.mkdtemp(prefix="understudy-browser-")
        ours_in, theirs_out = os.pipe()
        theirs_in, ours_out = os.pipe()
        keys = [f"--ignore-certificate-errors-spki-list={','.join(self._keys)}"] if self._keys else []
        command = [*self._enter, PROGRAM, *FLAGS, *keys, f"--user-data-dir={self._profile}", "about:blank"]
        # Chromium reads its file descriptor 3 and writes 4.
        shuffle = f'exec "$@" 3<&{theirs_in} 4>&{theirs_out} {theirs_in}<&- {theirs_out}>&-'
        self._process = subprocess.Popen(
            ["/bin/bash", "-c", shuffle, "bash", *command],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            pass_fds=(theirs_in, theirs_out),
            start_new_session=True,
        )
        os.close(theirs_in)
        os.close(theirs_out)
        self._out = os.fdopen(ours_out, "wb", buffering=0)
        self._reader = threading.Thread(target=self._read, args=(ours_in,), daemon=True)
        self._reader.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with contextlib.suppress(LabError, OSError):
            self.call("Browser.close")
        try:
            self._process.wait(END_S)
        except subprocess.TimeoutExpired:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait(END_S)
        self._out.close()
        shutil.rmtree(self._profile, ignore_errors=True)

    def open(self, url: str, *, width: int = 1280, height: int = 800) -> Page:
        """A new page at `url`."""
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        session = self.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        page = Page(self, session)
        self._pages[session] = page
        for domain in ("Page", "Runtime", "Log", "Network"):
            page.call(f"{domain}.enable")
        page.resize(width, height)
        page.call("Page.navigate", url=url)
        return page

    def call(self, method: str, session: str | None = None, **parameters: Any) -> Document:
        """A DevTools command and its answer; LabError when it is refused."""
        number = next(self._numbers)
        answer: queue.Queue[Document] = queue.Queue()
        message: Document = {"id": number, "method": method, "params": parameters}
        if session is not None:
            message["sessionId"] = session
        with self._lock:
            self._answers[number] = answer
            self._out.write(json.dumps(message).encode() + b"\0")
        try:
            found = answer.get(timeout=ANSWER_S)
        except queue.Empty:
            raise LabTimeout(f"the browser did not answer {method} within {ANSWER_S:g} s") from None
        finally:
            self._answers.pop(number, None)
        if "error" in found:
            raise LabError(f"the browser refuses {method}: {found['error'].get('message')}")
        result: Document = found.get("result", {})
        return result

    def _read(self, descriptor: int) -> None:
        with os.fdopen(descriptor, "rb", buffering=0) as pipe:
            rest = b""
            while block := pipe.read(1 << 20):
                *messages, rest = (rest + block).split(b"\0")
                for message in messages:
                    self._take(json.loads(message))

    def _take(self, message: Document) -> None:
        waiting = self._answers.get(message.get("id", 0))
        if waiting is not None:
            waiting.put(message)
        elif (page := self._pages.get(message.get("sessionId", ""))) is not None:
            page.happened(message["method"], message["params"])


class Page:
    """A tab. `errors` collects exceptions and errors of the console, `requests` the URLs it asked for."""

    def __init__(self, browser: Browser, session: str) -> None:
        self._browser = browser
        self._session = session
        self.errors: list[str] = []
        self.requests: list[str] = []

    def call(self, method: str, **parameters: Any) -> Document:
        """A DevTools command to this page."""
        return self._browser.call(method, self._session, **parameters)

    def happened(self, method: str, event: Document) -> None:
        """An event of the page, from the reading thread."""
        if method == "Runtime.exceptionThrown":
            details = event["exceptionDetails"]
            self.errors.append(details.get("exception", {}).get("description") or details["text"])
        elif method == "Log.entryAdded" and event["entry"]["level"] == "error":
            self.errors.append(f"{event['entry']['text']} {event['entry'].get('url', '')}")
        elif method == "Network.requestWillBeSent":
            self.requests.append(event["request"]["url"])

    def resize(self, width: int, height: int, *, phone: bool = False) -> None:
        """The size of the window in CSS pixels."""
        self.call("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=phone)

    def scheme(self, name: str) -> None:
        """What the viewer's system prefers: `dark` or `light`."""
        self.call("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": name}])

    def evaluate(self, script: str) -> Any:
        """The value of an expression in the page, promises awaited; LabError with what it threw."""
        answer = self.call("Runtime.evaluate", expression=script, returnByValue=True, awaitPromise=True)
        if "exceptionDetails" in answer:
            details = answer["exceptionDetails"]
            raise LabError(f"in the page: {details.get('exception', {}).get('description') or details['text']}")
        return answer["result"].get("value")

    def wait(self, script: str, limit_s: float, what: str) -> float:
        """Wait until the expression is true; the seconds it took. LabTimeout naming `what`."""
        return wait(lambda: bool(self.evaluate(f"!!({script})")), limit_s, what)

    def fill(self, selector: str, text: str) -> None:
        """Type into a field as a person does."""
        self.evaluate(f"document.querySelector({json.dumps(selector)}).focus()")
        self.call("Input.insertText", text=text)

    def click(self, selector: str) -> None:
        """Click the middle of an element, with the mouse: what lies on top gets it."""
        box = self.evaluate(
            f"(() => {{ const e = document.querySelector({json.dumps(selector)});"
            " e.scrollIntoView({block: 'center'}); const r = e.getBoundingClientRect();"
            " return [r.x + r.width / 2, r.y + r.height / 2]; })()"
        )
        for kind in ("mousePressed", "mouseReleased"):
            self.call("Input.dispatchMouseEvent", type=kind, x=box[0], y=box[1], button="left", clickCount=1)

    def press(self, key: str) -> None:
        """Press a key by its name, such as `Enter`, `ArrowRight` or `k`."""
        codes = {"Enter": 13, "Escape": 27, "ArrowLeft": 37, "ArrowRight": 39, " ": 32, "Tab": 9}
        code = codes.get(key, ord(key[0].upper()))
        text = {"Enter": "\r"}.get(key, key if len(key) == 1 else "")
        down: Document = {"key": key, "windowsVirtualKeyCode": code, "text": text}
        self.call("Input.dispatchKeyEvent", type="keyDown", **down)
        self.call("Input.dispatchKeyEvent", type="keyUp", key=key, windowsVirtualKeyCode=code)

    def screenshot(self, path: Path) -> None:
        """What the page shows, as PNG."""
        data = self.call("Page.captureScreenshot", format="png")["data"]
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(base64.b64decode(data))
