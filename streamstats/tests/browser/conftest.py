"""A browser, a server and a world, one of each for a file of tests."""

import os
import shutil
from collections.abc import Iterator
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from django.test import override_settings
from playwright.sync_api import Browser, Playwright, sync_playwright
from redis import Redis

from streamstats.lib.origins import origins
from streamstats.simulator.facts import StatedFacts
from streamstats.simulator.tests.threaded import ThreadedTwitch, simulated_twitch
from streamstats.tests.browser import world as cast
from streamstats.tests.browser.server import serving
from streamstats.tests.browser.visitor import Visitor
from streamstats.tests.browser.world import World

CHROMIUMS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    # Nothing but this machine has a name.
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE localhost, EXCLUDE 127.0.0.1",
]
NO_CHROMIUM = (
    "There is no Chromium to test with. Install it (Debian: apt-get install chromium), or leave these tests out:"
    ' make test ARGS="--ignore=streamstats/tests/browser"'
)


@pytest.fixture
def _django_db_helper() -> None:
    """Roll nothing back after a test: the world is there for a whole file. Tests are marked to have a database made."""


@pytest.fixture(scope="module")
def playwright(world: World) -> Iterator[Playwright]:
    """Playwright for one file: while it runs, its loop stays on this thread, where other tests want to run theirs.

    The world is made before and unmade after, because Django takes whatever this thread does meanwhile for work on
    that loop. What a test wants to know of the database it asks with `meanwhile`.
    """
    with sync_playwright() as running:
        yield running


@pytest.fixture(scope="module")
def browser(playwright: Playwright) -> Iterator[Browser]:
    found = next(filter(None, map(shutil.which, CHROMIUMS)), None)
    if found is None:
        pytest.fail(NO_CHROMIUM, pytrace=False)
    browser = playwright.chromium.launch(executable_path=found, args=ARGUMENTS)
    yield browser
    browser.close()


@pytest.fixture(scope="module")
def twitch() -> Iterator[ThreadedTwitch]:
    people = StatedFacts([cast.OWNER, cast.ANN, cast.BOB, cast.CLEO, cast.DORA])
    policy: dict[str, Any] = deepcopy(settings.CONTENT_SECURITY_POLICY)
    with simulated_twitch(people) as running:
        # Made of the settings when they were read, and the simulated Twitch has its port only now.
        for directive in ("form-action", "img-src"):
            policy["DIRECTIVES"][directive] += origins(running.base_url)
        with override_settings(CONTENT_SECURITY_POLICY=policy):
            yield running


@pytest.fixture(scope="module")
def world(django_db_setup: None, django_db_blocker: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with (
        django_db_blocker.unblock(),
        Redis.from_url(settings.REDIS_URL) as redis,
        override_settings(MEDIA_ROOT=tmp_path_factory.mktemp("media")),
    ):
        redis.flushdb()
        yield cast.make_world()
        cast.unmake_world()
        redis.flushdb()


@pytest.fixture(scope="module")
def site(world: World, twitch: ThreadedTwitch, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of the site, with the cache of pages as it is in the product.

    Static files are those of this moment: somebody may write at them while tests run.
    """
    static = tmp_path_factory.mktemp("site") / "static"
    shutil.copytree(settings.STATICFILES_DIRS[0], static)
    with override_settings(PAGE_CACHE_SECONDS=30, STATICFILES_DIRS=[static]), serving() as address:
        yield address


@pytest.fixture
def visitors(browser: Browser, site: str, twitch: ThreadedTwitch) -> Iterator[Any]:
    """Make people with a browser each: `visitors(java_script_enabled=False)`. What went wrong there fails the test."""
    made: list[Visitor] = []

    def make(**options: Any) -> Visitor:
        made.append(Visitor(browser, site, **options))
        return made[-1]

    yield make
    for visitor in made:
        visitor.close()


@pytest.fixture(scope="session")
def pictures() -> Path | None:
    """Where screenshots go, if somebody wants to see them: see README, "Tests"."""
    if not (name := os.environ.get("SCREENSHOTS")):
        return None
    folder = Path(name)
    folder.mkdir(parents=True, exist_ok=True)
    return folder
