"""The viewer's file in the administration: one page for each viewer in each channel, and everything done on it."""

from collections.abc import Callable
from itertools import groupby, islice
from typing import Any, cast

from django.contrib import admin, messages
from django.contrib.admin.utils import quote
from django.contrib.auth.models import User
from django.db.models import Exists, F, FilteredRelation, Model, ObjectDoesNotExist, OuterRef, Q, QuerySet
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import path, reverse
from django.utils import timezone
from django.utils.decorators import method_decorator
from django.utils.http import urlencode
from django.views.decorators.http import require_http_methods, require_POST

from chat import search
from chat.pagedeeds import PageDeeds
from chat.searchadmin import marks_of, search_address
from chat.viewerfile import contents, finding, links, notes, tags
from chat.viewerfile.deeds import File, NotDone
from chat.viewerfile.forms import LinkForm, NoteForm, TagForm, VersionForm
from streams.filters import OneChannelFilter
from streams.reach import Reach, Role, reach_of
from streamstats.lib.admin import FixedOrder
from viewers import bots
from viewers.addresses import viewer_address
from viewers.admin import SearchByName
from viewers.models import Note, NoteVersion, Viewer, ViewerName, ViewerTotal

FILE = "admin:viewers_viewer_change"
NO_SUCH_ID = 2**63
NAMES_LISTED = 5


class SeenInFilter(OneChannelFilter):
    """The viewers of one channel, who wrote most first; a search without a channel is in all within reach."""

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        if not self.is_in_one(request):
            return queryset
        here = FilteredRelation("totals", condition=Q(totals__channel=self.chosen() or None))
        counted = {"messages_here": F("here__messages"), "seconds_here": F("here__watch_seconds")}
        seen: Any = queryset.annotate(here=here).filter(here__isnull=False)
        counted_here: QuerySet[Any] = seen.annotate(**counted, seen_here=F("here__last_seen_at"))
        return counted_here

    def is_in_one(self, request: HttpRequest) -> bool:
        """Superusers also look for who was never seen in a channel."""
        is_theirs = len(self.lookup_choices) == 1 and not reach_of(request.user).is_superuser
        return bool(self.value()) or is_theirs or not request.GET.get("q", "").strip()


class FileList(FixedOrder):
    """In the order of a channel's list, or by name where several channels are searched."""

    result_list: Any

    def get_ordering(self, request: HttpRequest, queryset: QuerySet[Any]) -> list[Any]:
        is_of_one = "messages_here" in queryset.query.annotations
        return ["-here__messages", "here__viewer"] if is_of_one else ["login", "pk"]

    def get_results(self, request: HttpRequest) -> None:
        """With the names of before, for whoever looks for one of these: of those on the page alone."""
        super().get_results(request)
        shown = list(self.result_list)
        names = ViewerName.objects.filter(viewer__in=shown).order_by("viewer", "-last_seen_at")
        known = {key: list(rows) for key, rows in groupby(names, lambda name: name.viewer_id)}
        for viewer in shown:
            former = (name.login for name in known.get(viewer.pk, ()) if name.login != viewer.login)
            viewer.former = list(islice(former, NAMES_LISTED))
        self.result_list = shown


