"""Who may open what in the administration: every address of it, and everybody who might ask."""

import pytest
from django.contrib import admin
from django.contrib.auth.models import Permission, User
from django.template.response import SimpleTemplateResponse
from django.test import Client
from django.urls import URLPattern, URLResolver
from django.utils import timezone

from streams.models import Channel, ChannelModerator
from streams.scopedadmin import ScopedAdmin
from streamstats.tests.test_admin import ADMINS, list_of, page_of, world  # noqa: F401  # the fixture
from viewers.tests.accounts import make_user

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("redis_client")]

WHO = ("stranger", "viewer", "elsewhere", "moderator", "owner", "staff", "superuser")
"""Elsewhere is a moderator of another channel; staff have no more than the permission to change profiles."""

# Who may open the pages of a model: the list, and the page of a row of the channel that the moderator and the owner
# look after. A model that is new here has to be placed.
MODERATORS, OWNERS, SUPERUSERS = "moderators", "owners", "superusers"
SEEN_BY = {
    MODERATORS: """
        Channel ChannelTotal ChannelDay ChannelModerator Stream StreamSegment StreamSample StreamReport Gap AuditEntry
        Viewer ViewerTotal ViewerDay ViewerStream PresencePoll ViewSession SessionCorrection Profile Verdict
        WikiRevision Award AwardRule Standing Summary Claim
        Message ChatEvent ModerationEvent Reward Redemption ChatMinute Badge Cheermote EmoteSet EmoteSetEntry
        EmoteUsage EmoteDay EmoteStream EmoteTotal EmoteYear ViewerEmote
        Note NoteVersion Tag Tagging AccountLink ListFile
    """,
    OWNERS: "TwitchGrant EventSubscription SummaryPolicy ModelCall ApiKey ApiRequest Webhook Delivery Purge",
    SUPERUSERS: """
        User Group UserSocialAuth JobRun ViewerName Consent Export Erasure ChoiceClock SummaryTurn Emote DeadLetter
        Replay Change ChangeMark
    """,
}
OF_ONE_PERSON = {"ListFile"}
"""What only who asked for it opens, whoever else looks after the channel: its own tests say so."""
LED_BACK = {"Purge"}
"""Whose page says that there is no such row to those, too, who may not see the list of them."""
PLACED = {name: least for least, names in SEEN_BY.items() for name in names.split()}

# Who may add, change and delete on the pages that Django makes for it; all else is looked at, or has pages of its own.
DOES = {
    MODERATORS: {"Tag": "change", "ListFile": "add delete"},
    OWNERS: {
        "Channel": "change",
        "SummaryPolicy": "add change delete",
        "ApiKey": "add change",
        "Webhook": "add change delete",
        "Purge": "add",
    },
    SUPERUSERS: {"Channel": "add", "Viewer": "change", "User": "add change delete", "Group": "add change delete"},
}

# What is no list and no row: the status for each of WHO.
TO_LOGIN, CLOSED, OPEN, GONE = 302, 403, 200, 404
EVERYBODY_INSIDE = (TO_LOGIN, CLOSED, OPEN, OPEN, OPEN, OPEN, OPEN)
PAGES = {
    "": EVERYBODY_INSIDE,
    "search/": EVERYBODY_INSIDE,
    "jsi18n/": EVERYBODY_INSIDE,
    "login/": (OPEN, CLOSED, 302, 302, 302, 302, 302),
    "password_change/": (TO_LOGIN, CLOSED, CLOSED, CLOSED, CLOSED, CLOSED, OPEN),
    "password_change/done/": EVERYBODY_INSIDE,
    "autocomplete/": (TO_LOGIN, CLOSED, CLOSED, CLOSED, CLOSED, CLOSED, CLOSED),
    "chat/message/search/": EVERYBODY_INSIDE,
    "chat/message/context/": (TO_LOGIN, CLOSED, GONE, GONE, GONE, GONE, GONE),
    "viewers/modelcall/spent/": (TO_LOGIN, CLOSED, CLOSED, CLOSED, OPEN, CLOSED, OPEN),
}
# Asked in another way than by opening them, or below the page of a row: the tests of each page say who may.
ELSEWHERE = {"logout/"}


@pytest.fixture(autouse=True)
def unrendered(monkeypatch):
    """Who may is decided before a page and its menu are made, which takes most of the time; that they come out:
    test_admin.py.
    """
    monkeypatch.setattr(SimpleTemplateResponse, "rendered_content", "")
    monkeypatch.setattr(admin.site, "each_context", lambda _request: {})


@pytest.fixture
def people(world):  # noqa: F811
    """Everybody who might ask, logged in; the channel is the first of two."""
    channel, other = Channel.objects.order_by("pk")
    now = timezone.now()
    for of, who in ((channel, "22"), (other, "33")):
        ChannelModerator.objects.create(channel=of, twitch_id=who, since=now, told_at=now)
    staff = User.objects.create_user("staff", is_staff=True)
    staff.user_permissions.add(Permission.objects.get(codename="change_profile"))
    users = {
        "viewer": make_user("44"),
        "elsewhere": make_user("33"),
        "moderator": make_user("22"),
        "owner": make_user(str(channel.twitch_id)),
        "staff": staff,
        "superuser": User.objects.create_superuser("root"),
    }
    clients = {"stranger": Client()}
    for name, user in users.items():
        clients[name] = Client()
        clients[name].force_login(user)
    return clients


