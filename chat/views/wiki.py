"""The text on a viewer's page: its versions, and writing, restoring, withdrawing and locking it.

Whoever sees the page may read every version. The viewer and the moderators of the channel write; once it is locked,
only moderators do.
"""

from collections.abc import Iterable
from http import HTTPStatus
from typing import Any, NamedTuple

from django import forms
from django.contrib import messages
from django.contrib.auth.models import User
from django.contrib.auth.views import redirect_to_login
from django.db.models.functions import Length
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_POST
from social_django.models import UserSocialAuth

from chat.portrait.person import PAGE, Person, the_one
from streams.access import listed_channel
from streams.limits import HOUR_S, Limit
from streams.pages import AWAY, NotNow, kept_ready
from streams.reach import PROVIDER
from streamstats.lib.methods import read_only
from viewers import choices, wiki
from viewers.models import Profile, Viewer, WikiRevision

HISTORY = "chat:wiki"
EDIT = "chat:wiki_edit"
VERSION = "chat:wiki_version"
WITHDRAW = "chat:wiki_withdraw"
VERSIONS = 50
NO_VERSION = "The text about {person} has no version {number}."
BROKEN = "This link to older versions is broken. Start again from the newest one."
TOO_OFTEN = f"You have saved {wiki.EDITS_AN_HOUR} versions within the hour. Wait a while, and save then."
LEAVING = "This account is being erased, so nothing new is kept about it."
WITHDRAWN = "Version {number} was withdrawn: its words are gone, and nobody can bring them back."
LOCKED = "A moderator has locked this text, so only moderators write it."
PROBLEMS: dict[type[Exception], tuple[str, HTTPStatus]] = {
    wiki.Locked: (LOCKED, HTTPStatus.FORBIDDEN),
    wiki.TooOften: (TOO_OFTEN, HTTPStatus.TOO_MANY_REQUESTS),
    wiki.Leaving: (LEAVING, HTTPStatus.CONFLICT),
    NotNow: (AWAY, HTTPStatus.SERVICE_UNAVAILABLE),
}
ANY_PROBLEM = tuple(PROBLEMS)
WRITING = Limit("writing", 300, HOUR_S, "You saved, previewed or moderated very often within the hour.")


class Asked(NamedTuple):
    """Somebody who may write a text."""

    person: Person
    user: User
    role: WikiRevision.Role


class WikiField(forms.CharField):
    """A text as it is kept, so that its length is that of what is kept."""

    def to_python(self, value: Any) -> str:
        return wiki.cleaned(super().to_python(value) or "")


class TextForm(forms.Form):
    text = WikiField(required=False, max_length=wiki.LONGEST, strip=False)
    note = WikiField(required=False, max_length=wiki.LONGEST_NOTE)
    based_on = forms.IntegerField(min_value=0, max_value=2**31 - 1)


# Reading


@read_only
@kept_ready
def history(request: HttpRequest, channel: str, login: str) -> HttpResponse:
    person = the_one(request, listed_channel(channel), login, HISTORY)
    if isinstance(person, HttpResponse):
        return person
    rows = wiki.versions(person.profile).annotate(size=Length("text")).defer("text")
    before = request.GET.get("before", "")
    if before:
        rows = rows.filter(number__lt=_number(before))
    found = list(rows[: VERSIONS + 1])
    context = {
        "revisions": found[:VERSIONS],
        "following": found[VERSIONS - 1].number if len(found) > VERSIONS else None,
        "is_first": not before,
    }
    return render(request, "chat/wiki.html", {**_about(person), **context, "authors": _authors(person, found)})


@read_only
@kept_ready
def version(request: HttpRequest, channel: str, login: str, number: int) -> HttpResponse:
    """A version, and what is different from the one before it."""
    person = the_one(request, listed_channel(channel), login, VERSION, number)
    if isinstance(person, HttpResponse):
        return person
    around = wiki.versions(person.profile).filter(number__gte=number - 1, number__lte=number + 1)
    rows = {revision.number: revision for revision in around}
    if number not in rows:
        raise Http404(NO_VERSION.format(person=person, number=number))
    revision, before = rows[number], rows.get(number - 1)
    if before and before.withdrawn_at:
        before = wiki.standing(before.profile).filter(number__lt=number).first()
    context = {
        "revision": revision,
        "before": before,
        "previous": rows.get(number - 1),
        "after": rows.get(number + 1),
        "wiki_html": wiki.render(revision.text),
        "lines": wiki.differences(before.text if before else "", revision.text),
        "authors": _authors(person, [revision]),
    }
    return render(request, "chat/wiki_version.html", {**_about(person), **context})


def _number(text: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) <= 9):
        raise Http404(BROKEN)
    return int(text)


def _about(person: Person) -> dict[str, object]:
    profile = person.profile
    return {
        "channel": person.channel,
        "viewer": person.viewer,
        "person": person,
        "profile": profile,
        "current": profile.current if profile else None,
        "is_locked": bool(profile and profile.locked_at),
        "is_removed": bool(profile and profile.visibility == Profile.Visibility.REMOVED),
        "may_edit": role_of(person) is not None,
    }


