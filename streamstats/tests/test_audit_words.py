"""Whatever is written into the audit log is told in words."""

import ast
import re
from pathlib import Path

from django.conf import settings
from django.contrib import admin

from streams.auditwords import WORDS, told

ACTION = re.compile(r"[a-z]+\.[a-z]+(-[a-z]+)*")
NO_ACTIONS = {"bots.txt"}


def modules_that_write():
    """Those that take something from streams/audit.py, as trees."""
    for app in ("streams", "viewers", "chat"):
        for file in sorted(Path(settings.BASE_DIR, app).rglob("*.py")):
            if {"tests", "migrations"}.isdisjoint(file.parts):
                tree = ast.parse(file.read_text())
                imports = [node for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)]
                names = {f"{node.module}.{each.name}" for node in imports for each in node.names}
                if any(name.startswith("streams.audit") and name != "streams.auditwords.told" for name in names):
                    yield tree


def written(tree):
    """What looks like an action there, and is not a line for the log of the process."""
    calls = [node for node in ast.walk(tree) if isinstance(node, ast.Call)]
    logged = {id(word) for call in calls if ast.unparse(call.func).startswith("log.") for word in call.args}
    words = {node.value for node in ast.walk(tree) if isinstance(node, ast.Constant) and id(node) not in logged}
    return {word for word in words if isinstance(word, str) and ACTION.fullmatch(word)} - NO_ACTIONS


def test_each_deed_that_has_a_name_in_the_code_has_words():
    found = set().union(*map(written, modules_that_write()))
    assert len(found) > 20
    assert found - set(WORDS) == set()


def test_each_deed_of_a_form_of_the_administration_has_words():
    deeds = {"add": "added_by", "change": "changed_by", "delete": "deleted_by"}
    found = {
        f"{site.opts.model_name}.{deed}"
        for site in admin.site._registry.values()
        for deed, by in deeds.items()
        if getattr(site, by, None)
    }
    assert {"webhook.add", "tag.change"} <= found
    assert found - set(WORDS) == set()


def test_each_deed_whose_name_is_put_together_has_words():
    """Things by deeds: webhooks that are switched on, summaries and recaps that are hidden."""
    found = set()
    for file in ("streams/webhookadmin.py", "chat/summaries/versions.py"):
        for call in ast.walk(ast.parse(Path(settings.BASE_DIR, file).read_text())):
            if isinstance(call, ast.Call) and ast.unparse(call.func) in {"self.note_deed", "_decide", "_change"}:
                given = [each for each in call.args if not isinstance(each, ast.Dict)]
                words = [word for each in given for word in ast.walk(each) if isinstance(word, ast.Constant)]
                found |= {word.value for word in words if isinstance(word.value, str)}
    assert {"hide", "let-through", "on", "off", "resend"} <= found
    assert found - {action.partition(".")[2] for action in WORDS} == set()
    assert {f"{what}.{deed}" for what in ("summary", "recap") for deed in ("hide", "restore", "let-through")} <= set(
        WORDS
    )


def test_what_has_no_words_keeps_its_name():
    assert (told("page.hide"), told("page.burn")) == ("hid the page of", "page.burn")