def addresses(patterns, before=""):
    """Every address of the administration, as Django writes them."""
    for pattern in patterns:
        if isinstance(pattern, URLResolver):
            yield from addresses(pattern.url_patterns, before + str(pattern.pattern))
        elif isinstance(pattern, URLPattern):
            yield before + str(pattern.pattern)


def may(who, least):
    """Whether somebody sees rows of the channel, and whether they have any of their own to list."""
    sees = {
        MODERATORS: {"moderator", "owner", "staff", "superuser"},
        OWNERS: {"owner", "superuser"},
        SUPERUSERS: {"superuser"},
    }
    lists = {MODERATORS: sees[MODERATORS] | {"elsewhere"}, OWNERS: sees[OWNERS], SUPERUSERS: sees[SUPERUSERS]}
    return who in sees[least], who in lists[least]


def expected(who, *, is_open):
    return TO_LOGIN if who == "stranger" else OPEN if is_open else CLOSED


def known():
    return {model.__name__: site for model, site in admin.site._registry.items() if model.__name__ in PLACED}


def test_every_page_has_its_place():
    names = {model.__name__ for model in admin.site._registry}
    assert names - set(PLACED) == set(), "say in SEEN_BY who may open these"
    lists = {
        f"{site.opts.app_label}/{site.opts.model_name}/{rest}"
        for site in admin.site._registry.values()
        for rest in ("", "add/", *(f"<path:object_id>/{deed}" for deed in ("", "change/", "delete/", "history/")))
    }
    others = set(addresses(admin.site.urls[0])) - lists - set(PAGES) - ELSEWHERE
    below = {address for address in others if "<" not in address and "(?" not in address}
    assert below == set(), "say in PAGES who may open these"


def test_pages_of_the_whole_administration_open_for_whom_they_are(people):
    found = {page: tuple(people[who].get(f"/admin/{page}").status_code for who in WHO) for page in PAGES}
    assert found == PAGES


def test_lists_open_for_whom_they_are(people):
    wrong = []
    for name in known():
        for who in WHO:
            _, lists = may(who, PLACED[name])
            status = people[who].get(list_at(name)).status_code
            if status != expected(who, is_open=lists):
                wrong.append((name, who, status))
    assert wrong == []


def list_at(name):
    opts = known()[name].opts
    return f"/admin/{opts.app_label}/{opts.model_name}/"


def own_row(name, channel):
    """A row of the channel, where rows are of channels."""
    site = known()[name]
    rows = site.model._default_manager.all()
    if name == "Viewer":
        return rows.get(login=f"ann{channel.login}")
    path = getattr(site, "channel_path", None)
    return rows.filter(**{path: channel.pk}).first() if path else rows.first()


def test_rows_open_for_who_looks_after_their_channel_and_are_not_there_for_others(people):
    channel, wrong = Channel.objects.earliest("pk"), []
    for name in known():
        row = own_row(name, channel)
        if row is None or name in OF_ONE_PERSON:
            continue
        for who in WHO:
            sees, lists = may(who, PLACED[name])
            is_told = lists or (name in LED_BACK and who != "viewer")
            gone = 302 if is_told and not sees else None  # Django's way to say that there is no such row
            status = people[who].get(page_of(row)).status_code
            if status != (gone or expected(who, is_open=sees)):
                wrong.append((name, who, status))
    assert wrong == []


def test_no_list_has_rows_of_a_channel_out_of_reach(people):
    """Whatever is asked for in the address."""
    channel, other = Channel.objects.order_by("pk")
    wrong, listed = [], 0
    for name, site in known().items():
        path = getattr(site, "channel_path", None)
        if path is None or PLACED[name] == SUPERUSERS:
            continue
        for query in ({}, {"channel": other.pk}, {"stream": f"s{other.login}"}):
            answer = people["owner"].get(list_of(name) if name in ADMINS else list_at(name), query)
            rows = answer.context_data["cl"].result_list if answer.status_code == OPEN else []
            wrong += [(name, query, row) for row in rows if site.channel_id_of(row) != channel.pk]
            listed += len(rows)
    assert wrong == []
    assert listed > 40


def test_nobody_but_who_may_adds_changes_or_deletes(people, rf):
    channel = Channel.objects.earliest("pk")
    found: dict[tuple[str, str], set[str]] = {}
    for who in WHO[1:]:
        request = rf.get("/")
        request.user = User.objects.get(pk=people[who].session["_auth_user_id"])
        for name, site in known().items():
            row = own_row(name, channel)
            deeds = {
                "add": site.has_add_permission(request),
                "change": row and site.has_change_permission(request, row),
                "delete": row and site.has_delete_permission(request, row),
            }
            for deed in filter(deeds.get, deeds):
                found.setdefault((name, deed), set()).add(who)
    wanted = {
        (name, deed): {who for who in WHO if may(who, least)[deed == "add"]}  # there may be a channel to add it to
        for least, names in DOES.items()
        for name, deeds in names.items()
        if name in known()
        for deed in deeds.split()
        if deed == "add" or own_row(name, channel)
    }
    assert found == wanted


def test_the_page_to_add_one_opens_for_who_may_and_tells_others_that_they_may_not(people):
    wrong = []
    for least, names in DOES.items():
        for name in (name for name, deeds in names.items() if "add" in deeds and name in known()):
            for who in WHO:
                status = people[who].get(f"{list_at(name)}add/").status_code
                if status != expected(who, is_open=may(who, least)[1]):
                    wrong.append((name, who, status))
    assert wrong == []


def test_every_admin_follows_reach():
    assert [name for name, site in known().items() if not isinstance(site, ScopedAdmin)] == []
