"""What there is to see: a large made-up channel, and beside it everything that is rare, empty, hidden or hostile."""

from datetime import UTC, date, datetime, timedelta
from typing import Any, NamedTuple

from django.db import connection
from django.utils import timezone

from chat.models import ChatMinute, Emote, EmoteDay, Message
from chat.tests.summaries.written import agree, make_claim, make_summary
from streams.models import Channel, ChannelTotal, Gap, Stream, StreamSample
from streamstats.simulator.facts import Account
from streamstats.volume import Volume, steps
from viewers.models import Erasure, Profile, SummaryPolicy, Viewer, ViewerName, ViewerTotal, WikiRevision

CHANNEL = "volume"
EMPTY = "hollow"
OPT_IN = "harbour"
HOSTILE = "hostile"
# The streamer of CHANNEL, and people who log in.
OWNER = Account("900000000", CHANNEL, "Volume")
ANN = Account("100000000", "viewer0", "Viewer0")
BOB = Account("100000001", "viewer1", "Viewer1")
CLEO = Account("100000002", "viewer2", "Viewer2")
NEWCOMER = Account("903000000", "newcomer", "Newcomer")
DORA = Account("100000006", "viewer6", "Viewer6")
HIDDEN = "viewer3"
RECEIPT = "0123456789abcdef"
NAMES = [
    "<script>alert(1)</script>",
    '"onmouseover="alert(1)',
    "\u202eevil\u202c name",
    "W" * 64,
    "名前がとても長い視聴者の名前がとても長い",
    "{{ 7|add:7 }}{% now %}",
    "a\u0301\u0301\u0301\u0301\u0301\u0301z",
    "& < > ' \" /",
]


class World(NamedTuple):
    """What tests name of it."""

    stream: str
    live: str
    emote: int


def make_world() -> World:
    until = date.today() + timedelta(days=1)  # noqa: DTZ011 - days are UTC days here
    for _, do in steps(Volume(messages=2400, viewers=160, streams=12, emotes=40, days=45, until=until)):
        do()
    channel = Channel.objects.get(login=CHANNEL)
    Channel.objects.filter(pk=channel.pk).update(is_followed=True, twitch_id=OWNER.id)
    now = timezone.now()
    live = _go_live(channel, now)
    _write_text(channel, now)
    _make_empty()
    _make_opt_in(now)
    _make_hostile(now)
    _erase_somebody(now)
    stream = Stream.objects.filter(channel=channel, ended_at__isnull=False).order_by("-messages").first()
    emote = EmoteDay.objects.filter(channel=channel).most_used()[0]
    assert stream is not None
    _summarise(channel, stream, now)
    return World(stream.pk, live.pk, emote["emote"])