def _authors(person: Person, revisions: Iterable[WikiRevision]) -> dict[int, str]:
    """The names of who wrote as moderators, by user: for moderators only."""
    if not person.is_moderated:
        return {}
    moderator = WikiRevision.Role.MODERATOR
    users = {row.author_id for row in revisions if row.author_id and row.role == moderator}
    users |= {row.withdrawn_by_id for row in revisions if row.withdrawn_by_id and row.withdrawn_as == moderator}
    names = dict(User.objects.filter(pk__in=users).values_list("pk", "username"))
    accounts = dict(UserSocialAuth.objects.filter(user__in=users, provider=PROVIDER).values_list("user", "uid"))
    viewers = Viewer.objects.in_bulk(accounts.values())
    return names | {user: str(viewers[uid]) for user, uid in accounts.items() if uid in viewers}


# Writing


@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def edit(request: HttpRequest, channel: str, login: str) -> HttpResponse:
    asked = _asked(request, channel, login, EDIT)
    if isinstance(asked, HttpResponse):
        return asked
    if request.method != "POST":
        current = asked.person.profile.current if asked.person.profile else None
        shown = {"text": current.text if current else "", "based_on": current.number if current else 0}
        return _form(request, asked, TextForm(initial=shown))
    form = TextForm(request.POST)
    if not WRITING.allows(str(asked.user.pk)):
        again = f"{WRITING.words} Wait a while."
        return WRITING.headed(_form(request, asked, form, status=HTTPStatus.TOO_MANY_REQUESTS, problem=again))
    if not form.is_valid():
        return _form(request, asked, form, status=HTTPStatus.BAD_REQUEST)
    if "preview" in request.POST:
        return _form(request, asked, form, preview=wiki.render(form.cleaned_data["text"]))
    return _save(request, asked, form)


@never_cache
@require_POST
def restore(request: HttpRequest, channel: str, login: str, number: int) -> HttpResponse:
    asked = _within_limit(request, _asked(request, channel, login, HISTORY))
    if isinstance(asked, HttpResponse):
        return asked
    try:
        saved = wiki.restore(asked.person.channel, asked.person.viewer, number, asked.user, asked.role)
    except WikiRevision.DoesNotExist as error:
        raise Http404(NO_VERSION.format(person=asked.person, number=number)) from error
    except wiki.Withdrawn:
        return _refuse(request, asked.person, WITHDRAWN.format(number=number), HTTPStatus.CONFLICT)
    except ANY_PROBLEM as error:
        return _refuse(request, asked.person, *PROBLEMS[type(error)])
    if saved is None:
        messages.info(request, f"Version {number} says what the newest one says already.")
    else:
        messages.success(request, f"Version {number} is back, as version {saved.number}.")
    return redirect(asked.person.address_of(HISTORY))


@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def withdraw(request: HttpRequest, channel: str, login: str, number: int) -> HttpResponse:
    """Say what it means to withdraw a version; POST does it."""
    asked = _within_limit(request, _asked(request, channel, login, WITHDRAW, number))
    if isinstance(asked, HttpResponse):
        return asked
    person = asked.person
    revision = wiki.versions(person.profile).filter(number=number).first()
    if revision is None:
        raise Http404(NO_VERSION.format(person=person, number=number))
    if revision.withdrawn_at:
        return _refuse(request, person, WITHDRAWN.format(number=number), HTTPStatus.CONFLICT)
    if request.method != "POST":
        same = wiki.same_words(revision)
        context = {"revision": revision, "same": same, "wiki_html": wiki.render(revision.text)}
        context["then"] = wiki.shown_without(revision.profile, [number, *same])
        context["authors"] = _authors(person, [revision])
        return render(request, "chat/wiki_withdraw.html", {**_about(person), **context})
    try:
        gone = wiki.withdraw(person.channel, person.viewer, number, asked.user, asked.role)
    except wiki.Withdrawn:
        return _refuse(request, person, WITHDRAWN.format(number=number), HTTPStatus.CONFLICT)
    except ANY_PROBLEM as error:
        return _refuse(request, person, *PROBLEMS[type(error)])
    which = f"Version {number} is" if len(gone) == 1 else f"Versions {', '.join(map(str, gone))} are"
    messages.success(request, f"{which} withdrawn. The words are gone.")
    return redirect(person.address_of(HISTORY))


@never_cache
@require_POST
def lock(request: HttpRequest, channel: str, login: str) -> HttpResponse:
    """Lock the text, or open it again: moderators only."""
    asked = _moderator(request, channel, login)
    if isinstance(asked, HttpResponse):
        return asked
    person = asked.person
    try:
        if request.POST.get("locked") == "1":
            wiki.lock(person.channel, person.viewer, asked.user)
            told = "The text is locked: only moderators write it now."
        else:
            wiki.unlock(person.channel, person.viewer, asked.user)
            told = f"The text is open: {person} may write it again."
    except ANY_PROBLEM as error:
        return _refuse(request, person, *PROBLEMS[type(error)])
    messages.success(request, told)
    return redirect(person.address_of(HISTORY))


