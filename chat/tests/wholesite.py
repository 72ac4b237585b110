"""A site with something in every table, about one person above all; and a search of everything that is kept."""

import gzip
import json
from collections.abc import Iterable, Iterator
from copy import deepcopy
from datetime import UTC, datetime, timedelta
from importlib import import_module
from pathlib import Path
from threading import RLock
from typing import Any, ClassVar, cast

from django.conf import settings
from django.contrib.admin.models import CHANGE, LogEntry
from django.contrib.auth.models import Group, User
from django.contrib.contenttypes.models import ContentType
from django.db import connection
from redis import Redis
from social_django.models import Association, Code, Nonce, Partial, UserSocialAuth

from chat import export, packedfiles, streamnumbers
from chat.ingest.batch import Line
from chat.ingest.store import Store
from chat.models import Badge, Cheermote, DeadLetter, EmoteSet, EmoteTotal, EmoteYear, Replay, Reward, ViewerEmote
from chat.tests.factories import EmoteFactory, EntryFactory
from chat.tests.frames import rfc3339, told, who
from chat.tests.kept import Kept
from chat.tests.lines import DAY, MINUTE, NOON, clearchat, clearmsg, gap, gift_bomb, privmsg, read, tag, usernotice
from chat.tests.tables import channel
from streams import sync
from streams.models import (
    ApiKey,
    ApiRequest,
    AuditEntry,
    Channel,
    ChannelModerator,
    Delivery,
    EventSubscription,
    JobRun,
    Stream,
    StreamReport,
    StreamSample,
    StreamSegment,
    TwitchGrant,
    Webhook,
)
from streams.sealed import seal
from viewers import presence
from viewers.models import (
    AccountLink,
    Award,
    AwardRule,
    ChoiceClock,
    Claim,
    Consent,
    Export,
    ListFile,
    ModelCall,
    Note,
    NoteVersion,
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
    ViewSession,
    WikiRevision,
)
from viewers.statements import NOBODY_SPOKE
from viewers.tests.presence import EIGHT, Chatter, Evening, at

PERSON = "98765432"
LOGIN, FORMER, SHOWN = "wanderer_7", "wanderbold", "流れ者ワンダ"
SECRETS = ("zebrafish", "quicksilver", "ultramarine", "marmalade")
"""Words that they wrote: in messages, with events, with points, on their page."""
NEEDLES = (PERSON, LOGIN, FORMER, SHOWN, *SECRETS)

GZIP = b"\x1f\x8b"
EVENING = (EIGHT - NOON).total_seconds()


def mine(text: str = "zebrafish", *, at: float = 0, **changes: Any) -> bytes:
    """Something the person says."""
    return privmsg(text, **{"user": LOGIN, "user_id": PERSON, "display_name": SHOWN, "at": at, **changes})


def notice(kind: str, **changes: Any) -> bytes:
    """Something Twitch announces about the person."""
    return usernotice(kind, **{"user": LOGIN, "user_id": PERSON, "display_name": SHOWN, **changes})


def frame_of(kind: str, *, at: float = 0, **event: Any) -> bytes:
    """Something EventSub tells of the person."""
    is_person = {"user_id": PERSON, "user_login": LOGIN, "user_name": SHOWN}
    return told(kind, user=None, at=at, **{**is_person, **event})


def lines_of_theirs() -> list[bytes]:
    """What the ingest can be told of the person, a kind each."""
    spoken = mine("Emote zebrafish", at=2)
    deleted = mine("spam zebrafish", at=70)
    return [
        mine("under an old name, zebrafish", at=-30 * DAY, user=FORMER, display_name=FORMER.title()),
        mine("zebrafish", at=0, badges="subscriber/12", badge_info="subscriber/14", first_msg="1"),
        spoken,
        mine("Emote Emote", at=3),
        mine("zebrafish @bob", at=61, reply_parent_msg_id=tag(privmsg(user="bob", at=4), "id")),
        mine("Cheer100 zebrafish", at=62, bits="100"),
        deleted,
        clearmsg(tag(deleted, "id"), user=LOGIN, at=71),
        mine("zebrafish", at=DAY + 5),
        mine("zebrafish", at=10, channel="another"),
        mine("zebrafish", at=11, source_room_id="77", source_id="original-id"),
        mine("zebrafish tonight", at=EVENING + 3 * MINUTE),
        notice("resub", at=100, text="quicksilver", msg_param_cumulative_months="9"),
        notice("raid", at=101, msg_param_login=LOGIN, msg_param_displayName=SHOWN, msg_param_viewerCount="12"),
        *gift_bomb("bob", "carol", user=LOGIN, user_id=PERSON, display_name=SHOWN, at=110, bomb="theirs"),
        clearchat(LOGIN, at=130, seconds=60).replace(
            tag(clearchat(LOGIN, at=130), "target-user-id").encode(), PERSON.encode()
        ),
    ]


