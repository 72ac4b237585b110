"""What moderators do about pages of viewers in the administration: on one file, or with many who were chosen in a list.

The deeds themselves, with permission and entry in the audit log: viewers/choices.py, viewers/wiki.py, viewers/bots.py.
"""

from collections.abc import Callable, Collection
from typing import Any, NamedTuple

from django.contrib import admin, messages
from django.contrib.admin.utils import quote
from django.contrib.auth.models import User
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import path, reverse
from django.utils.http import urlencode
from django.views.decorators.http import require_POST

from streams.models import Channel
from streams.pages import NotNow
from streams.reach import reach_of
from streamstats.lib.numbers import noun
from viewers import bots, choices, wiki
from viewers.models import Profile, Viewer, ViewerTotal

DIGITS = 19
"""Fewer than this many have the ids of rows."""
MOST = 100
"""Viewers with whom something is done at once."""
TOO_MANY = f"Choose at most {MOST} viewers at a time. Nothing was changed."
NOT_SEEN = "They were never seen in that channel, or it is not one that you moderate."

Do = Callable[[Channel, Collection[str], User], int]


class Deed(NamedTuple):
    """Something done about pages: what it is called, what it means, and what it did to how many."""

    title: str
    means: str
    do: Do
    did: str
    asks_first: bool = False


DEEDS = {
    "hide": Deed(
        "Hide the page",
        "Strangers see neither page nor name any more: no list, no board, no search. The viewer and moderators still"
        " do. Everything goes on being counted, and only moderators show it again.",
        choices.remove_pages,
        "hidden",
        asks_first=True,
    ),
    "restore": Deed(
        "Show the page again",
        "What the viewer chose holds again: who hid the page themself stays hidden.",
        choices.restore_pages,
        "no longer hidden by moderators",
    ),
    "lock": Deed(
        "Lock the text",
        "Only moderators write the text on the page from now on. What it says stays as it is.",
        wiki.lock_all,
        "locked",
        asks_first=True,
    ),
    "unlock": Deed("Open the text", "The viewer may write the text on the page again.", wiki.unlock_all, "open again"),
    "bot": Deed(
        "Mark as a bot",
        "A bot is in no list and on no board of this channel, and shows no achievements. Its page stays, and its"
        " numbers go on: everything is back as soon as the mark is taken away.",
        lambda channel, viewers, by: bots.say_in(channel, viewers, is_bot=True, by=by),
        "marked as a bot",
        asks_first=True,
    ),
    "unbot": Deed(
        "Not a bot",
        "In lists and on boards of this channel again, with everything that was counted meanwhile.",
        lambda channel, viewers, by: bots.say_in(channel, viewers, is_bot=False, by=by),
        "no longer marked as a bot",
    ),
}
"""By their names in addresses: admin:viewers_viewer_hide, and so on."""


