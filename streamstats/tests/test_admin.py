"""Every page of the admin opens, quickly, whatever the length of its table."""

import re
from datetime import timedelta

import pytest
from django.apps import apps
from django.contrib import admin
from django.contrib.auth.models import User
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from chat.models import (
    Badge,
    ChatEvent,
    ChatMinute,
    Cheermote,
    DeadLetter,
    EmoteDay,
    EmoteSet,
    EmoteSetEntry,
    EmoteStream,
    EmoteTotal,
    EmoteUsage,
    EmoteYear,
    Message,
    ModerationEvent,
    Redemption,
    Replay,
    Reward,
    ViewerEmote,
)
from chat.tests.crowd import make_emote, make_message
from streams.admin import StreamAdmin
from streams.models import (
    ApiKey,
    ApiRequest,
    AuditEntry,
    Change,
    ChangeMark,
    Channel,
    ChannelDay,
    ChannelModerator,
    ChannelTotal,
    Delivery,
    EventSubscription,
    Gap,
    JobRun,
    PresenceSource,
    Stream,
    StreamReport,
    StreamSample,
    StreamSegment,
    Webhook,
)
from streams.tests.cast import make_channel
from streams.tests.granted import make_grant
from streamstats.lib.admin import LargeTableAdmin
from streamstats.lib.paging import CappedPaginator
from streamstats.simulator.facts import Account
from viewers.models import (
    AccountLink,
    Award,
    AwardRule,
    ChoiceClock,
    Claim,
    Consent,
    Erasure,
    Export,
    ListFile,
    ModelCall,
    Note,
    NoteVersion,
    PresencePoll,
    Profile,
    Purge,
    SessionCorrection,
    Standing,
    Summary,
    SummaryPolicy,
    SummaryTurn,
    Tag,
    Tagging,
    Verdict,
    Viewer,
    ViewerDay,
    ViewerStream,
    ViewSession,
    WikiRevision,
)
from viewers.tests.cast import make_viewer

pytestmark = pytest.mark.django_db

OURS = {"streams", "viewers", "chat"}
ADMINS = {model.__name__: site for model, site in admin.site._registry.items() if model._meta.app_label in OURS}
LARGE = ["Message", "ChatEvent", "ViewerDay", "ViewerTotal", "EmoteUsage", "ChatMinute", "ModerationEvent"]
LARGE += ["ViewSession", "Redemption"]
OF_ONE_CHANNEL = [
    *LARGE,
    "Viewer",
    "Note",
    "NoteVersion",
    "Tag",
    "Tagging",
    "AccountLink",
    "Profile",
    "Summary",
    "ModelCall",
    "Verdict",
    "Award",
    "AwardRule",
    "Standing",
    "EmoteTotal",
    "EmoteYear",
    "ViewerEmote",
    "Reward",
    "ChannelDay",
    "ChannelModerator",
    "ListFile",
    "Stream",
    "StreamReport",
    "Gap",
    "EmoteDay",
]
OF_ONE_STREAM = ["StreamSegment", "StreamSample", "PresencePoll", "ViewerStream", "EmoteStream"]
OF_ONE = [*OF_ONE_CHANNEL, *OF_ONE_STREAM, "ApiRequest", "Delivery"]
ORDERED = {"Viewer": ("-here__messages", "here__viewer")}
"""Lists that follow the order of another table's index."""
COUNTED_BY_ROW = {"Tag"}
"""Lists that say of each row how many belong to it: moderators give tags by hand."""
GROWING = ["Change"]
"""What triggers of the database add to with every row."""
MOST_OF_PAGE = {"Viewer": 16, "ViewSession": 8}
"""Queries of pages that show more than their row."""


