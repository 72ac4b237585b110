"""Every page there is to look at, in one place: an address without a sight fails a test."""

from datetime import date
from typing import NamedTuple

from django.urls import URLPattern, URLResolver, get_resolver, resolve

from streamstats.tests.browser.world import ANN, CHANNEL, EMPTY, HIDDEN, HOSTILE, OPT_IN, RECEIPT, World

V = f"/c/{CHANNEL}"
YEAR = date.today().year  # noqa: DTZ011 - which year it is here is the year of the world


class Sight(NamedTuple):
    """A page: what its screenshots are called, where it is, and as whom it is looked at: see test_looks.py."""

    name: str
    address: str
    who: str = ""
    status: int = 200

    def at(self, world: World) -> str:
        """The address in this world."""
        return self.address.format(**world._asdict())


SIGHTS = [
    Sight("front", "/"),
    Sight("channel", f"{V}/"),
    Sight("channel-empty", f"/c/{EMPTY}/"),
    Sight("channel-opt-in", f"/c/{OPT_IN}/"),
    Sight("channel-hostile", f"/c/{HOSTILE}/"),
    Sight("streams", f"{V}/streams/"),
    Sight("streams-empty", f"/c/{EMPTY}/streams/"),
    Sight("streams-hostile", f"/c/{HOSTILE}/streams/"),
    Sight("stream", f"{V}/streams/{{stream}}/"),
    Sight("stream-live", f"{V}/streams/{{live}}/"),
    Sight("stream-hostile", f"/c/{HOSTILE}/streams/700000002/"),
    Sight("viewers", f"{V}/viewers/"),
    Sight("viewers-found", f"{V}/viewers/?q=viewer1"),
    Sight("viewers-not-found", f"{V}/viewers/?q=zz"),
    Sight("viewers-empty", f"/c/{EMPTY}/viewers/"),
    Sight("viewers-hostile", f"/c/{HOSTILE}/viewers/"),
    Sight("viewer", f"{V}/viewers/{ANN.login}/"),
    Sight("viewer-month", f"{V}/viewers/{ANN.login}/?range=month"),
    Sight("viewer-quiet", f"{V}/viewers/viewer159/"),
    Sight("viewer-hostile", f"/c/{HOSTILE}/viewers/{'W' * 64}/"),
    Sight("viewer-hidden", f"{V}/viewers/{HIDDEN}/", status=404),
    Sight("viewer-own", f"{V}/viewers/{ANN.login}/", who="ann"),
    Sight("viewer-recap", f"{V}/viewers/{ANN.login}/recap/{YEAR}/"),
    Sight("channel-recap", f"{V}/recap/{YEAR}/"),
    Sight("emotes", f"{V}/emotes/"),
    Sight("emotes-empty", f"/c/{EMPTY}/emotes/"),
    Sight("emotes-hostile", f"/c/{HOSTILE}/emotes/"),
    Sight("emote", f"{V}/emotes/{{emote}}/"),
    Sight("wiki", f"{V}/viewers/{ANN.login}/wiki/", who="ann"),
    Sight("wiki-stranger", f"{V}/viewers/{ANN.login}/wiki/"),
    Sight("wiki-version", f"{V}/viewers/{ANN.login}/wiki/2/", who="ann"),
    Sight("wiki-version-withdrawn", f"{V}/viewers/{ANN.login}/wiki/3/", who="ann"),
    Sight("wiki-withdraw", f"{V}/viewers/{ANN.login}/wiki/2/withdraw/", who="ann"),
    Sight("wiki-edit", f"{V}/viewers/{ANN.login}/wiki/edit/", who="ann"),
    Sight("summaries", f"{V}/viewers/{ANN.login}/summary/", who="ann"),
    Sight("summary-version", f"{V}/viewers/{ANN.login}/summary/3/", who="ann"),
    Sight("summary-version-not-written", f"{V}/viewers/{ANN.login}/summary/4/", who="ann"),
    Sight("summary-version-of-another", f"{V}/viewers/{ANN.login}/summary/2/", who="owner"),
    Sight("summary-queue", f"{V}/summaries/", who="owner"),
    Sight("stream-recap", f"{V}/streams/{{stream}}/recap/", who="owner"),
    Sight("boards", f"{V}/leaderboards/"),
    Sight("boards-points", f"{V}/leaderboards/?by=points&range=month"),
    Sight("boards-own", f"{V}/leaderboards/", who="ann"),
    Sight("boards-empty", f"/c/{EMPTY}/leaderboards/"),
    Sight("boards-hostile", f"/c/{HOSTILE}/leaderboards/"),
    Sight("achievements", f"{V}/achievements/"),
    Sight("achievements-empty", f"/c/{EMPTY}/achievements/"),
    Sight("privacy", "/privacy/"),
    Sight("erased", f"/erased/{RECEIPT}/"),
    Sight("login", "/login/twitch/"),
    Sight("login-not-begun", "/complete/twitch/", status=400),
    Sight("account", "/account/", who="ann"),
    Sight("account-owner", "/account/", who="owner"),
    Sight("account-empty", "/account/", who="newcomer"),
    Sight("account-export", "/account/export/", who="ann"),
    Sight("account-erase", "/account/erase/", who="ann"),
    Sight("not-found", "/nowhere", status=404),
]
# What is no page: forms' targets, feeds, pictures, files for machines, and the staff's own.
NO_SIGHTS = {
    "chat:front_live",
    "chat:live",
    "chat:now",
    "chat:channel_picture",
    "chat:channel_recap_picture",
    "chat:viewer_picture",
    "chat:viewer_recap_picture",
    "chat:wiki_lock",
    "chat:wiki_remove",
    "chat:wiki_restore",
    "chat:stream_recap_decide",
    "chat:summary_ask",
    "chat:summary_decide",
    "chat:summary_live",
    "chat:summary_report",
    "chat:account_agree",
    "chat:account_allow",
    "chat:account_channel",
    "chat:account_export_file",
    "chat:account_hide",
    "chat:account_resume",
    "chat:account_show",
    "chat:account_stop",
    "chat:account_summaries",
    "chat:account_withdraw",
    "viewers:logout",
    "streams:connect_bot",
    "streams:connect_channel",
    "streams:connect_callback",
    "streams:disconnect",
    "sitemap",
    "sitemap_section",
    "healthz",
    "readyz",
    "metrics",
}


def looked_at() -> set[str]:
    """Names of addresses that a sight is of."""
    anywhere = World(stream="1", live="1", emote=1)
    paths = [sight.at(anywhere).partition("?")[0] for sight in SIGHTS if sight.name != "not-found"]
    return {resolve(path).view_name for path in paths}


def unseen() -> set[str]:
    """Names of addresses that no sight is of, and that are not known to be none."""
    return set(_names(get_resolver().url_patterns)) - looked_at() - NO_SIGHTS


def _names(patterns: list[URLPattern | URLResolver], space: str = "") -> list[str]:
    names = []
    for pattern in patterns:
        if isinstance(pattern, URLPattern):
            names.append(f"{space}{pattern.name}" if pattern.name else "")
        elif pattern.namespace not in {"admin", "api"}:  # the API is for programs: its document has tests of its own
            names += _names(pattern.url_patterns, f"{pattern.namespace}:" if pattern.namespace else space)
    return [name for name in names if name]