def lines_of_others() -> list[bytes]:
    """What others say, some of it about the person."""
    theirs = tag(mine("Emote zebrafish", at=2), "id")
    gift = {
        "msg_param_recipient_id": PERSON,
        "msg_param_recipient_user_name": LOGIN,
        "msg_param_recipient_display_name": SHOWN,
        "system_msg": f"alice gifted a subscription to {SHOWN}!",
    }
    return [
        privmsg("hello Emote", at=1),
        privmsg("Emote Emote", user="bob", at=4),
        privmsg(f"@{SHOWN} you mean {FORMER}? Emote", user="bob", at=63, **answering(theirs)),
        privmsg(f"I like {LOGIN.upper()}, {PERSON} and the rest", user="carol", at=64),
        privmsg("unrelated", user="carol", at=DAY + 6),
        privmsg("Emote", user="bob", at=12, channel="another"),
        privmsg(f"Emote is {LOGIN} here?", user="bob", at=EVENING + 4 * MINUTE),
        usernotice("subgift", at=120, **gift),
        usernotice("resub", user="bob", at=121, text=f"thanks {LOGIN}", msg_param_cumulative_months="3"),
        usernotice("giftpaidupgrade", user="carol", at=122, msg_param_sender_login=LOGIN, msg_param_sender_name=SHOWN),
        *gift_bomb("dave", user="bob", at=123, bomb="of bob"),
    ]


def answering(message: str) -> dict[str, str]:
    return {
        "reply_parent_msg_id": message,
        "reply_parent_user_id": PERSON,
        "reply_parent_user_login": LOGIN,
        "reply_thread_parent_msg_id": message,
    }


def frames() -> list[bytes]:
    """What EventSub tells of the person, and of others because of them."""
    reward: dict[str, Any] = {"id": "reward-1", "title": "Hydrate", "cost": 500, "prompt": f"for @{LOGIN} and all"}
    spent: dict[str, Any] = {"status": "fulfilled", "reward": reward}
    by_them: dict[str, Any] = {"moderator_user_id": PERSON, "moderator_user_login": LOGIN, "moderator_user_name": SHOWN}
    by_dave, ends = who("moderator_user", "dave"), rfc3339(300)
    ban: dict[str, Any] = {"banned_at": rfc3339(200), "ends_at": ends, "is_permanent": False}
    redeemed = "channel.channel_points_custom_reward_redemption.add"
    return [
        frame_of(redeemed, at=140, id="spent-1", user_input="ultramarine", redeemed_at=rfc3339(140), **spent),
        told(redeemed, user="bob", at=141, id="spent-2", user_input=f"{LOGIN}!", redeemed_at=rfc3339(141), **spent),
        frame_of("channel.follow", at=142, followed_at=rfc3339(142)),
        frame_of("channel.cheer", at=143, is_anonymous=False, message="quicksilver", bits=50),
        frame_of("channel.subscribe", at=121, tier="1000", is_gift=True),
        told("channel.subscribe", user="carol", at=113, tier="1000", is_gift=True),
        told("channel.ban", user="erin", at=200, reason=f"was rude to {LOGIN}", **by_them, **ban),
        frame_of("channel.ban", at=131, reason="marmalade", **by_dave, **ban | {"banned_at": rfc3339(130)}),
    ]


