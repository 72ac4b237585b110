"""Somebody with a row in every table that can be about a viewer."""

from datetime import UTC, date, datetime, timedelta
from typing import Any

from django.contrib.auth.models import User
from social_django.models import UserSocialAuth

from chat.models import ChatEvent, EmoteUsage, Message, ModerationEvent, Redemption, Reward, ViewerEmote
from chat.tests.crowd import make_emote
from streams.models import ApiKey, AuditEntry, Channel, ChannelModerator, Stream, TwitchGrant, Webhook
from viewers.models import (
    AccountLink,
    Award,
    Claim,
    Consent,
    Note,
    NoteVersion,
    Profile,
    SessionCorrection,
    Standing,
    Summary,
    SummaryTurn,
    Tag,
    Tagging,
    Viewer,
    ViewerDay,
    ViewerStream,
    ViewSession,
    WikiRevision,
)
from viewers.tests.cast import make_viewer

NOON = datetime(2026, 5, 1, 12, tzinfo=UTC)
TODAY = date(2026, 5, 1)
HOUR = timedelta(hours=1)


def make_user(viewer_id: str, **fields: Any) -> User:
    """Who logged in with Twitch as this viewer."""
    user = User.objects.create_user(viewer_id, **fields)
    UserSocialAuth.objects.create(user=user, provider="twitch", uid=viewer_id, id_key="id")
    return user


def make_message(channel: Channel, viewer_id: str, text: str, at: datetime = NOON, **fields: str) -> Message:
    number = Message.objects.count() + 1
    return Message.objects.create(
        **{"id": f"m{number}", "channel": channel, "viewer_id": viewer_id, "sent_at": at, "text": text, **fields}
    )


def make_somebody(channel: Channel, login: str) -> Viewer:
    """A viewer with one row of each kind; every text of theirs contains their login."""
    viewer = make_viewer(channel, login)
    of_viewer = {"channel": channel, "viewer": viewer}
    user = make_user(viewer.pk)
    stream = Stream.objects.create(id=f"s-{login}", channel=channel, started_at=NOON, ended_at=NOON + HOUR)
    emote = make_emote(f"{login}Emote")
    message = make_message(channel, viewer.pk, f"{login} says hello")
    ViewerDay.objects.create(**of_viewer, day=TODAY, messages=1)
    ViewerStream.objects.create(**of_viewer, stream=stream, messages=1)
    visit = ViewSession.objects.create(
        **of_viewer, stream=stream, started_at=NOON, ended_at=NOON + HOUR, source="poll", ended_by="absent"
    )
    SessionCorrection.objects.create(
        session=visit,
        stream=stream,
        viewer=viewer,
        reason=f"{login} was not there",
        started_before=NOON,
        ended_before=NOON + HOUR,
        started_after=NOON,
        ended_after=NOON,
    )
    Standing.objects.create(**of_viewer, period="all", messages=1)
    Award.objects.create(**of_viewer, achievement="first-words", level=1, earned_at=NOON)
    ViewerEmote.objects.create(**of_viewer, emote=emote, uses=1, first_day=TODAY, last_day=TODAY)
    EmoteUsage.objects.create(**of_viewer, emote=emote, day=TODAY, uses=1)
    reward = Reward.objects.create(channel=channel, twitch_id=f"reward-{login}", title=f"for {login}")
    Redemption.objects.create(
        **of_viewer, id=f"r-{login}", reward=reward, cost=5, status="fulfilled", text=f"{login}", redeemed_at=NOON
    )
    ChatEvent.objects.create(**of_viewer, id=f"e-{login}", kind="resub", occurred_at=NOON, text=f"{login}")
    ChatEvent.objects.create(channel=channel, id=f"g-{login}", kind="subgift", occurred_at=NOON, recipient_id=viewer.pk)
    ModerationEvent.objects.create(
        channel=channel, kind="ban", occurred_at=NOON, target_id=viewer.pk, moderator_id="a-moderator", reason=login
    )
    ModerationEvent.objects.create(
        channel=channel, kind="delete", occurred_at=NOON, target_login=login, message_id=message.pk
    )
    profile = Profile.objects.create(**of_viewer)
    WikiRevision.objects.create(profile=profile, number=1, text=f"{login}", author=user, role="viewer")
    Consent.objects.create(viewer=viewer, kind="summary", wording="Yes.")
    keep_a_file(channel, viewer)
    SummaryTurn.objects.create(**of_viewer, messages=1)
    summary = Summary.objects.create(**of_viewer, number=1, state="shown", begun_at=NOON, made_at=NOON)
    source = {"source_ids": [message.pk], "source_times": [NOON]}
    Claim.objects.create(summary=summary, position=1, part="portrait", text="Says hello.", **source)
    recap = Summary.objects.create(channel=channel, stream=stream, number=1, state="shown", begun_at=NOON, made_at=NOON)
    said = Claim.objects.create(summary=recap, position=1, part="moment", text=f"{login} said hello.", **source)
    said.people.add(viewer)
    Channel.objects.create(twitch_id=viewer.pk, login=f"{login}_tv", display_name=login)
    TwitchGrant.objects.create(
        twitch_id=viewer.pk,
        login=login,
        access_token="sealed-access",
        refresh_token="sealed-refresh",
        expires_at=NOON,
        granted_at=NOON,
    )
    ChannelModerator.objects.create(channel=channel, twitch_id=viewer.pk, login=login, since=NOON, told_at=NOON)
    own = {"channel": channel, "made_by": user, "mail": f"{login}@example.org"}
    ApiKey.objects.create(**own, name="overlay", prefix="ss_1", digest=f"digest of {login}")
    Webhook.objects.create(**own, url="https://bot.example/", events=["stream.online"], secret="s")
    AuditEntry.objects.create(
        role="moderator", channel=channel, action="page.hide", viewer_id=viewer.pk, target=login, detail={"of": login}
    )
    return viewer


def keep_a_file(channel: Channel, viewer: Viewer) -> None:
    """What moderators keep for themselves: a note, a tag, and that another account is theirs, too."""
    moderator, _ = User.objects.get_or_create(username="the-one-who-moderates")
    note = Note.objects.create(channel=channel, viewer=viewer, withdrawn_by=moderator)
    NoteVersion.objects.create(note=note, number=1, text=f"{viewer.login} is kind", author=moderator)
    tag = Tag.objects.create(channel=channel, name=f"of {viewer.login}")
    Tagging.objects.create(tag=tag, viewer=viewer, made_by=moderator)
    second = make_viewer(channel, "the-second-account")
    AccountLink.objects.create(
        channel=channel, viewer=second, main=viewer, reason=f"{viewer.login} said so", linked_by=moderator
    )