@pytest.fixture
def world():
    """One row of everything, and two of what a list could ask for one by one."""
    now, day = timezone.now(), timezone.now().date()
    for name in ("lantern", "kitchen"):
        channel = make_channel(name)
        emote, viewer = make_emote(f"Kappa{name}"), make_viewer(channel, f"ann{name}", formerly=f"damp{name}")
        ChannelTotal.objects.create(channel=channel, messages=1, last_message_at=now)
        ChannelDay.objects.create(channel=channel, day=day, messages=1)
        stream = Stream.objects.create(id=f"s{name}", channel=channel, started_at=now, presence_at=now)
        StreamReport.objects.create(channel=channel, kind="seen", at=now, until=now)
        StreamSegment.objects.create(stream=stream, started_at=now, title="no sense")
        StreamSample.objects.create(channel=channel, stream=stream, at=now, viewers=1)
        source = PresenceSource.CHATTERS
        PresencePoll.objects.create(channel=channel, stream=stream, at=now, source=source, chatters=1)
        ViewerStream.objects.create(channel=channel, stream=stream, viewer=viewer)
        session = ViewSession.objects.create(
            channel=channel, stream=stream, viewer=viewer, source=source, ended_by="absent",
            started_at=now - timedelta(hours=1), ended_at=now,
        )  # fmt: skip
        SessionCorrection.objects.create(
            session=session, stream=stream, viewer=viewer, reason="no sense",
            started_before=now, ended_before=now, started_after=now, ended_after=now,
        )  # fmt: skip
        profile = Profile.objects.create(channel=channel, viewer=viewer)
        note = Note.objects.create(channel=channel, viewer=viewer)
        NoteVersion.objects.create(note=note, number=1, text="is kind")
        tag = Tag.objects.create(channel=channel, name="regular")
        Tagging.objects.create(tag=tag, viewer=viewer)
        second = Viewer.objects.create(pk=f"z{name}", login=f"z{name}", named_at=now)
        AccountLink.objects.create(channel=channel, viewer=second, main=viewer, reason="no sense")
        Verdict.objects.create(channel=channel, mark=name, is_removed=True)
        WikiRevision.objects.create(profile=profile, number=1, text="words", role=WikiRevision.Role.VIEWER)
        Award.objects.create(channel=channel, viewer=viewer, achievement="days", level=1, earned_at=now, stream=stream)
        AwardRule.objects.create(channel=channel, achievement="days", version="1")
        Standing.objects.create(channel=channel, viewer=viewer, period="all", messages=1)
        Consent.objects.create(viewer=viewer, kind=Consent.Kind.SUMMARY, wording="these words")
        SummaryPolicy.objects.create(channel=channel, is_on=True)
        SummaryTurn.objects.create(channel=channel, viewer=viewer, messages=100)
        summary = Summary.objects.create(
            channel=channel, viewer=viewer, number=1, begun_at=now, made_at=now, state="shown"
        )
        Claim.objects.create(summary=summary, position=1, part="portrait", text="Asks a lot.")
        ModelCall.objects.create(channel=channel, summary=summary, provider="x", model="y", began_at=now, cost=1)
        Export.objects.create(viewer=viewer)
        Erasure.objects.create(mark=name, receipt=name)
        ChoiceClock.objects.get_or_create()
        EmoteTotal.objects.create(channel=channel, emote=emote, uses=1, first_day=day, last_day=day)
        EmoteYear.objects.create(channel=channel, emote=emote, year=2026, uses=1, first_day=day, last_day=day)
        ViewerEmote.objects.create(channel=channel, viewer=viewer, emote=emote, uses=1, first_day=day, last_day=day)
        EmoteStream.objects.create(channel=channel, stream=stream, emote=emote, uses=1)
        Gap.objects.create(channel=channel, started_at=now - timedelta(hours=1), ended_at=now, reason="lost")
        ViewerDay.objects.create(channel=channel, viewer=viewer, day=day, messages=1)
        EmoteUsage.objects.create(channel=channel, viewer=viewer, emote=emote, day=day, uses=1)
        EmoteDay.objects.create(channel=channel, emote=emote, day=day, uses=1)
        EmoteSet.objects.create(channel=channel, provider="7tv", first_read_at=now)
        EmoteSetEntry.objects.create(channel=channel, emote=emote, provider="7tv", name="Kappa")
        Badge.objects.create(channel=channel, set_id="subscriber", version="0", image_url="https://x.test/1")
        Cheermote.objects.create(channel=channel, prefix="Cheer")
        make_message(channel, viewer, now, emotes=[emote.pk])
        ChatMinute.objects.create(channel=channel, minute=now.replace(second=0, microsecond=0), messages=1)
        ChatEvent.objects.create(id=f"n{name}", channel=channel, viewer=viewer, kind="resub", occurred_at=now)
        ModerationEvent.objects.create(
            channel=channel, kind="ban", occurred_at=now, target_id=viewer.pk, moderator_id=viewer.pk
        )
        reward = Reward.objects.create(channel=channel, twitch_id=name, title="Hydrate", cost=500)
        Redemption.objects.create(
            id=f"r{name}", channel=channel, viewer=viewer, reward=reward, cost=500, status="fulfilled", redeemed_at=now
        )
        DeadLetter.objects.create(source=name, raw=b"\xff\x00<script>\x1b[31m", error="no sense", received_at=now)
        JobRun.objects.create(name=name, started_at=now, took_ms=1, outcome="failed", detail="no sense")
        grant = make_grant(Account(f"g{name}", name, name), channel=channel)
        EventSubscription.objects.create(grant=grant, type="x", version="1", state="refused", updated_at=now)
        ChannelModerator.objects.create(
            channel=channel, twitch_id=viewer.pk, login=viewer.login, since=now, told_at=now
        )
        AuditEntry.objects.create(channel=channel, action="page.hide", role="moderator", viewer_id=viewer.pk)
        key = ApiKey.objects.create(channel=channel, name="charts", prefix=name[:8], digest=name)
        ApiRequest.objects.create(key=key, at=now, method="GET", route="/", status=200, took_ms=1)
        webhook = Webhook.objects.create(channel=channel, url="https://x.test/", events=["stream.online"], secret="x")
        Delivery.objects.create(webhook=webhook, event_id=name, event="stream.online")
        Change.objects.create(channel=channel, resource="streams", key=name)
        ChangeMark.objects.create(at=now if name == "lantern" else now - timedelta(minutes=1), xid=1)
        Purge.objects.create(channel=channel, fewer_messages=2)
        asker = User.objects.create_user(name)
        ListFile.objects.create(channel=channel, asked_by=asker, what="viewers", format="csv")
        Replay.objects.create(digest=name, name="a file", lines_done=1)