class PageDeeds:
    """For the admin of viewers, or of their pages: the deeds as actions on lists, and on a file."""

    admin_site: Any
    opts: Any

    def get_urls(self) -> list[Any]:
        wrap = self.admin_site.admin_view
        ours = [
            path(f"<str:viewer_id>/{name}/", wrap(self._on_file(name)), name=f"viewers_viewer_{name}")
            for name in DEEDS
            if self.opts.model is Viewer
        ]
        return [*ours, *super().get_urls()]  # type: ignore[misc]  # of the admin class that this is mixed into

    def get_actions(self, request: HttpRequest) -> dict[str, Any]:
        found: dict[str, Any] = super().get_actions(request)  # type: ignore[misc]
        return found | {
            f"page_{name}": (_action(name), f"page_{name}", f"{deed.title} …") for name, deed in DEEDS.items()
        }

    def targets(self, request: HttpRequest, chosen: Any) -> dict[Channel, list[str]]:
        """The viewers who were chosen, by channel; nothing where it is to be asked first in which."""
        if self.opts.model is Profile:
            found: dict[Channel, list[str]] = {}
            for page in chosen.select_related("channel")[: MOST + 1]:
                found.setdefault(page.channel, []).append(page.viewer_id)
            return found
        channel = self._channel(request)
        return {channel: list(chosen.order_by().values_list("pk", flat=True)[: MOST + 1])} if channel else {}

    def _channels(self, request: HttpRequest) -> Any:
        return reach_of(request.user).limit(Channel.objects.all(), "pk")

    def _channel(self, request: HttpRequest) -> Channel | None:
        """The channel that was asked for, or the only one there is."""
        asked = request.POST.get("channel") or request.GET.get("channel") or ""
        if asked:
            is_number = asked.isascii() and asked.isdecimal() and len(asked) < DIGITS
            found: Channel | None = self._channels(request).filter(pk=asked).first() if is_number else None
            return found
        few = list(self._channels(request)[:2])
        return few[0] if len(few) == 1 else None

    def _on_file(self, name: str) -> Callable[..., HttpResponse]:
        @require_POST
        def view(request: HttpRequest, viewer_id: str) -> HttpResponse:
            channel = self._channel(request)
            viewer = Viewer.objects.filter(pk=viewer_id).first() if viewer_id.isprintable() else None
            if not (channel and viewer and ViewerTotal.objects.filter(channel=channel, viewer=viewer).exists()):
                raise Http404(NOT_SEEN)
            file = reverse("admin:viewers_viewer_change", args=[quote(viewer.pk)])
            back = f"{file}?{urlencode({'channel': channel.pk})}"
            if DEEDS[name].asks_first and "confirmed" not in request.POST:
                return self._ask(request, name, {channel: [viewer.pk]}, back)
            self._do_all(request, name, {channel: [viewer.pk]})
            return redirect(f"{back}#page-part")

        return view

    def act(self, request: HttpRequest, name: str, chosen: Any) -> HttpResponse | None:
        """The action on a list: it is asked first, with whom and where."""
        targets = self.targets(request, chosen)
        if sum(map(len, targets.values())) > MOST:
            messages.error(request, TOO_MANY)
            return None
        if not targets or "confirmed" not in request.POST:
            return self._ask(request, name, targets, request.get_full_path(), chosen)
        self._do_all(request, name, targets)
        return None

    def _do_all(self, request: HttpRequest, name: str, targets: dict[Channel, list[str]]) -> None:
        deed, met = DEEDS[name], 0
        reach = reach_of(request.user)
        if not all(reach.moderates(channel.pk) for channel in targets):
            raise PermissionDenied
        try:
            for channel, viewers in targets.items():
                met += deed.do(channel, viewers, request.user)  # type: ignore[arg-type]  # nobody gets here otherwise
        except NotNow as problem:
            messages.error(request, str(problem))
            return
        of = sum(map(len, targets.values()))
        if of == 1:
            messages.success(request, f"{deed.title}: done." if met else f"{deed.title}: it was so already.")
        else:
            messages.success(request, f"{deed.title}: {met:,} of {of:,} {noun(of, 'viewer')} {deed.did}.")

    def _ask(
        self, request: HttpRequest, name: str, targets: dict[Channel, list[str]], back: str, chosen: Any = None
    ) -> HttpResponse:
        """What it means, for whom and where; whoever looks after several channels says which."""
        ids = [viewer_id for viewers in targets.values() for viewer_id in viewers]
        if not targets:
            ids = list(chosen.order_by().values_list("pk", flat=True)[: MOST + 1])
        context = {
            **self.admin_site.each_context(request),
            "title": DEEDS[name].title,
            "opts": self.opts,
            "deed": DEEDS[name],
            "action": f"page_{name}" if chosen is not None else "",
            "selected": [str(row.pk) for row in chosen[: MOST + 1]] if chosen is not None else [],
            "people": Viewer.objects.filter(pk__in=ids).order_by("login", "pk"),
            "channels": list(targets) or list(self._channels(request).order_by("login", "pk")[:MOST]),
            "is_to_choose": not targets,
            "back": back,
        }
        return render(request, "admin/viewers/deed.html", context)


def _action(name: str) -> Callable[[Any, HttpRequest, Any], HttpResponse | None]:
    @admin.action(description=DEEDS[name].title)
    def act(model_admin: Any, request: HttpRequest, chosen: Any) -> HttpResponse | None:
        found: HttpResponse | None = model_admin.act(request, name, chosen)
        return found

    return act
