"""An import goes to what stands before it: streamstats.lib <- streams <- viewers <- chat <- streamstats."""

import ast
from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest

PROJECT = Path(__file__).resolve().parents[2]
# Longest name first: `streamstats.lib` is the lowest, the rest of `streamstats` the highest.
LAYERS = {
    "streamstats.lib": 0,
    "streamstats.simulator": 0,
    "streams": 1,
    "viewers": 2,
    "chat": 3,
    "streamstats": 4,
}
# Which modules may know nothing of Django, not even through another module of ours.
WITHOUT_DJANGO = [
    "chat.ingest.sockets",
    "chat.ingest.eventsub_reader",
    "chat.ingest.eventsub_session",
    "chat.ingest.eventsub_topics",
    "chat.ingest.queue",
    "chat.ingest.irc",
    "chat.ingest.events",
]


def layer(module: str) -> int | None:
    for package, number in LAYERS.items():
        if module == package or module.startswith(f"{package}."):
            return number
    return None


def imports(module: str, source: str, *, is_package: bool = False) -> Iterator[str]:
    """Full names of everything a module imports, wherever in it."""
    package = module.split(".") if is_package else module.split(".")[:-1]
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            above = package[: len(package) - node.level + 1] if node.level else []
            origin = ".".join([*above, *filter(None, [node.module])])
            yield from (f"{origin}.{alias.name}" for alias in node.names)


def wrong_ways(module: str, imported: Iterable[str]) -> list[str]:
    own = layer(module)
    return [name for name in imported if is_wrong_way(module, own, name)]


def is_wrong_way(module: str, own: int | None, name: str) -> bool:
    # Commands are where a program begins, so they may reach for how it is started on one machine.
    if ".management.commands." in module and name.startswith("streamstats.local."):
        return False
    other = layer(name)
    return own is not None and other is not None and other > own


def modules() -> dict[str, Path]:
    found = {}
    for path in PROJECT.glob("*/**/*.py"):
        parts = path.relative_to(PROJECT).with_suffix("").parts
        if layer(parts[0]) is not None and "tests" not in parts and "migrations" not in parts:
            found[".".join(parts).removesuffix(".__init__")] = path
    return found


MODULES = modules()


def imports_of(module: str) -> list[str]:
    path = MODULES[module]
    return list(imports(module, path.read_text(encoding="utf-8"), is_package=path.name == "__init__.py"))


def reached_from(module: str) -> set[str]:
    """Everything that importing a module imports, through our own modules."""
    seen: set[str] = set()
    ahead = [module]
    while ahead:
        for name in imports_of(ahead.pop()):
            parts = name.split(".")
            # `from a.b import c` may name the module a.b.c, and runs a and a.b in any case.
            names = {".".join(parts[:length]) for length in range(1, len(parts) + 1)}
            ahead += [own for own in names - seen if own in MODULES]
            seen |= names
    return seen


@pytest.mark.parametrize("module", sorted(MODULES))
def test_no_module_imports_what_stands_above_it(module):
    assert wrong_ways(module, imports_of(module)) == []


@pytest.mark.parametrize("module", WITHOUT_DJANGO)
def test_the_first_stages_know_no_django(module):
    assert "django" not in reached_from(module)


def test_every_app_is_looked_at():
    assert {"streams.models", "viewers.models", "chat.apps", "streamstats.settings"} <= MODULES.keys()


@pytest.mark.parametrize(
    ("module", "source"),
    [
        ("streams.views", "from chat.models import Message"),
        ("streams.views", "import viewers.models"),
        ("viewers.models", "def late():\n    from chat import rollups"),
        ("streamstats.lib.months", "from streams.models import Channel"),
        ("streamstats.simulator.irc", "from chat.ingest import irc"),
        ("chat.views", "from streamstats import urls"),
        ("chat.views", "from streamstats.local import launch"),
        ("viewers.models", "from ..chat import models"),
    ],
)
def test_a_wrong_way_is_seen(module, source):
    assert wrong_ways(module, imports(module, source))


@pytest.mark.parametrize(
    ("module", "source"),
    [
        ("chat.views", "from streams.models import Channel"),
        ("chat.views", "from streamstats.lib.months import month"),
        ("streamstats.urls", "import chat.urls"),
        ("chat.management.commands.ingest", "from streamstats.local.launch import launcher"),
        ("chat.ingest.store", "from . import emotes"),
        ("streams.models", "from django.db import models"),
    ],
)
def test_a_right_way_is_let_pass(module, source):
    assert wrong_ways(module, imports(module, source)) == []