def list_of(name):
    meta = ADMINS[name].model._meta
    return reverse(f"admin:{meta.app_label}_{meta.model_name}_changelist")


def page_of(row):
    return reverse(f"admin:{row._meta.app_label}_{row._meta.model_name}_change", args=[row.pk])


def statements(client, address, **query):
    """What a page asked the database for, without logging in."""
    with CaptureQueriesContext(
        connection,
    ) as captured:
        assert client.get(address, query).status_code == 200
    return [
        query["sql"] for query in captured if "django_session" not in query["sql"] and "auth_user" not in query["sql"]
    ]


def test_every_model_of_ours_is_there():
    models = {model.__name__ for label in OURS for model in apps.get_app_config(label).get_models()}
    assert set(ADMINS) == models


def test_lists_cost_few_queries_and_count_nothing_to_its_end(admin_client, world):
    """Whatever their length, with a search and without."""
    wrong = {}
    for name, site in ADMINS.items():
        for query in ({}, {"q": "damp"}) if site.search_fields else ({},):
            asked = statements(admin_client, list_of(name), **query)
            counts = [sql for sql in asked if "COUNT(" in sql.upper() and name not in COUNTED_BY_ROW]
            if len(asked) > 6 or not all(re.search(r"LIMIT 10000\) subquery", sql) for sql in counts):
                wrong[(name, *query)] = asked
    assert wrong == {}


def test_lists_have_their_rows_and_follow_no_order_made_up_in_the_address(admin_client, world):
    wanted, found, orders = {}, {}, {}
    for name, site in ADMINS.items():
        shown = admin_client.get(list_of(name), {"o": "-2.1"}).context["cl"]
        found[name] = len(shown.result_list)
        wanted[name] = {"ViewerName": 4, "ChoiceClock": 1, "ListFile": 0}.get(name, 1 if name in OF_ONE else 2)
        if list(shown.queryset.query.order_by) != list(ORDERED.get(name) or site.ordering or ()):
            orders[name] = shown.queryset.query.order_by
    assert found == wanted | {name: found[name] for name in GROWING}
    assert orders == {}


def test_rows_have_pages_of_few_queries(admin_client, world):
    asked = {
        name: len(statements(admin_client, page_of(site.model.objects.first())))
        for name, site in ADMINS.items()
        if name != "ListFile"  # for who asked for it alone
    }
    assert {name: count for name, count in asked.items() if count > MOST_OF_PAGE.get(name, 6)} == {}


def test_large_tables_are_read_for_one_channel_or_one_stream(admin_client, world):
    wrong = {}
    for column, names in (("channel_id", LARGE), ("stream_id", OF_ONE_STREAM)):
        for name in names:
            table = ADMINS[name].model._meta.db_table
            asked = [sql for sql in statements(admin_client, list_of(name)) if f'FROM "{table}"' in sql]
            if not asked or not all(f'"{table}"."{column}" = ' in sql for sql in asked):
                wrong[name] = asked
    assert wrong == {}