@admin.register(Viewer)
class ViewerAdmin(PageDeeds, SearchByName):
    """Viewers of the channels within reach. Whether one is a bot everywhere is for superusers to say."""

    channel_path = None
    changed_by = Role.SUPERUSER
    viewer_field = "pk"
    search_help_text = "The beginning of any name they ever had."
    list_display = ("__str__", "login", "formerly", "messages_here", "watched_here", "seen_here", "since", "bot")
    list_filter = (SeenInFilter,)
    ordering = ("login", "pk")
    fields = ("is_bot",)

    # Lists

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[FileList]:
        return FileList

    @admin.display(description="was also")
    def formerly(self, viewer: Any) -> str:
        return ", ".join(viewer.former) or "-"

    @admin.display(description="account since")
    def since(self, viewer: Viewer) -> str:
        return f"{viewer.account_created_at:%-d %b %Y}" if viewer.account_created_at else "-"

    @admin.display
    def bot(self, viewer: Viewer) -> str:
        return "a bot" if viewer.is_bot else "-"

    @admin.display(description="messages")
    def messages_here(self, viewer: Any) -> str:
        return f"{viewer.messages_here:,}" if hasattr(viewer, "messages_here") else "-"

    @admin.display(description="watched")
    def watched_here(self, viewer: Any) -> str:
        return f"{viewer.seconds_here // 3600:,} h" if hasattr(viewer, "seconds_here") else "-"

    @admin.display(description="last seen")
    def seen_here(self, viewer: Any) -> str:
        return f"{viewer.seen_here:%-d %b %Y}" if hasattr(viewer, "seen_here") else "-"

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Any], search_term: str
    ) -> tuple[QuerySet[Any], bool]:
        if not finding.tidied(search_term):
            return queryset, False
        return queryset.filter(pk__in=finding.beginning_with(search_term)), False

    def within_reach(self, reach: Reach, rows: QuerySet[Any]) -> QuerySet[Any]:
        """Who was ever seen in a channel within reach; for superusers everybody."""
        seen = reach.limit(ViewerTotal.objects.filter(viewer=OuterRef("pk")))
        return rows if reach.everywhere else rows.filter(Exists(seen))

    def viewer_id_of(self, obj: Model) -> str:
        return str(obj.pk)

    def save_model(self, request: HttpRequest, obj: Viewer, form: Any, change: bool) -> None:
        """Not the whole row, which others write meanwhile: what was said, and the watch time that follows from it."""
        if "is_bot" in form.changed_data:
            bots.say(obj.pk, is_bot=obj.is_bot)

    # The file

    def get_urls(self) -> list[Any]:
        deeds = {
            "note": ("note/", self.note_view),
            "note_edit": ("note/<int:note_id>/", self.note_edit_view),
            "note_withdraw": ("note/<int:note_id>/withdraw/", self.note_withdraw_view),
            "tag": ("tag/", self.tag_view),
            "untag": ("tag/<int:tag_id>/remove/", self.untag_view),
            "link": ("link/", self.link_view),
            "unlink": ("link/<int:link_id>/undo/", self.unlink_view),
        }
        ours = [
            path(f"<str:viewer_id>/{way}", self.admin_site.admin_view(view), name=f"viewers_viewer_{name}")
            for name, (way, view) in deeds.items()
        ]
        return [*ours, *super().get_urls()]

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """The file. What is posted to it is whether the viewer is a bot everywhere, as Django's forms have it."""
        viewer = self.get_object(request, object_id)
        if request.method == "POST" or not isinstance(viewer, Viewer):
            answer: HttpResponse = super().change_view(request, object_id, form_url, extra_context)
            return answer
        totals = contents.channels_of(viewer, reach_of(request.user))
        if not totals and "channel" not in request.GET:
            return self._render(request, "nowhere.html", viewer=viewer, title=str(viewer))
        return self._show(request, viewer, totals, self._chosen(request, totals))

    def _show(
        self,
        request: HttpRequest,
        viewer: Viewer,
        totals: list[ViewerTotal],
        total: ViewerTotal,
        **more: Any,
    ) -> HttpResponse:
        file, reach = File(total.channel, viewer), reach_of(request.user)
        words = request.GET.get("words", "").replace("\x00", "").strip()[: search.LONGEST_WORDS]
        found = contents.read(file, total, reach, words)
        people = [account.viewer for account in found.accounts]
        context = {
            "found": found,
            "marks": marks_of(words),
            "all_messages": search_address(file.channel, people, words),
            "older_messages": search_address(file.channel, people, words, found.messages.after),
            "totals": totals,
            "channel": file.channel,
            "viewer": viewer,
            "words": words,
            "now": timezone.now(),
            "own_page": viewer_address(file.channel, viewer) if file.channel.login else "",
            "query": urlencode({"channel": file.channel.pk}),
            "longest_note": notes.LONGEST,
            "is_superuser": reach.is_superuser,
        }
        return self._render(request, "file.html", title=str(viewer), **context, **more)

    # What is done on it

    @method_decorator(require_POST)
    def note_view(self, request: HttpRequest, viewer_id: str) -> HttpResponse:
        """A text that cannot be kept is shown again, for its author to make it shorter."""
        viewer, totals, total = self._file_of(request, viewer_id)
        form = NoteForm(request.POST)
        text = form.data.get("text", "") if not form.is_valid() else form.cleaned_data["text"]
        file = File(total.channel, viewer)
        try:
            notes.write(file, text, _by(request))
        except NotDone as problem:
            return self._show(request, viewer, totals, total, draft=text, note_problem=str(problem))
        messages.success(request, "The note is on the file.")
        return self._back(file, "notes")

    @method_decorator(require_http_methods(["GET", "HEAD", "POST"]))
    def note_edit_view(self, request: HttpRequest, viewer_id: str, note_id: int) -> HttpResponse:
        viewer, _, total = self._file_of(request, viewer_id)
        file = File(total.channel, viewer)
        newest = NoteVersion.objects.filter(
            note=min(note_id, NO_SUCH_ID - 1), note__channel=file.channel, note__viewer=viewer
        ).select_related("note")
        current = newest.order_by("-number").first()
        if current is None:
            raise Http404("There is no such note on this file.")
        if current.note.withdrawn_at:
            messages.error(request, notes.GONE)
            return self._back(file, "notes")
        if request.method != "POST":
            return self._ask_for_note(request, file, current.note, VersionForm(initial=_as_it_is(current)))
        form = VersionForm(request.POST)
        if not form.is_valid():
            return self._ask_for_note(request, file, current.note, form)
        try:
            given = form.cleaned_data
            notes.rewrite(file, note_id, given["text"], _by(request), based_on=given["based_on"])
        except notes.Changed as changed:
            again = VersionForm(initial={"text": given["text"], "based_on": changed.current.number})
            return self._ask_for_note(request, file, current.note, again, str(changed), changed.current)
        except NotDone as problem:
            return self._ask_for_note(request, file, current.note, form, str(problem))
        messages.success(request, "The note says this now. What it said before is below it.")
        return self._back(file, "notes")

    def _ask_for_note(
        self,
        request: HttpRequest,
        file: File,
        note: Note,
        form: VersionForm,
        problem: str = "",
        current: NoteVersion | None = None,
    ) -> HttpResponse:
        by = contents.names_of({current.author_id} if current and current.author_id else ())
        context = {"file": file, "note": note, "form": form, "problem": problem, "current": current, "names": by}
        return self._render(
            request, "note.html", title=f"A note about {file.viewer}", back=self._address(file), **context
        )

    @method_decorator(require_POST)
    def note_withdraw_view(self, request: HttpRequest, viewer_id: str, note_id: int) -> HttpResponse:
        def do(file: File) -> str:
            notes.take_back(file, min(note_id, NO_SUCH_ID - 1), _by(request))
            return "The note is taken back. It stays below the others."

        return self._do(request, viewer_id, do, "notes")

    @method_decorator(require_POST)
    def tag_view(self, request: HttpRequest, viewer_id: str) -> HttpResponse:
        def do(file: File) -> str:
            form = TagForm(request.POST)
            name = form.cleaned_data["name"] if form.is_valid() else "x" * 10 * tags.LONGEST
            put_on = tags.put_on(file, name, _by(request))
            return f"Tagged as {put_on.tag}." if put_on else "That tag is on them already."

        return self._do(request, viewer_id, do, "tags")

    @method_decorator(require_POST)
    def untag_view(self, request: HttpRequest, viewer_id: str, tag_id: int) -> HttpResponse:
        def do(file: File) -> str:
            tag = tags.take_off(file, min(tag_id, NO_SUCH_ID - 1), _by(request))
            return f"No longer tagged as {tag}."

        return self._do(request, viewer_id, do, "tags")

    @method_decorator(require_http_methods(["GET", "HEAD", "POST"]))
    def link_view(self, request: HttpRequest, viewer_id: str) -> HttpResponse:
        """Who is called so is shown first: names pass from one account to another."""
        viewer, _, total = self._file_of(request, viewer_id)
        file = File(total.channel, viewer)
        if request.method != "POST":
            return self._ask_for_link(request, file, request.GET.get("account", ""))
        form = LinkForm(request.POST)
        typed = str(form.data.get("typed", ""))
        if not form.is_valid():
            return self._ask_for_link(request, file, typed, "Choose an account, and say why.")
        given = form.cleaned_data
        other = self._account(file, given["account"])
        if other is None:
            return self._ask_for_link(request, file, typed, "That account was never seen in this channel.")
        second, main = (other, viewer) if given["main"] == "here" else (viewer, other)
        try:
            links.link(File(file.channel, second), main, given["reason"], _by(request))
        except NotDone as problem:
            return self._ask_for_link(request, file, typed, str(problem), form)
        messages.success(request, f"{second} is shown on the file of {main} from now on.")
        return self._back(File(file.channel, main), "accounts")

    def _account(self, file: File, twitch_id: str) -> Viewer | None:
        """The account of this id, if it was seen in the channel."""
        return next((each for each in finding.called(file.channel, twitch_id) if each.pk == twitch_id), None)

    def _ask_for_link(
        self, request: HttpRequest, file: File, typed: str, problem: str = "", form: LinkForm | None = None
    ) -> HttpResponse:
        candidates = [each for each in finding.called(file.channel, typed) if each.pk != file.viewer.pk]
        totals = ViewerTotal.objects.filter(channel=file.channel, viewer__in=candidates)
        known = {row.viewer_id: row for row in totals}
        context = {
            "file": file,
            "typed": typed,
            "candidates": [contents.Account(each, known.get(each.pk), []) for each in candidates],
            "problem": problem,
            "given": form.cleaned_data if form else {},
        }
        return self._render(request, "link.html", title="Link an account", back=self._address(file), **context)

    @method_decorator(require_POST)
    def unlink_view(self, request: HttpRequest, viewer_id: str, link_id: int) -> HttpResponse:
        def do(file: File) -> str:
            undone = links.undo(file, min(link_id, NO_SUCH_ID - 1), _by(request))
            return f"{undone.viewer} and {undone.main} have files of their own again."

        return self._do(request, viewer_id, do, "accounts")

    # What these have in common

    def _do(self, request: HttpRequest, viewer_id: str, do: Callable[[File], str], part: str) -> HttpResponse:
        viewer, _, total = self._file_of(request, viewer_id)
        file = File(total.channel, viewer)
        try:
            messages.success(request, do(file))
        except NotDone as problem:
            messages.error(request, str(problem))
        except ObjectDoesNotExist:
            messages.error(request, "That is not on this file any more. Here it is as it is now.")
        return self._back(file, part)

    def _file_of(self, request: HttpRequest, viewer_id: str) -> tuple[Viewer, list[ViewerTotal], ViewerTotal]:
        """Raises Http404 for who was never seen where one moderates."""
        viewer = self.get_object(request, viewer_id)
        if not isinstance(viewer, Viewer):
            raise Http404("Nobody of that id was seen in a channel that you moderate.")
        totals = contents.channels_of(viewer, reach_of(request.user))
        return viewer, totals, self._chosen(request, totals)

    def _chosen(self, request: HttpRequest, totals: list[ViewerTotal]) -> ViewerTotal:
        """That of the channel asked for, else where they were seen last."""
        asked = request.GET.get("channel")
        wanted = (total for total in totals if asked is None or str(total.channel_id) == asked)
        if (found := next(wanted, None)) is None:
            raise Http404("They were never seen in that channel, or it is not one that you moderate.")
        return found

    def _address(self, file: File) -> str:
        query = urlencode({"channel": file.channel.pk})
        return f"{reverse(FILE, args=[quote(file.viewer.pk)])}?{query}"

    def _back(self, file: File, part: str) -> HttpResponse:
        return redirect(f"{self._address(file)}#{part}")

    def _render(self, request: HttpRequest, template: str, **context: Any) -> HttpResponse:
        """`original` is what unfold heads a page with."""
        original = context["file"].viewer if "file" in context else context["viewer"]
        known = {**self.admin_site.each_context(request), "opts": self.opts, "original": original}
        return render(request, f"admin/viewers/viewer/{template}", {**known, **context})


def _by(request: HttpRequest) -> User:
    """Nobody gets here without logging in."""
    user: Any = request.user
    return cast(User, user)


def _as_it_is(version: NoteVersion) -> dict[str, Any]:
    return {"text": version.text, "based_on": version.number}