@never_cache
@require_POST
def remove(request: HttpRequest, channel: str, login: str) -> HttpResponse:
    """Hide the whole page from strangers, or show it again: moderators only."""
    asked = _moderator(request, channel, login)
    if isinstance(asked, HttpResponse):
        return asked
    person = asked.person
    try:
        if request.POST.get("removed") == "1":
            choices.remove_page(person.viewer, person.channel, asked.user)
            told = f"The page is hidden: only {person} and moderators see it now."
        else:
            choices.restore_page(person.viewer, person.channel, asked.user)
            told = f"The page is no longer hidden by moderators. What {person} chose holds again."
    except NotNow as error:
        return _refuse(request, person, str(error), HTTPStatus.SERVICE_UNAVAILABLE)
    messages.success(request, told)
    return redirect(person.address_of(HISTORY))


def _asked(request: HttpRequest, channel: str, login: str, page: str, *more: object) -> Asked | HttpResponse:
    """Whoever wants to write a text, if they may; else what to answer. `page` is where a login leads back to."""
    person = the_one(request, listed_channel(channel), login, page, *more)
    if isinstance(person, HttpResponse):
        return person
    if not request.user.is_authenticated:
        return redirect_to_login(person.address_of(page, *more))
    role = role_of(person)
    if role is None:
        whose = f"Only {person} and the moderators of {person.channel} write this text."
        return _refuse(request, person, LOCKED if person.is_self else whose)
    return Asked(person, request.user, role)


def _moderator(request: HttpRequest, channel: str, login: str) -> Asked | HttpResponse:
    """As `_asked`, for what only moderators do."""
    person = the_one(request, listed_channel(channel), login, HISTORY)
    if isinstance(person, HttpResponse):
        return person
    if not request.user.is_authenticated:
        return redirect_to_login(person.address_of(HISTORY))
    if not person.is_moderated:
        return _refuse(request, person, f"Only the moderators of {person.channel} do this.")
    return _within_limit(request, Asked(person, request.user, WikiRevision.Role.MODERATOR))


def _within_limit(request: HttpRequest, asked: Asked | HttpResponse) -> Asked | HttpResponse:
    """Whoever wants to write, unless they do so without end; what is posted counts."""
    if isinstance(asked, HttpResponse) or request.method != "POST" or WRITING.allows(str(asked.user.pk)):
        return asked
    return WRITING.refuse(request)


def role_of(person: Person) -> WikiRevision.Role | None:
    """As what whoever asks may write this text."""
    is_locked = person.profile is not None and person.profile.locked_at is not None
    if person.is_self and not is_locked:
        return WikiRevision.Role.VIEWER
    return WikiRevision.Role.MODERATOR if person.is_moderated else None


def _save(request: HttpRequest, asked: Asked, form: TextForm) -> HttpResponse:
    person, given = asked.person, form.cleaned_data
    try:
        saved = wiki.save(
            person.channel, person.viewer, given["text"], asked.user, asked.role,
            based_on=given["based_on"], note=given["note"],
        )  # fmt: skip
    except wiki.Changed as changed:
        return _form(request, asked, form, status=HTTPStatus.CONFLICT, other=changed.current)
    except ANY_PROBLEM as error:
        problem, status = PROBLEMS[type(error)]
        return _form(request, asked, form, status=status, problem=problem)
    if saved is None:
        messages.info(request, "Nothing was saved: the text is the same as before.")
    else:
        messages.success(request, f"Saved as version {saved.number}.")
    return redirect(person.address_of(PAGE))


def _form(
    request: HttpRequest,
    asked: Asked,
    form: TextForm,
    *,
    status: HTTPStatus = HTTPStatus.OK,
    problem: str = "",
    preview: str | None = None,
    other: WikiRevision | None = None,
) -> HttpResponse:
    """The form with what was typed in it, whatever there is to say about it.

    `other` is a version that came in between: saving once more puts this text on top of it.
    """
    text = str(form["text"].value() or "")
    context = {
        "form": form,
        "text": text,
        "note": form["note"].value() or "",
        "based_on": other.number if other else form["based_on"].value() or 0,
        "problem": problem,
        "is_preview": preview is not None,
        "preview": preview,
        "other": other,
        "lines": wiki.differences(other.text, wiki.cleaned(text)) if other else [],
        "longest": wiki.LONGEST,
        "longest_note": wiki.LONGEST_NOTE,
    }
    return render(request, "chat/wiki_edit.html", {**_about(asked.person), **context}, status=status)


def _refuse(
    request: HttpRequest, person: Person, words: str, status: HTTPStatus = HTTPStatus.FORBIDDEN
) -> HttpResponse:
    context = {"channel": person.channel, "person": person, "words": words}
    return render(request, "chat/wiki_refused.html", context, status=status)
