"""View sessions in the admin: each with its evidence, and a way to put it right that shows first what it changes."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import path, reverse
from django.utils.html import format_html, format_html_join
from django.utils.http import urlencode
from django.utils.safestring import SafeString, mark_safe

from chat.models import Message
from streams import audit
from streams.filters import OneChannelFilter
from streams.models import PresenceSource
from streams.reach import Role
from streamstats.lib.admin import once
from streamstats.lib.durations import exact
from viewers import presence
from viewers.admin import SearchByName
from viewers.models import PresencePoll, ViewerTotal, ViewSession

# How many polls before and after each end of a session are shown, and up to where its messages are counted.
AROUND = 3
MESSAGES_COUNTED = 1000

TIMES = ("%Y-%m-%d %H:%M:%S", "%Y-%m-%d %H:%M", "%Y-%m-%dT%H:%M:%S", "%Y-%m-%dT%H:%M")


def time_field(label: str) -> forms.DateTimeField:
    """A moment in UTC, typed to the second."""
    widget = forms.DateTimeInput(format=TIMES[0], attrs={"size": 20, "autocomplete": "off"})
    return forms.DateTimeField(label=label, required=False, widget=widget, input_formats=TIMES)


class CorrectionForm(forms.Form):
    """What a session should be. `shown` is what it was when the form was shown."""

    started_at = time_field("From (UTC)")
    ended_at = time_field("To (UTC)")
    is_absent = forms.BooleanField(required=False, label="The viewer was not there at all")
    reason = forms.CharField(
        max_length=1000,
        widget=forms.Textarea(attrs={"rows": 3, "cols": 60}),
        help_text="Why, for whoever looks at it later. Viewers see that it was corrected, but neither why nor by whom.",
    )
    shown = forms.CharField(widget=forms.HiddenInput)

    def clean(self) -> dict[str, Any]:
        given = super().clean() or {}
        for name in () if given.get("is_absent") else ("started_at", "ended_at"):
            if name not in self.errors and not given.get(name):
                self.add_error(name, "Say when, or that the viewer was not there at all.")
        return given


@dataclass(frozen=True)
class Effect:
    """What a correction does to the watch time of the viewer in the channel."""

    before: int
    after: int

    @property
    def told(self) -> str:
        before, after = (exact(timedelta(seconds=seconds)) for seconds in (self.before, self.after))
        return f"{before} → {after}" if self.before != self.after else f"{before}, as before"


@admin.register(ViewSession)
class ViewSessionAdmin(SearchByName):
    list_display = ("started_at", "ended_at", "viewer", "stream", "source", "ended_by")
    list_filter = (OneChannelFilter,)
    list_select_related = ("viewer", "stream__channel")
    ordering = ("viewer", "-started_at", "pk")
    fieldsets = (
        (None, {"fields": ("viewer", "stream", "started_at", "ended_at", "source", "ended_by")}),
        ("Evidence", {"fields": ("polls", "messages_within", "corrections")}),
    )

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        return super().get_queryset(request).select_related("viewer", "stream__channel")

    def get_urls(self) -> list[Any]:
        correct = self.admin_site.admin_view(self.correct_view)
        return [path("<int:session_id>/correct/", correct, name="viewers_viewsession_correct"), *super().get_urls()]

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        may_correct = self.may(request, Role.MODERATOR)
        context = {**(extra_context or {}), "title": "A view session", "may_correct": may_correct}
        page: HttpResponse = super().change_view(request, object_id, form_url, context)
        return page

    @admin.display(description="Looks at who was there")
    @once
    def polls(self, session: ViewSession) -> str:
        rows = format_html_join("", "<tr><td>{}</td><td>{}</td><td>{}</td></tr>", told_polls(session))
        every = format_html(
            '<a href="{}?{}">All of this stream</a>',
            reverse("admin:viewers_presencepoll_changelist"),
            urlencode({"stream": session.stream_id}),
        )
        return format_html("<table>{}</table>{}", rows, every) if rows else "none: nobody could be asked"

    @admin.display(description="Messages within it")
    @once
    def messages_within(self, session: ViewSession) -> str:
        until = session.ended_at or session.stream.presence_at or session.started_at
        within = Message.objects.counted().filter(
            channel=session.channel_id, viewer=session.viewer_id, sent_at__gte=session.started_at, sent_at__lte=until
        )
        count = within[: MESSAGES_COUNTED + 1].count()
        query: dict[str, str | int] = {
            "channel": session.channel_id,
            "viewer__exact": session.viewer_id,
            "sent_at__gte": session.started_at.isoformat(),
            "sent_at__lte": until.isoformat(),
        }
        told = f"{count:,}" if count <= MESSAGES_COUNTED else f"more than {MESSAGES_COUNTED:,}"
        return format_html('<a href="{}?{}">{}</a>', reverse("admin:chat_message_changelist"), urlencode(query), told)

    @admin.display(description="Corrections so far")
    @once
    def corrections(self, session: ViewSession) -> str:
        made = session.corrections.select_related("made_by").order_by("pk")
        lines = format_html_join(
            mark_safe("<br>"),
            "{} by {}: it was {}. {}",
            (
                (
                    _moment(row.made_at),
                    row.made_by or "somebody",
                    _told(row.started_before, row.ended_before),
                    row.reason,
                )
                for row in made
            ),
        )
        return lines or "none"

    def correct_view(self, request: HttpRequest, session_id: int) -> HttpResponse:
        """Ask what the session should be, show what that changes, and then do it."""
        if not self.may(request, Role.MODERATOR):
            raise PermissionDenied
        session = self.get_queryset(request).filter(pk=session_id).first()
        if session is None or session.ended_at is None:
            problem = (
                "is not there any more" if session is None else "still goes on: it can be corrected when it has ended"
            )
            messages.error(request, f"This session {problem}.")
            return redirect("admin:viewers_viewsession_changelist")
        if request.method != "POST":
            return self._ask(request, session, CorrectionForm(initial=_as_it_is(session)))
        form = CorrectionForm(request.POST)
        return self._answer(request, session, form) if form.is_valid() else self._ask(request, session, form)

    def _answer(self, request: HttpRequest, session: ViewSession, form: CorrectionForm) -> HttpResponse:
        if form.cleaned_data["shown"] != _as_it_is(session)["shown"]:
            messages.error(request, "This session was changed meanwhile. Here it is as it is now: look again.")
            return redirect(request.path)
        is_confirmed = "confirmed" in request.POST
        try:
            effect = self._correct(request, session, form, is_for_real=is_confirmed)
        except ValueError as error:
            form.add_error(None, str(error))
            return self._ask(request, session, form)
        if not is_confirmed:
            return self._ask(request, session, form, effect)
        told = f"Corrected. Watch time of {session.viewer}: {effect.told}."
        messages.success(request, f"{told} The numbers of the stream follow within minutes.")
        return redirect("admin:viewers_sessioncorrection_changelist")

    def _correct(
        self, request: HttpRequest, session: ViewSession, form: CorrectionForm, *, is_for_real: bool
    ) -> Effect:
        """Correct the session, or take it back at once: what it would do is found out by doing it."""
        given = form.cleaned_data
        started_at, ended_at = given["started_at"] or session.started_at, given["ended_at"]
        if given["is_absent"]:
            started_at, ended_at = session.started_at, None
        with transaction.atomic():
            before, was = _watched(session), _span(session)
            presence.correct(session, started_at, ended_at, given["reason"], request.user)  # type: ignore[arg-type]
            effect = Effect(before, _watched(session))
            if is_for_real:
                audit.note(
                    request.user,  # type: ignore[arg-type]  # nobody gets here without logging in
                    "session.correct",
                    channel=session.channel_id,
                    viewer_id=session.viewer_id,
                    target=session.viewer,
                    detail={"before": was, "after": _wanted(form), "reason": given["reason"]},
                )
            transaction.set_rollback(not is_for_real)
        return effect

    def _ask(
        self, request: HttpRequest, session: ViewSession, form: CorrectionForm, effect: Effect | None = None
    ) -> HttpResponse:
        """The form; or, once it is known what it would do, whether to do it."""
        spans = session.stream.segments.order_by("started_at").values_list("started_at", "ended_at")
        context = {
            **self.admin_site.each_context(request),
            "title": "Do this?" if effect else "Correct a session",
            "opts": self.opts,
            "session": session,
            "now_told": _told(session.started_at, session.ended_at),
            "on_air": [_told(start, end) for start, end in _joined(spans)],
            "form": form,
            "effect": effect,
            "then_told": _wanted(form) if effect else "",
        }
        return render(request, "admin/viewers/viewsession/correct.html", context)


def told_polls(session: ViewSession) -> list[tuple[str, str, str]]:
    """The polls around the start and the end of a session: when, what they found, and what that says of it."""
    polls = PresencePoll.objects.filter(stream=session.stream_id)
    moments = (session.started_at, session.ended_at or session.stream.presence_at or session.started_at)
    around = [
        part
        for moment in moments
        for part in (
            polls.filter(at__lte=moment).order_by("-at")[:AROUND],
            polls.filter(at__gt=moment).order_by("at")[:AROUND],
        )
    ]
    rows = sorted(around[0].union(*around[1:]), key=lambda poll: poll.at)
    return [(_moment(poll.at), _found(poll), _says(session, poll)) for poll in rows]


def _found(poll: PresencePoll) -> str:
    if poll.chatters is None:
        return f"no answer: {poll.problem}"
    where = "in chat" if poll.source == PresenceSource.CHATTERS else "had just written"
    return f"{poll.chatters:,} {where}; {poll.opened:,} came, {poll.closed:,} left"


def _says(session: ViewSession, poll: PresencePoll) -> str:
    """What a poll says of this session: of time before and after it, another session may tell more."""
    if poll.chatters is None:
        return "says nothing"
    if poll.at < session.started_at:
        return "before it"
    if session.ended_at is None or poll.at < session.ended_at:
        return "there"
    if poll.at > session.ended_at:
        return "after it"
    return "no longer there" if session.ended_by == ViewSession.EndedBy.ABSENT else "there"


def _joined(spans: QuerySet[Any, Any]) -> Iterator[tuple[datetime, datetime | None]]:
    """Spans in order, those that touch made one."""
    current: tuple[datetime, datetime | None] | None = None
    for start, end in spans:
        if current and current[1] == start:
            current = (current[0], end)
        else:
            if current:
                yield current
            current = (start, end)
    if current:
        yield current


def _watched(session: ViewSession) -> int:
    totals = ViewerTotal.objects.filter(channel=session.channel_id, viewer=session.viewer_id)
    return totals.values_list("watch_seconds", flat=True).first() or 0


def _as_it_is(session: ViewSession) -> dict[str, Any]:
    return {
        "started_at": session.started_at,
        "ended_at": session.ended_at,
        "shown": f"{session.started_at.isoformat()} {session.ended_at.isoformat() if session.ended_at else ''}",
    }


def _span(session: ViewSession) -> str:
    return _told(session.started_at, session.ended_at)


def _wanted(form: CorrectionForm) -> str:
    given = form.cleaned_data
    return "not there at all" if given["is_absent"] else _told(given["started_at"], given["ended_at"])


def _moment(at: datetime) -> SafeString:
    return format_html("{}", f"{at:%-d %b %Y, %H:%M:%S}")


def _told(start: datetime, end: datetime | None) -> str:
    if end is None:
        return f"{start:%-d %b %Y, %H:%M:%S} to now"
    shape = "%H:%M:%S" if start.date() == end.date() else "%-d %b %Y, %H:%M:%S"
    return f"{start:%-d %b %Y, %H:%M:%S} to {end:{shape}}, {exact(end - start)}"