class WholeSite:
    """Everything the tests look at. It is built for the first test that asks, and laid out again for all others."""

    _kept: ClassVar[tuple[Kept, dict[str, Any]] | None] = None

    def __init__(self) -> None:
        if self._kept and self._kept[0].fits():
            self._lay_out(*self._kept)
            return
        may_be_kept = Kept.is_possible()
        self._build()
        if may_be_kept:
            WholeSite._kept = (Kept(), self._copied(self.__dict__))

    def _lay_out(self, kept: Kept, parts: dict[str, Any]) -> None:
        kept.lay_out()
        self.__dict__ = self._copied(parts)
        files = Export.objects.values_list("viewer__login", "file")
        self.exports = {login: packedfiles.place(file) for login, file in files}

    @staticmethod
    def _copied(parts: dict[str, Any]) -> dict[str, Any]:
        """The parts of a site that know nothing of what becomes of others."""
        lock = parts["store"]._preparing
        return deepcopy(parts, {id(lock): RLock()})

    def _build(self) -> None:
        for name in ("Emote", "Other"):
            EntryFactory.create(name=name)
        self.store = Store()
        self.store.load_all_sets()
        self.write(*lines_of_theirs(), *lines_of_others())
        self.write(gap(), kind="gap")
        self.write(*frames(), kind="eventsub")
        self.example, self.another = channel(), channel("another")
        self.person = Viewer.objects.get(pk=PERSON)
        self.bob = Viewer.objects.get(login="bob")
        self._watch()
        self._tell_of_channels()
        self._decide()
        self._log_in()
        streamnumbers.count_due(datetime.now(UTC))
        self.exports = {viewer.login: exported(viewer) for viewer in Viewer.objects.all()}

    def write(self, *raws: bytes, kind: str = "irc") -> None:
        self.store.write(self.lines(*raws, kind=kind))

    def lines(self, *raws: bytes, kind: str = "irc") -> list[Line]:
        return read(*raws, kind=kind)

    def _watch(self) -> None:
        """An evening with the person, bob and carol in it."""
        self.evening = Evening(self.example, "stream-1")
        people = [(PERSON, LOGIN, SHOWN), (self.bob.pk, "bob", "Bob")]
        self.poll(2, people)
        self.poll(7, people)
        self.poll(12, people[1:])
        self.poll(17, people[1:])
        self.evening.off_air(18)
        self.evening.settle()
        Stream.objects.update(title=f"playing with @{LOGIN}", seen_at=EIGHT)
        StreamSegment.objects.update(title=f"@{LOGIN} again")
        StreamSample.objects.create(channel=self.example, stream=self.evening.stream, at=EIGHT, viewers=7)
        StreamReport.objects.create(
            channel=self.example, kind="seen", at=EIGHT, until=EIGHT, twitch_id="stream-1", title=f"with @{LOGIN}"
        )
        visit = ViewSession.objects.filter(viewer=self.bob).first()
        theirs = ViewSession.objects.get(viewer=PERSON)
        moderator = User.objects.create_user("moderator", password="secret")
        for whose, session in ((self.bob, visit), (self.person, theirs)):
            SessionCorrection.objects.create(
                session=session,
                stream=self.evening.stream,
                viewer=whose,
                made_by=moderator,
                reason=f"{LOGIN} told me",
                started_before=EIGHT,
                ended_before=EIGHT,
                started_after=EIGHT,
                ended_after=EIGHT,
            )
        self.moderator = moderator

    def poll(self, minutes: float, people: Iterable[tuple[str, str, str]]) -> None:
        presence.reconcile(
            self.evening.stream, at(minutes), [Chatter(*person) for person in people], speech=NOBODY_SPOKE
        )

    def _tell_of_channels(self) -> None:
        """What belongs to channels, and to nobody; and the account of the person as a bot."""
        emote = EmoteFactory.create(name="Third")
        Badge.objects.create(set_id="subscriber", version="12", image_url="https://cdn.example/b")
        Cheermote.objects.create(prefix="Cheer", tiers=[1, 100])
        EmoteSet.objects.create(provider="7tv", first_read_at=NOON)
        Reward.objects.create(channel=self.another, twitch_id="r2", title=f"@{LOGIN} sings", prompt="now")
        Replay.objects.create(digest="d", name="chat.log")
        raw = mine("zebrafish broken").replace(b"PRIVMSG", b"PRIVMGS")
        DeadLetter.objects.create(source="entry 1", raw=raw, error="of no kind", received_at=NOON)
        DeadLetter.objects.create(source="entry 2", raw=b"other", error=f"no room for {LOGIN}", received_at=NOON)
        DeadLetter.objects.create(source="entry 3", raw=f"\xff{SHOWN}".encode(), error="", received_at=NOON)
        DeadLetter.objects.create(source="entry 4", raw=b"of somebody else", error="", received_at=NOON)
        JobRun.objects.create(name="job", started_at=NOON, took_ms=1, outcome="done", detail=f"asked for {LOGIN}")
        for whose, kind in ((PERSON, "bot"), ("c-other", "other")):
            grant = TwitchGrant.objects.create(
                twitch_id=whose,
                login=LOGIN if kind == "bot" else "other",
                is_bot=True,
                access_token="a",
                refresh_token="r",
                expires_at=NOON + timedelta(days=9999),
                granted_at=NOON,
            )
            EventSubscription.objects.create(
                grant=grant,
                type="channel.raid",
                version="1",
                condition={"user_id": whose},
                state="enabled",
                updated_at=NOON,
            )
        AwardRule.objects.create(channel=self.example, achievement="loyal", version="1", applied_at=NOON)
        for viewer in (PERSON, self.bob.pk):
            Award.objects.create(channel=self.example, viewer_id=viewer, achievement="loyal", level=1, earned_at=NOON)
            for period in ("all", "2026"):
                Standing.objects.create(channel=self.example, viewer_id=viewer, period=period, messages=3)
            ViewerEmote.objects.create(
                channel=self.example, viewer_id=viewer, emote=emote, uses=2, first_day=NOON.date(), last_day=NOON.date()
            )
        days = {"first_day": NOON.date(), "last_day": NOON.date()}
        EmoteTotal.objects.create(channel=self.example, emote=emote, uses=4, **days)
        EmoteYear.objects.create(channel=self.example, emote=emote, year=NOON.year, uses=4, **days)

    def _decide(self) -> None:
        """Pages, texts and consents."""
        ChoiceClock.objects.get_or_create(id=1)
        Verdict.objects.create(channel=self.example, mark="0" * 64, is_removed=True)
        for viewer, text in ((self.person, "I am marmalade"), (self.bob, f"A friend of {LOGIN}, once {FORMER}.")):
            profile = Profile.objects.create(channel=self.example, viewer=viewer, locked_by=None)
            WikiRevision.objects.create(profile=profile, number=1, text=text, role="viewer", note=f"for {SHOWN}")
            last = WikiRevision.objects.create(profile=profile, number=2, text=f"{text} 2", role="moderator")
            Profile.objects.filter(pk=profile.pk).update(current=last)
            Consent.objects.create(viewer=viewer, kind="summary", wording="words")
        SummaryPolicy.objects.create(channel=self.example, is_on=True, blocked_words=f"hush\n{LOGIN}")
        self._summarize()
        self._moderate()
        self._open_up()

    def _open_up(self) -> None:
        """Who moderates, what was done in the administration, and what programs of others were given and told."""
        by = self.moderator
        for twitch_id, login in ((PERSON, LOGIN), ("m-other", "other")):
            ChannelModerator.objects.create(
                channel=self.example, twitch_id=twitch_id, login=login, since=NOON, told_at=NOON
            )
        for viewer_id, target in ((PERSON, SHOWN), ("2", f"page of {LOGIN}")):
            detail = {"before": {"name": LOGIN}, "said": [SHOWN]}
            about = {"viewer_id": viewer_id, "target": target, "detail": detail}
            AuditEntry.objects.create(by=by, role="moderator", channel=self.example, action="page.hide", **about)
        key = ApiKey.objects.create(channel=self.example, name=f"overlay of {LOGIN}", digest="d" * 64, made_by=by)
        ApiRequest.objects.create(key=key, at=NOON, method="GET", route="viewers", status=200, took_ms=2)
        sync.mark()
        webhook = Webhook.objects.create(channel=self.example, url="https://bot.example/", events=["gift"], made_by=by)
        for number, fields in enumerate(
            (
                {"viewer_id": PERSON, "key": PERSON, "body": {"text": LOGIN}},
                {"viewer_id": "2", "key": "gift-1", "body": {"recipient": PERSON}},
                {"viewer_id": "2", "key": "gift-2", "body": {}, "answer": f"thank you, {SHOWN}"},
                {"viewer_id": "2", "key": "gift-3", "body": {"recipient": "3"}, "state": "done"},
                {"sealed": seal(PERSON), "body": {"viewer": PERSON}},
            )
        ):
            Delivery.objects.create(webhook=webhook, event_id=f"event-{number}", event="gift", **fields)

    def _moderate(self) -> None:
        """What moderators keep of both for themselves, and the long work they asked for."""
        by = self.moderator
        for viewer, text in ((self.person, "marmalade again"), (self.bob, f"A friend of @{SHOWN}, once {FORMER}.")):
            note = Note.objects.create(channel=self.example, viewer=viewer, withdrawn_by=by)
            for number in (1, 2):
                NoteVersion.objects.create(note=note, number=number, text=f"{text} {number}", author=by)
        for name in ("regular", f"knows {LOGIN}", f"knows {FORMER}"):
            tag = Tag.objects.create(channel=self.example, name=name)
            for viewer in (self.person, self.bob):
                Tagging.objects.create(tag=tag, viewer=viewer, made_by=by)
        carol, dave = (Viewer.objects.get(login=name) for name in ("carol", "dave"))
        for viewer, main in ((self.person, self.bob), (carol, self.person), (dave, self.bob)):
            AccountLink.objects.create(
                channel=self.example, viewer=viewer, main=main, reason=f"{LOGIN} told us", linked_by=by
            )
        Purge.objects.create(channel=self.example, fewer_messages=2, asked_by=by)
        for query in ({"author": LOGIN}, {"author": "bob"}):
            asked = {"asked_by": by, "what": "messages", "query": query, "format": "csv", "state": "done"}
            ListFile.objects.create(channel=self.example, **asked)

    def _summarize(self) -> None:
        """Summaries of both, and a recap that names the person."""
        for viewer, text in ((self.person, f"Calls themself {LOGIN}."), (self.bob, f"Greets {SHOWN} often.")):
            SummaryTurn.objects.create(channel=self.example, viewer=viewer, messages=100)
            of_viewer = {"channel": self.example, "viewer": viewer}
            summary = Summary.objects.create(**of_viewer, number=1, state="shown", begun_at=NOON, made_at=NOON)
            Claim.objects.create(summary=summary, position=1, part="portrait", text=text)
            ModelCall.objects.create(
                channel=self.example, summary=summary, provider="p", model="m", began_at=NOON, cost=1
            )
        of_stream = {"channel": self.example, "stream": self.evening.stream}
        recap = Summary.objects.create(**of_stream, number=1, state="shown", begun_at=NOON, made_at=NOON)
        for position, (named, text) in enumerate(((self.person, f"{LOGIN} sang."), (self.bob, "bob danced."))):
            claim = Claim.objects.create(summary=recap, position=position, part="moment", text=text)
            claim.people.add(named)

    def _log_in(self) -> None:
        """The login of the person, who wrote about others as well, and what the administration notes of them."""
        self.user = User.objects.create_user(PERSON, first_name=LOGIN)
        self.user.groups.add(Group.objects.create(name="helpers"))
        UserSocialAuth.objects.create(user=self.user, provider="twitch", uid=PERSON, extra_data={"login": LOGIN})
        Partial.objects.create(token="t", backend="twitch", next_step=1, data={"kwargs": {"uid": PERSON}})
        Nonce.objects.create(server_url="s", timestamp=1, salt="s")
        Association.objects.create(server_url="s", handle="h", secret="s", issued=1, lifetime=1, assoc_type="a")
        Code.objects.create(email="somebody@example.org", code="c")
        self.sessions = [
            session(_auth_user_id=str(self.user.pk)),
            session(login_leads_to=f"/c/example/viewers/{LOGIN}/"),
            session(_auth_user_id=str(self.moderator.pk)),
        ]
        Profile.objects.filter(viewer=self.bob).update(locked_by=self.user)
        WikiRevision.objects.filter(profile__viewer=self.bob, number=2).update(author=self.user)
        SessionCorrection.objects.filter(viewer=self.bob).update(made_by=self.user)
        own = {"channel": self.example, "made_by": self.user, "mail": f"{LOGIN}@example.org"}
        ApiKey.objects.create(**own, name="bot", digest="e" * 64)
        Webhook.objects.create(**own, url="https://own.example/", events=["gift"])
        about = ContentType.objects.get_for_model(Viewer)
        logged = [(self.moderator, PERSON, SHOWN), (self.user, "1", "x"), (self.moderator, "2", "bob")]
        for user, key, name in logged:
            LogEntry.objects.create(
                user=user,
                content_type=about,
                object_id=key,
                object_repr=name,
                action_flag=CHANGE,
                change_message=json.dumps([{"changed": {"name": LOGIN}}]),
            )