def unmake_world() -> None:
    """Empty every table, quicker than by giving each a new file, and hang up what a page still holds."""
    kept = {"django_migrations", "django_content_type", "auth_permission"}
    tables = [name for name in connection.introspection.django_table_names(only_existing=True) if name not in kept]
    with connection.cursor() as cursor:
        others = "datname = current_database() AND pid <> pg_backend_pid()"
        cursor.execute(f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE {others}")
        cursor.execute("SET session_replication_role = replica")
        for table in tables:
            cursor.execute(f'DELETE FROM "{table}"')
        cursor.execute("SET session_replication_role = DEFAULT")


def _go_live(channel: Channel, now: datetime) -> Stream:
    """Somebody is on air, writes and is heard, and something was missed."""
    began = now - timedelta(minutes=90)
    live = Stream.objects.create(
        id="700000001", twitch_ids=["700000001"], channel=channel, started_at=began, title="Now"
    )
    StreamSample.objects.create(channel=channel, stream=live, at=now - timedelta(minutes=1), viewers=4321)
    Gap.objects.create(
        channel=channel, started_at=began, ended_at=began + timedelta(minutes=7), reason="the connection was lost"
    )
    minute = now.replace(second=0, microsecond=0)
    ChatMinute.objects.bulk_create(
        ChatMinute(channel=channel, minute=minute - timedelta(minutes=ago), messages=5 + ago % 17, chatters=3)
        for ago in range(1, 80)
    )
    viewer = Viewer.objects.get(pk=ANN.id)
    Message.objects.bulk_create(
        Message(
            id=f"live-{number}",
            channel=channel,
            viewer=viewer,
            sent_at=now - timedelta(seconds=number),
            text="hello",
            is_first=number == 0,
            emotes=[1 + number % 9],
        )
        for number in range(30)
    )
    ChannelTotal.objects.filter(channel=channel).update(last_message_at=now)
    return live


def _write_text(channel: Channel, now: datetime) -> None:
    """Ann has a text with versions, one of them with everything that Markdown has."""
    profile, _ = Profile.objects.get_or_create(channel=channel, viewer_id=ANN.id)
    texts = [
        "Here since the beginning.",
        "# About me\n\nI **like** _maps_ and [my page](https://example.org/).\n\n* one\n* two\n\n> said\n\n"
        "| a | b |\n|---|---|\n| 1 | 2 |\n\n```\n"
        "code that is a rather long line so that it has to scroll sideways\n```\n"
        "\n<script>alert(1)</script>\n\n![picture](https://example.org/x.png)\n\n" + "W" * 200,
    ]
    for number, text in enumerate(texts, 1):
        role = WikiRevision.Role.VIEWER
        profile.current = WikiRevision.objects.create(profile=profile, number=number, text=text, role=role, note="more")
    profile.save()
    WikiRevision.objects.create(profile=profile, number=3, role=role, withdrawn_at=now, withdrawn_as=role)


def _summarise(channel: Channel, stream: Stream, now: datetime) -> None:
    """Ann has a summary that grew and one that was not written; a stream has a recap; something waits."""
    SummaryPolicy.objects.create(channel=channel, is_on=True, has_recaps=True, blocked_words="lamp\ncandle stick")
    ann, bob = Viewer.objects.get(pk=ANN.id), Viewer.objects.get(pk=BOB.id)
    agree(ann)
    heard = list(Message.objects.filter(channel=channel, viewer=ann).order_by("sent_at")[:8])
    for number, state in ((1, "shown"), (2, "hidden"), (3, "shown")):
        first = "They answer nearly everybody" if number > 1 else "They answer some people"
        version = make_summary(
            channel, ann, number, state=state, made_at=now, begun_at=now, cost="0.0123", dropped={"names others": 2}
        )
        make_claim(version, f"{first}, and mostly with a question of their own.", heard[:4])
        make_claim(version, "When a boss is beaten, they are the first to write about the next one.", heard[3:5])
        make_claim(version, "Maps, the older the better.", heard[5:8], part="interest")
        make_claim(version, "Music that was made for games before they had voices.", heard[:1], part="interest")
        make_claim(version, "The door in the first level that nobody ever opened.", heard[6:], part="joke")
        make_claim(version, "Dry, kind, and in whole sentences.", heard[:2], part="tone")
    make_summary(
        channel, ann, 4, state="refused", made_at=None, begun_at=now, reason="There is not enough in the messages yet."
    )
    make_claim(make_summary(channel, bob, state="review", begun_at=now), "They ask for maps.", heard[:1])
    recap = make_summary(channel, None, stream=stream, made_at=now, begun_at=now)
    make_claim(recap, "It began slowly, and became the longest evening of the month.", heard[:3], part="happened")
    make_claim(recap, "Most was written when the door opened.", heard[3:5], part="peak", at=stream.started_at)
    make_claim(recap, "One emote was in every third message.", part="emotes")
    make_claim(recap, "Nine people were here for the first time.", part="people")
    make_claim(recap, "A raid came in the middle of a sentence.", heard[5:], part="moment", at=stream.started_at)


def _make_empty() -> None:
    Channel.objects.create(login=EMPTY, display_name="Hollow", twitch_id="901000001")


def _make_opt_in(now: datetime) -> None:
    channel = Channel.objects.create(
        login=OPT_IN, display_name="Harbour", twitch_id="901000002", page_policy=Channel.PagePolicy.OPT_IN
    )
    _count(channel, [(BOB.id, 5), (CLEO.id, 3)], now)
    Profile.objects.create(channel=channel, viewer_id=CLEO.id, visibility=Profile.Visibility.SHOWN)


def _make_hostile(now: datetime) -> None:
    """Everything that somebody else may write is as bad as it can be."""
    channel = Channel.objects.create(login=HOSTILE, display_name=NAMES[0], twitch_id="901000003")
    people = [
        Viewer(twitch_id=str(902000000 + n), login=name[:64], display_name=name[:64], named_at=now, color="#ffffff")
        for n, name in enumerate(NAMES)
    ]
    Viewer.objects.bulk_create(people)
    ViewerName.objects.bulk_create(
        ViewerName(viewer=one, login=one.login, display_name=one.display_name, first_seen_at=now, last_seen_at=now)
        for one in people
    )
    _count(channel, [(one.pk, 10**9 - n) for n, one in enumerate(people)], now)
    for name in ("W" * 64, NAMES[0]):
        worst = make_summary(channel, Viewer.objects.get(login=name[:64]), model=name, provider="W" * 32)
        for part in ("portrait", "interest", "joke", "tone"):
            make_claim(worst, name * 4, part=part)
    Stream.objects.create(
        id="700000002",
        twitch_ids=["700000002"],
        channel=channel,
        started_at=now - timedelta(days=1),
        ended_at=now - timedelta(days=1, hours=-3),
        title="W" * 255,
        category="<b>bold</b>" * 8,
        counted_at=now,
    )
    for n, name in enumerate(("<img src=x onerror=alert(1)>", "W" * 128, "\u202e")):
        emote = Emote.objects.create(provider="7tv", provider_id=f"hostile{n}", name=name)
        EmoteDay.objects.create(channel=channel, emote=emote, day=now.astimezone(UTC).date(), uses=10**7)


def _erase_somebody(now: datetime) -> None:
    removed = {"messages": 12_345, "days": 31}
    Erasure.objects.create(
        mark="0" * 64,
        receipt=RECEIPT,
        state="done",
        removed=removed,
        steps=9,
        steps_done=9,
        finished_at=now - timedelta(hours=1),
    )


def _count(channel: Channel, people: list[tuple[str, int]], now: datetime) -> None:
    seen: dict[str, Any] = {"first_seen_at": now - timedelta(days=3), "last_seen_at": now}
    ViewerTotal.objects.bulk_create(
        ViewerTotal(channel=channel, viewer_id=pk, messages=messages, **seen) for pk, messages in people
    )
    ChannelTotal.objects.create(
        channel=channel, messages=sum(messages for _, messages in people), chatters=len(people), last_message_at=now
    )