def test_a_list_of_one_stream_is_that_of_the_address(admin_client, world):
    page = admin_client.get(list_of("StreamSample"), {"stream": "skitchen"})
    assert [sample.stream_id for sample in page.context["cl"].result_list] == ["skitchen"]
    other = admin_client.get(list_of("StreamSample"), {"stream": "slantern"})
    assert [sample.stream_id for sample in other.context["cl"].result_list] == ["slantern"]


@pytest.mark.parametrize("stream", ["x", "\x00", "9" * 400, ""])
def test_an_odd_stream_is_the_usual_one(admin_client, world, stream):
    assert len(admin_client.get(list_of("StreamSample"), {"stream": stream}).context["cl"].result_list) == 1


def test_the_page_of_a_stream_has_its_titles_and_leads_to_its_rows(admin_client, world):
    page = admin_client.get(page_of(Stream.objects.get(pk="slantern"))).content.decode()
    assert "no sense" in page
    for name in (*OF_ONE_STREAM[:4], "ViewSession"):
        assert f'href="{list_of(name)}?' in page


def test_titles_of_a_stream_beyond_the_first_are_left_to_their_list(admin_client, world, monkeypatch):
    monkeypatch.setattr(StreamAdmin, "segments_shown", 2)
    stream = Stream.objects.get(pk="slantern")
    for number in range(5):
        at = stream.started_at + timedelta(minutes=number + 1)
        StreamSegment.objects.create(stream=stream, started_at=at, title=f"title {number}")
    page = admin_client.get(page_of(stream)).content.decode()
    assert "title 0" in page
    assert "title 1" not in page


def test_every_admin_is_one_for_large_tables():
    assert all(isinstance(site, LargeTableAdmin) for site in ADMINS.values())


def test_a_viewer_can_be_marked_as_a_bot(admin_client, world):
    viewer = Viewer.objects.get(login="annlantern")
    admin_client.post(page_of(viewer), {"is_bot": "on"})
    assert Viewer.objects.get(pk=viewer.pk).is_bot


def test_the_name_of_a_viewer_cannot_be_changed(admin_client, world):
    viewer = Viewer.objects.get(login="annlantern")
    admin_client.post(page_of(viewer), {"login": "other"})
    assert Viewer.objects.get(pk=viewer.pk).login == viewer.login


@pytest.mark.parametrize(
    ("model", "told_again"),
    [(ChatEvent, {"id": "again", "same_as": "nlantern"}), (ModerationEvent, {"told_by": "channel.ban"})],
)
def test_what_is_told_twice_is_listed_once(admin_client, world, model, told_again):
    first = model.objects.first()
    again = {"same_as": first} if model is ModerationEvent else {}
    model.objects.create(channel=first.channel, kind=first.kind, occurred_at=first.occurred_at, **told_again, **again)
    page = admin_client.get(list_of(model.__name__), {"channel": first.channel_id})
    assert len(page.context["cl"].result_list) == 1


def test_a_deed_says_by_whom(admin_client, world):
    page = admin_client.get(list_of("ModerationEvent"))
    (deed,) = page.context["cl"].result_list
    login = Viewer.objects.get(pk=deed.moderator_id).login
    assert re.search(rf"<td[^>]*field-moderator[^>]*>\s*{login}\s*</td>", page.content.decode())


def test_messages_are_found_by_a_former_name(admin_client, world):
    channel = Message.objects.get(viewer__login="annlantern").channel
    page = admin_client.get(list_of("Message"), {"q": f"damp{channel.login}", "channel": channel.pk})
    assert [message.viewer.login for message in page.context["cl"].result_list] == [f"ann{channel.login}"]


@pytest.mark.parametrize("typed", ["\x00", "%", "@", "a" * 3000])
@pytest.mark.parametrize("name", ["Message", "Viewer", "ModerationEvent"])
def test_odd_searches_do_no_harm(admin_client, world, name, typed):
    assert admin_client.get(list_of(name), {"q": typed}).status_code == 200


@pytest.mark.parametrize("channel", ["x", "0", "9" * 40, ""])
def test_an_odd_channel_is_the_usual_one(admin_client, world, channel):
    assert len(admin_client.get(list_of("Message"), {"channel": channel}).context["cl"].result_list) == 1


