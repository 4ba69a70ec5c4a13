"""The page in a real browser: one story from the login to playback across a takeover; each test goes on where the one
before ended. The site is the stage's, on loopback; `tests/lab/test_viewer.py` plays the same with real failover.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass

import pytest
from camsim import media
from harness.browser import Browser, Page
from harness.viewer import MOVING, log_in, longest_stall_s, watch
from stage import CAMERAS, PASSWORD, Stage

#: S14: how long a picture may stand still after a crash; the stage's takeover takes 4 s of it
STILL_LIMIT_S = 8.0
STALL_LIMIT_S = 1.0


@dataclass
class Story:
    stage: Stage
    page: Page
    crashed_ms: int = 0


@pytest.fixture(scope="module")
def story(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Story]:
    """Somebody who has just opened the page at north's address."""
    clips = tmp_path_factory.mktemp("clips")
    for number, (_, _, name) in enumerate(camera for cameras in CAMERAS.values() for camera in cameras):
        media.make(media.Recipe(name, gop=25 if number % 2 else 50), clips, loop_s=4)
    with Stage(tmp_path_factory.mktemp("site"), clips) as stage, Browser() as browser:
        yield Story(stage, browser.open(stage.url.replace("127.0.0.1", "localhost") + "/"))


def test_s49_only_who_knows_the_password_gets_in(story: Story) -> None:
    page = story.page
    log_in(page, "admin", "guess")
    page.wait("document.querySelector('.problem').textContent === 'Name or password is wrong.'", 5, "a sentence")
    page.evaluate("document.querySelector('#name').value = ''")
    log_in(page, "admin", PASSWORD)
    page.wait("document.querySelectorAll('.tile').length === 6", 10, "all cameras")
    assert page.evaluate("document.cookie") == "", "scripts must not see the session"


def test_s14_live_pictures_move_and_are_near_the_camera(story: Story) -> None:
    page = story.page
    page.wait(MOVING, 20, "all pictures to move")
    near = "[...document.querySelectorAll('.livebadge')].every((e) => parseFloat(e.textContent.slice(5)) <= 3)"
    page.wait(near, 15, "every picture to be at most 3 s behind its camera")


def test_s14_the_picture_goes_on_after_a_crash_without_a_click(story: Story) -> None:
    page = story.page
    page.evaluate("location.hash = '#/play/north/1'")
    page.wait(MOVING, 10, "the camera alone to move")
    story.stage.settle()
    story.crashed_ms = round(time.time() * 1000)
    began_s = time.monotonic()
    watch(page)
    story.stage.take_over(4.0)
    page.wait("document.querySelector('.bar .pill').textContent.startsWith('on stby1')", 8, "the page to name stby1")
    page.wait(MOVING, STILL_LIMIT_S, "a moving picture")
    assert time.monotonic() - began_s < STILL_LIMIT_S + 1
    page.wait("document.querySelector('.strip').hidden", 2, "the note to go")
    assert longest_stall_s(page) < STILL_LIMIT_S
    assert page.evaluate("document.querySelector('.who span').textContent") == "admin", "still logged in"


def test_s50_the_site_tells_who_carries_what(story: Story) -> None:
    page = story.page
    page.evaluate("location.hash = '#/site'")
    page.wait("document.querySelector('.card.part.warn h3')?.textContent === 'north'", 5, "north taken over")
    assert "Unprotected" in page.evaluate("document.querySelector('.banner').textContent")
    assert page.evaluate("document.querySelector('[data-server=rec1] .pill').textContent") == "unreachable"


def test_f13_the_incident_tells_its_story(story: Story) -> None:
    page = story.page
    page.evaluate("location.hash = '#/incidents'")
    page.wait("document.querySelector('.incident.takeover')", 8, "the takeover")
    told = page.evaluate("document.querySelector('.incident.takeover').textContent")
    assert "north taken over by stby1" in told
    assert "its carrier is silent" in told


def test_s12_playback_crosses_the_takeover_without_a_stall(story: Story) -> None:
    page = story.page
    story.stage.bring_home()
    page.evaluate("location.hash = '#/play/north/1'")
    page.wait("document.querySelector('.marks .takeover')", 20, "the takeover on the timeline")
    assert "no frame missing" in page.evaluate("document.querySelector('.marks .takeover').textContent")
    page.evaluate(f"location.hash = '#/play/north/1?t={story.crashed_ms - 6000}'")
    page.wait(MOVING, 10, "the recording to play")
    watch(page)
    time.sleep(12)  # the span that is watched: from 6 s before the crash to 6 s behind it
    assert longest_stall_s(page) < STALL_LIMIT_S
    shown = page.evaluate("document.querySelector('main video').getVideoPlaybackQuality().totalVideoFrames")
    assert shown > 200


def test_the_keys_move_in_time(story: Story) -> None:
    page = story.page
    time_of = "Number(location.hash.split('t=')[1])"
    page.press("ArrowLeft")
    page.wait(f"{time_of} > 0", 3, "a time")
    before = page.evaluate(time_of)
    page.press("ArrowLeft")
    page.wait(f"{time_of} !== {before}", 3, "ten seconds back")
    page.press(" ")
    page.wait("document.querySelector('main video').paused", 3, "a pause")
    page.press("l")
    page.wait("document.querySelector('.golive.on')", 3, "live")
    page.wait(MOVING, 10, "a live picture")


def test_f03_an_order_is_confirmed_first(story: Story) -> None:
    page = story.page
    page.evaluate("location.hash = '#/site'")
    button = "[data-server=rec2] footer button"
    page.wait(f"document.querySelector('{button}')", 5, "the button")
    page.click(button)
    page.wait("document.querySelector('dialog[open]')", 3, "the question")
    assert story.stage.machines["rec2"].maintenance is None
    page.click("dialog button.primary")
    page.wait("document.querySelector('[data-server=rec2] .pill').textContent === 'maintenance'", 8, "maintenance")
    assert story.stage.machines["rec2"].maintenance is not None


def test_it_is_readable_on_a_phone(story: Story) -> None:
    page = story.page
    page.resize(390, 844, phone=True)
    for view in ("live", "play/north/2", "site", "incidents"):
        page.evaluate(f"location.hash = '#/{view}'")
        page.wait("document.querySelector('main').children.length > 1", 5, view)
        page.wait("document.documentElement.scrollWidth <= 390", 3, f"{view} to fit the screen")
    page.resize(1280, 800)


def test_it_asks_nobody_else_and_has_no_errors(story: Story) -> None:
    page, own = story.page, story.stage.url.replace("127.0.0.1", "localhost")
    assert [url for url in page.requests if not url.startswith((own, "blob:", "data:"))] == []
    # What was refused on purpose, and what a server that died did not answer, is no mistake of the page.
    faults = [error for error in page.errors if "Failed to load resource" not in error]
    assert faults == []


def test_who_logs_out_is_out(story: Story) -> None:
    page = story.page
    page.click(".who button[title='Log out']")
    page.wait("document.querySelector('#password')", 5, "the login")
    assert page.evaluate("fetch('/api/v1/site').then((answer) => answer.status)") == 401
    log_in(page, "guard", PASSWORD)
    page.evaluate("location.hash = '#/site'")
    page.wait("document.querySelectorAll('.card.machine').length === 3", 8, "the site for a viewer")
    assert page.evaluate("document.querySelectorAll('.card footer').length") == 0, "viewers order nothing"
