"""Files of lists in the admin: asking for one, seeing how far it is, and fetching it."""

import asyncio
import gzip
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import structlog
from django import forms
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBase, StreamingHttpResponse
from django.shortcuts import redirect, render
from django.urls import path
from django.utils.http import content_disposition_header
from kombu.exceptions import OperationalError
from redis.exceptions import RedisError

from chat import listfiles, packedfiles, search, tasks
from streams.models import Channel, Stream
from streams.reach import Role
from streams.scopedadmin import ScopedAdmin
from streamstats.lib.admin import of_row
from viewers.models import ListFile, Progress

log = structlog.get_logger(__name__)

CHANGE = "admin:viewers_listfile_change"
READ_AT_ONCE = 1 << 18
MOST_VIEWERS = 50
LONGEST_ID = 64
QUEUE_AWAY = "It begins by itself within some minutes: whoever writes files cannot be reached just now."
NOT_THERE = "There is no such file for you. It may be older than a week, or withdrawn: ask for another one."
NO_STREAM = (
    "This channel has no stream with this id. Choose the stream in the search of messages and ask for the file there,"
    " or leave this empty for messages of any time."
)
LISTS = (("viewers", "Viewers"), ("sessions", "Sessions"), ("messages", "Messages"), ("deeds", "Deeds of moderators"))
REMOVED = {"": None, "yes": True, "no": False}
TYPES = {"csv": "text/csv; charset=utf-8", "jsonl": "application/x-ndjson"}


class FileForm(forms.Form):
    """Which list, and of what time. What a list cannot be asked is left aside."""

    channel = forms.ModelChoiceField(queryset=Channel.objects.none(), empty_label=None)
    what = forms.ChoiceField(choices=LISTS, label="List")
    format = forms.ChoiceField(choices=ListFile.Format, help_text="CSV for spreadsheets, JSON lines for programs.")
    since = forms.DateField(
        required=False,
        label="From",
        widget=forms.DateInput(attrs={"type": "date"}),
        help_text="Days (UTC), for sessions, messages and deeds; all there are where nothing is said.",
    )
    until = forms.DateField(required=False, label="To and with", widget=forms.DateInput(attrs={"type": "date"}))
    words = forms.CharField(
        required=False,
        max_length=search.LONGEST_WORDS,
        help_text='Of messages: words, or a "phrase".',
    )
    author = forms.CharField(required=False, max_length=64, help_text="Of messages: any name they ever had.")
    viewer = forms.CharField(
        required=False,
        max_length=MOST_VIEWERS * (LONGEST_ID + 1),
        label="Viewers",
        help_text="Of messages, where no author is said: ids of viewers, with spaces between them.",
    )
    stream = forms.CharField(
        required=False, max_length=64, help_text="Of messages: the id of a stream; else of any time."
    )
    removed = forms.ChoiceField(
        required=False,
        choices=[("", "removed or not"), ("yes", "removed ones"), ("no", "those not removed")],
        help_text="Of messages.",
    )

    def __init__(self, *args: Any, channels: Any, **more: Any) -> None:
        super().__init__(*args, **more)
        field: Any = self.fields["channel"]
        field.queryset = channels

    def clean_viewer(self) -> list[str]:
        ids: list[str] = self.cleaned_data["viewer"].split()
        if len(ids) > MOST_VIEWERS:
            raise forms.ValidationError(f"Take at most {MOST_VIEWERS}.")
        return ids

    def clean(self) -> dict[str, Any]:
        given = self.cleaned_data
        asked = given.get("stream") if given.get("what") == "messages" else ""
        if asked and "channel" in given and not Stream.objects.filter(channel=given["channel"], pk=asked).exists():
            self.add_error("stream", NO_STREAM)
        return given

    def query(self) -> dict[str, Any]:
        """As it is kept with the file."""
        given: dict[str, Any] = {name: self.cleaned_data[name] for name in ("words", "author", "viewer", "stream")}
        given["removed"] = REMOVED[self.cleaned_data["removed"]]
        days = {name: self.cleaned_data[name] for name in ("since", "until")}
        return given | {name: day.isoformat() for name, day in days.items() if day}