def test_addresses_ask_for_values_and_ranges_and_for_no_patterns(admin_client, world):
    """Nor for what the database takes for no text."""
    refused = [
        *("Message text__contains=%00", "Message text__regex=(", "Message text__iregex=a", "Viewer login__regex=("),
        *("AuditEntry viewer_id__regex=(", "AuditEntry detail__x=1", "ViewSession stream__exact=%00"),
        *(
            "ApiKey name=%00",
            "ListFile what=%00",
            "Message viewer__login__startswith=a",
            "AuditEntry by__password__startswith=a",
        ),
        *("Message sent_at__year=2026", "AuditEntry role=%00"),
    ]
    allowed = [
        *("Message sent_at__gte=2026-05-01", "AuditEntry role__exact=owner", "AuditEntry id__exact=" + "9" * 30),
        *("ViewSession stream__exact=1", "Message pk__in=a,b", "Profile visibility__exact=shown"),
    ]
    answers = {}
    for asked in (*refused, *allowed):
        name, query = asked.split(" ")
        answers[asked] = admin_client.get(f"{list_of(name)}?{query}").status_code
    assert answers == dict.fromkeys(refused, 400) | dict.fromkeys(allowed, 200)


def test_without_a_channel_lists_are_empty(admin_client):
    assert len(admin_client.get(list_of("Message")).context["cl"].result_list) == 0


def test_rows_of_odd_ids_are_not_there(admin_client, world):
    odd_ids = ("%00", "a_00", "a%00b", "9" * 40, "%ED%A0%80")
    for name in ADMINS:
        found = {odd: admin_client.get(f"{list_of(name)}{odd}/change/").status_code for odd in odd_ids}
        assert found == dict.fromkeys(odd_ids, 302), name


def test_of_two_messages_with_one_id_the_newest_is_shown(admin_client, world):
    older, newer = Message.objects.order_by("sent_at", "channel")
    Message.objects.filter(channel=newer.channel).update(id=older.id, sent_at=newer.sent_at + timedelta(seconds=1))
    page = admin_client.get(page_of(older))
    assert page.context["original"].channel == newer.channel


def test_runs_are_listed_for_one_job(admin_client, world):
    page = admin_client.get(list_of("JobRun"), {"name": "kitchen"})
    assert [run.name for run in page.context["cl"].result_list] == ["kitchen"]
    assert 'href="?name=lantern"' in page.content.decode()


@pytest.mark.parametrize("name", ["\x00", "9" * 400, "'"])
def test_runs_of_an_odd_job_are_none(admin_client, world, name):
    assert len(admin_client.get(list_of("JobRun"), {"name": name}).context["cl"].result_list) == 0


def test_the_names_of_jobs_are_not_looked_for_in_every_run(admin_client, world):
    asked = [sql for sql in statements(admin_client, list_of("JobRun")) if "streams_jobrun" in sql]
    assert not [sql for sql in asked if "DISTINCT" in sql]


def test_runs_that_failed_have_an_index(admin_client, world):
    now = timezone.now()
    runs = [
        JobRun(name=f"job{n % 9}", started_at=now - timedelta(minutes=n), took_ms=1, outcome="done") for n in range(900)
    ]
    JobRun.objects.bulk_create(runs)
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE streams_jobrun")
    for query, index in (({"outcome__exact": "failed"}, "jobrun_failed"), ({"name": "kitchen"}, "jobrun_of_job")):
        queryset = admin_client.get(list_of("JobRun"), query).context["cl"].queryset
        with connection.cursor() as cursor:
            cursor.execute("SET LOCAL enable_seqscan = off")
        assert index in queryset.explain()


def test_a_dead_letter_shows_what_came_and_does_nothing(admin_client, world):
    page = admin_client.get(page_of(DeadLetter.objects.first())).content.decode()
    assert r"\xff\x00&lt;script&gt;\x1b[31m" in page


def test_times_are_told_to_the_second(admin_client, world):
    gap = Gap.objects.earliest("pk")
    Gap.objects.filter(pk=gap.pk).update(started_at="2026-05-01T18:03:07Z")
    assert "1 May 2026, 18:03:07" in admin_client.get(page_of(gap)).content.decode()


def test_pages_end_where_counting_does(world, monkeypatch):
    monkeypatch.setattr(CappedPaginator, "most", 3)
    assert CappedPaginator(Channel.objects.order_by("pk"), 2).count == 2
    monkeypatch.setattr(CappedPaginator, "most", 1)
    assert CappedPaginator(Channel.objects.order_by("pk"), 2).count == 1
