"""Given somebody who watches north at its address, when its carrier crashes, then the picture goes on without a click.

One story in order, in a real browser where a viewer's PC would be (S12, S14-S16, S49, S50, S66). Pictures of the page
are left in `.lab/screenshots`.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass

import pytest
import story
from harness import viewer
from harness.browser import Browser, Page, client_network
from harness.lab import Lab

#: S14: from the crash to a moving picture
STILL_LIMIT_S = 8.0
#: playback across a takeover
STALL_LIMIT_S = 1.0
#: live picture behind the camera
BEHIND_LIMIT_S = 3.0


@dataclass
class Viewer:
    """Who watches, and what they have seen. Wall times in seconds."""

    lab: Lab
    page: Page
    crashed_s: float = 0.0
    home_s: float = 0.0

    def go(self, view: str) -> None:
        """Open a view of the page as a link does."""
        self.page.evaluate(f"location.hash = '#/{view}'")

    def shoot(self, name: str) -> None:
        """Keep a picture of the page."""
        self.page.screenshot(self.lab.paths.lab / "screenshots" / f"{name}.png")


@pytest.fixture(scope="module")
def watching(lab: Lab) -> Iterator[Viewer]:
    """A browser at north's address that knows north's key and no other."""
    lab.heal("all")
    story.wait_whole(lab)
    address = story.logical(lab.status(), "north")["addresses"][0]
    with Browser(client_network(), [viewer.public_key(lab.paths, "north")]) as browser:
        yield Viewer(lab, browser.open(f"https://{address}/"))


def test_s49_one_login_shows_the_cameras_of_north(watching: Viewer) -> None:
    page = watching.page
    viewer.log_in(page, "admin", viewer.password(watching.lab.paths))
    tiles = "document.querySelectorAll('.tile').length"
    page.wait(f"{tiles} === {len(story.CAMERAS['north'])}", 15, "north's cameras")


def test_s14_live_pictures_move_close_behind_the_cameras(watching: Viewer) -> None:
    page = watching.page
    page.wait(viewer.MOVING, 20, "all pictures to move")
    behind = "Math.max(...[...document.querySelectorAll('.livebadge')].map((e) => parseFloat(e.textContent.slice(5))))"
    page.wait(f"{behind} <= {BEHIND_LIMIT_S}", 20, "every picture to be close behind its camera")
    print(f"furthest behind: {page.evaluate(behind)} s")
    watching.shoot("live")


def test_s14_the_picture_goes_on_after_a_crash_without_a_click(watching: Viewer) -> None:
    page, lab = watching.page, watching.lab
    watching.go("play/north/1")
    page.wait(viewer.MOVING, 10, "the camera alone to move")
    viewer.watch(page)
    watching.crashed_s = story.now()
    began_s = time.monotonic()
    lab.fault("crash", "rec1")
    again = "document.querySelector('.bar .pill').textContent.startsWith('on stby1')"
    page.wait(f"{again} && {viewer.MOVING}", 20, "a moving picture from stby1")
    took_s = time.monotonic() - began_s
    stalled_s = viewer.longest_stall_s(page)
    print(f"moving again {took_s:.1f} s after the crash; it stood still for {stalled_s:.1f} s")
    assert stalled_s < STILL_LIMIT_S
    watching.shoot("after-the-crash")


def test_s49_the_login_still_holds_on_the_standby(watching: Viewer) -> None:
    told = watching.page.evaluate("fetch('/api/v1/session').then((answer) => answer.json())")
    assert told["name"] == "admin"


def test_s50_the_page_tells_who_carries_north_and_why(watching: Viewer) -> None:
    page = watching.page
    watching.go("site")
    page.wait("document.querySelector('.card.part.warn h3')?.textContent === 'north'", 10, "north taken over")
    assert "Unprotected" in page.evaluate("document.querySelector('.banner').textContent")
    watching.shoot("site-taken-over")
    watching.go("incidents")
    page.wait("document.querySelector('.incident.takeover')", 10, "the takeover's story")
    assert "north taken over by stby1" in page.evaluate("document.querySelector('.incident.takeover').textContent")
    watching.shoot("incidents")


def test_s12_the_outage_plays_from_home_and_across_the_takeover(watching: Viewer) -> None:
    page, lab = watching.page, watching.lab
    lab.heal("rec1")
    story.send_home(lab, "north")
    watching.home_s = story.now()
    watching.go("play/north/1")
    page.wait("document.querySelector('.bar .pill').textContent === 'on rec1'", 20, "the page to name rec1")
    page.wait("document.querySelector('.marks .takeover')", 20, "the takeover on the timeline")
    assert "no frame missing" in page.evaluate("document.querySelector('.marks .takeover').textContent")
    for name, at_s in (("takeover", watching.crashed_s), ("return", watching.home_s)):
        time.sleep(max(0.0, at_s + 12 - story.now()))  # some footage behind it
        watching.go(f"play/north/1?t={round((at_s - 8) * 1000)}")
        page.wait(viewer.MOVING, 15, "the recording to play")
        viewer.watch(page)
        shown = "document.querySelector('.time').textContent"
        before = page.evaluate(shown)
        time.sleep(16)  # the span that is watched: 8 s before to 8 s behind it
        stalled_s = viewer.longest_stall_s(page)
        print(f"across the {name}: from {before} to {page.evaluate(shown)}, longest stall {stalled_s:.2f} s")
        watching.shoot(f"playback-{name}")
        assert stalled_s < STALL_LIMIT_S


def test_f03_an_admin_puts_the_standby_into_maintenance_from_the_page(watching: Viewer) -> None:
    page, lab = watching.page, watching.lab
    story.wait_whole(lab)
    watching.go("site")
    button, pill = (
        "[data-server=stby1] footer button",
        "document.querySelector('[data-server=stby1] .pill')",
    )
    for wanted in ("maintenance", "primary standby"):
        page.wait(f"document.querySelector('{button}')", 10, "the button")
        page.click(button)
        page.wait("document.querySelector('dialog[open]')", 5, "the question")
        page.click("dialog button.primary")
        page.wait(f"{pill}.textContent === '{wanted}'", 20, f"stby1 to be in {wanted}")


def test_the_page_asks_nobody_else_and_has_no_errors(watching: Viewer) -> None:
    page = watching.page
    own = page.evaluate("location.origin")
    assert [url for url in page.requests if not url.startswith((own, "blob:", "data:"))] == []
    # What a server that died did not answer is no mistake of the page.
    assert [error for error in page.errors if "Failed to load resource" not in error] == []