@admin.register(ListFile)
class ListFileAdmin(ScopedAdmin):
    """Everybody sees those they asked for themselves; that they did is in the audit log."""

    added_by = deleted_by = Role.MODERATOR
    list_display = ("asked_at", "what", "channel", "format", "state_now", "rows", "size", "expires_at")
    list_select_related = ("channel",)
    ordering = ("-pk",)
    actions = None

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        return super().get_queryset(request).filter(asked_by=request.user)

    @admin.display(description="state")
    def state_now(self, found: ListFile) -> str:
        if listfiles.is_given_up(found):
            return "given up"
        return "withdrawn" if found.withdrawn_at else found.get_state_display()

    def get_urls(self) -> list[Any]:
        fetch = self.admin_site.admin_view(self.fetch_view)
        return [path("<int:file_id>/fetch/", fetch, name="viewers_listfile_fetch"), *super().get_urls()]

    def add_view(self, request: HttpRequest, form_url: str = "", extra_context: Any = None) -> HttpResponse:
        """Lists lead here with what they were asked."""
        if not self.has_add_permission(request):
            raise PermissionDenied
        channels = self.channels_within(request, Role.MODERATOR).order_by("login", "pk")
        asked = {name: request.GET[name] for name in FileForm.base_fields if name in request.GET}
        asked["viewer"] = " ".join(request.GET.getlist("viewer"))
        form = FileForm(request.POST or None, channels=channels, initial=asked)
        if request.method == "POST" and form.is_valid():
            given = form.cleaned_data
            try:
                made = listfiles.ask(request.user, given["channel"], given["what"], form.query(), given["format"])  # type: ignore[arg-type]
            except packedfiles.TooSoon as problem:
                form.add_error(None, str(problem))
            else:
                self._begin(request, made)
                return redirect(CHANGE, made.pk)
        return self._render(request, "add.html", "A list as a file", form=form)

    @of_row
    def change_view(self, request: HttpRequest, found: ListFile) -> HttpResponse:
        context = {
            "file": found,
            "list": dict(LISTS).get(found.what, found.what),
            "is_waiting": found.state != Progress.DONE and not listfiles.is_given_up(found),
            "may_fetch": listfiles.may_fetch(found, request.user),  # type: ignore[arg-type]
            "is_running": found.state == Progress.RUNNING,
        }
        return self._render(request, "file.html", "A list as a file", **context)

    def fetch_view(self, request: HttpRequest, file_id: int) -> HttpResponseBase:
        """The file, unpacked on the way; whether it may be fetched is asked now."""
        found = self.get_queryset(request).select_related("channel").filter(pk=file_id).first()
        if found is None or not listfiles.may_fetch(found, request.user):  # type: ignore[arg-type]
            raise Http404(NOT_THERE)
        place = packedfiles.place(found.file)
        if not place.is_file():
            raise Http404(NOT_THERE)
        name = f"{found.channel}-{found.what}-{found.asked_at:%Y-%m-%d}.{found.format}"
        response = StreamingHttpResponse(_unpacked(place), content_type=TYPES[found.format])
        response["Content-Disposition"] = content_disposition_header(as_attachment=True, filename=name)
        response["Cache-Control"] = "private, no-store"
        return response

    def delete_model(self, request: HttpRequest, obj: ListFile) -> None:
        packedfiles.discard(ListFile.objects.filter(pk=obj.pk))

    def delete_queryset(self, request: HttpRequest, queryset: QuerySet[ListFile]) -> None:
        packedfiles.discard(queryset)

    def _begin(self, request: HttpRequest, made: ListFile) -> None:
        try:
            tasks.write_list.delay(made.pk)
        except (OperationalError, RedisError, OSError) as error:
            log.warning("listfile.job_waits", error=str(error))
            messages.warning(request, QUEUE_AWAY)

    def _render(self, request: HttpRequest, template: str, title: str, **context: Any) -> HttpResponse:
        known = {**self.admin_site.each_context(request), "opts": self.opts, "title": title}
        return render(request, f"admin/viewers/listfile/{template}", {**known, **context})


async def _unpacked(place: Path) -> AsyncIterator[bytes]:
    """A file piece by piece, without holding up everybody else."""
    with await asyncio.to_thread(gzip.open, place, "rb") as file:
        while piece := await asyncio.to_thread(file.read, READ_AT_ONCE):
            yield piece