def exported(viewer: Viewer) -> Path:
    """The file of an export, made as the job makes it."""
    wanted = export.ask(viewer, datetime.now(UTC))
    export.make(wanted.pk)
    wanted.refresh_from_db()
    return packedfiles.place(wanted.file)


def session(**values: Any) -> str:
    """A session with these values; its key."""
    made = import_module(settings.SESSION_ENGINE).SessionStore()
    made.update(values)
    made.create()
    return str(made.session_key)


# The search


def found_anywhere(client: Redis, needles: Iterable[str] = NEEDLES) -> list[str]:
    """Where any of these is found: in a row of any table, in Redis, or in a file."""
    wanted = [needle.lower() for needle in needles]
    places = [*_in_tables(), *_in_redis(client), *_in_files()]
    assert len(places) > 100
    return [f"{where}: {text[:300]}" for where, text in places if any(needle in text.lower() for needle in wanted)]


def _in_tables() -> Iterator[tuple[str, str]]:
    with connection.cursor() as cursor:
        cursor.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'public' ORDER BY 1")
        for (table,) in cursor.fetchall():
            cursor.execute(f'SELECT * FROM ONLY "{table}"')
            for row in cursor.fetchall():
                yield table, " ".join(_text(value) for value in row)


def _in_redis(client: Redis) -> Iterator[tuple[str, str]]:
    read_of_kind: dict[bytes, Any] = {
        b"string": client.get,
        b"hash": client.hgetall,
        b"list": lambda key: client.lrange(key, 0, -1),
        b"set": client.smembers,
        b"zset": lambda key: client.zrange(key, 0, -1, withscores=True),
        b"stream": client.xrange,
    }
    for key in cast(list[bytes], client.keys("*")):
        value = read_of_kind[client.type(key)](key)  # type: ignore[index]
        packed = gzip.decompress(value[value.index(GZIP) :]) if GZIP in _bytes(value) else b""
        yield "redis", f"{_text(key)} {_text(value)} {_text(packed)}"


def _in_files() -> Iterator[tuple[str, str]]:
    for path in Path(settings.MEDIA_ROOT).rglob("*"):
        if path.is_file():
            raw = path.read_bytes()
            yield str(path), f"{path.name} {_text(gzip.decompress(raw) if raw[:2] == GZIP else raw)}"


def _bytes(value: Any) -> bytes:
    return value if isinstance(value, bytes) else b""


def _text(value: Any) -> str:
    """What a value says. Bytes are read as text, in whatever is around them."""
    if isinstance(value, memoryview | bytes):
        return bytes(value).decode("utf-8", "replace")
    if isinstance(value, dict):
        return " ".join(f"{_text(key)} {_text(each)}" for key, each in value.items())
    if isinstance(value, list | tuple | set):
        return " ".join(_text(each) for each in value)
    return str(value)


def channels() -> list[Channel]:
    return list(Channel.objects.all())
