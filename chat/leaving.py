"""Takes what is kept of one viewer out of one channel, for an erasure of the account and for a purge of the channel.

What becomes of each column is declared in chat/personal.py. Whatever a batch removes, a recount agrees with the rest.
"""

import json
from collections import Counter
from collections.abc import Sequence
from contextlib import AbstractContextManager
from typing import Any

from django.db.backends.utils import CursorWrapper
from django.db.models import Model, QuerySet

from chat import copied, folds, personal
from chat import erasestatements as statements
from chat.anonymous import COLUMNS, anonymous_keys
from chat.mentions import Mentions
from streams.locks import lock_channels, lock_counts
from streams.models import Channel, TwitchGrant
from viewers.models import Viewer, ViewerName

ROWS_AT_ONCE = 5000
STREAMS_AT_ONCE = 100

MENTION = "mention "
"""Before the name of a table in what was removed: texts of others that were cleaned."""

FOLDED = ("chat.ViewerEmote", "viewers.Standing", "viewers.Award")
"""What jobs fold from the rest: deleted last, when nothing is left that they could be folded from."""


class Leaver:
    """What a viewer leaves behind in a channel, kind by kind: in the order in which it is counted from each other."""

    viewer_id: str
    mentions: Mentions

    def _batch(self, channels: Sequence[int] = ()) -> AbstractContextManager[tuple[CursorWrapper, Counter[str]]]:
        """A transaction that holds the locks of channels, and where to count what is removed in it."""
        raise NotImplementedError

    def _tables(self) -> list[str]:
        """The tables whose rows are counted nowhere else, and simply go."""
        return plain_tables()

    def _values(self, channel: int) -> dict[str, Any]:
        return {"channel": channel, "viewer": self.viewer_id, "most": ROWS_AT_ONCE}

    def _leave_messages(self, channel: int) -> None:
        """Make their messages nobody's: they still count for the channel, and say nothing."""
        values = self._values(channel) | COLUMNS | anonymous_keys()
        # "viewer" is whose they are, "viewer_id" whose they become.
        while self._is_any("chat.Message", channel):
            with self._batch([channel]) as (cursor, removed):
                cursor.execute(statements.STAGE_MESSAGES, values)
                cursor.execute(statements.ANALYZE_MESSAGES)
                cursor.execute(statements.DELETE_TWINS, values)
                cursor.execute(statements.LOWER_TWINS, values)
                cursor.execute(statements.MAKE_NOBODYS, values)
                removed["chat.Message"] += cursor.rowcount
                cursor.execute(statements.LOWER_MINUTES, values)
                cursor.execute(statements.DELETE_DEEDS_ON_MESSAGES, values)
                removed["chat.ModerationEvent"] += cursor.rowcount
                cursor.execute(statements.UNSTAGE_MESSAGES)

    def _leave_events(self, channel: int) -> None:
        values = self._values(channel)
        while self._is_any("chat.ChatEvent", channel):
            with self._batch([channel]) as (cursor, removed):
                cursor.execute(statements.STAGE_EVENTS, values)
                cursor.execute(statements.LOWER_FACTS, values)
                cursor.execute(statements.FREE_TWINS, values)
                cursor.execute(statements.DELETE_EVENTS, values)
                removed["chat.ChatEvent"] += cursor.rowcount
                cursor.execute(statements.UNSTAGE_EVENTS)

    def _give_to_nobody(self, channel: int) -> None:
        """What others gave them stays the others', and says to nobody whom they gave it."""
        while True:
            with self._batch([channel]) as (cursor, removed):
                cursor.execute(statements.GIFTS_TO, self._values(channel))
                rows = [self._given_to_nobody(*row) for row in cursor.fetchall()]
                if not rows:
                    return
                cursor.execute(statements.GIVE_TO_NOBODY, [list(column) for column in zip(*rows, strict=True)])
                removed[f"{MENTION}chat.ChatEvent"] += cursor.rowcount
                copied.forget_given(cursor, [event for event, *_ in rows])

    def _given_to_nobody(self, event: str, told: Any, system_text: str, text: str) -> tuple[str, str, str, str]:
        params = json.loads(told) if isinstance(told, str) else told
        names = [str(params.get(f"recipient-{name}") or "") for name in ("user-name", "display-name")]
        mentions = Mentions(self.viewer_id, [*self.mentions.names, *names])
        kept = {name: value for name, value in params.items() if not name.startswith("recipient-")}
        return event, json.dumps(mentions.cleaned_json(kept)), mentions.cleaned(system_text), mentions.cleaned(text)

    def _delete_deeds(self, channel: int) -> None:
        with self._batch([channel]) as (cursor, removed):
            cursor.execute(statements.DELETE_DEEDS, self._values(channel) | {"names": self.mentions.names})
            removed["chat.ModerationEvent"] += cursor.fetchone()[0]

    def _leave_streams(self, channel: int) -> None:
        """Have the streams they came to counted again without them."""
        after = ""
        while True:
            with self._batch() as (cursor, removed):
                values = self._values(channel) | {"after": after, "most": STREAMS_AT_ONCE}
                cursor.execute(statements.STREAMS, values)
                values["streams"] = [stream for (stream,) in cursor.fetchall()]
                if not values["streams"]:
                    return
                after = values["streams"][-1]
                # Whoever counts one of them now (chat/streamnumbers.py) has read the viewer already, and is waited for.
                lock_counts(cursor, channel, values["streams"])
                lock_channels(cursor, [channel])
                cursor.execute(statements.LEAVE_CORRECTIONS, values)
                removed["viewers.SessionCorrection"] += cursor.rowcount
                cursor.execute(statements.LEAVE_VISITS, values)
                removed["viewers.ViewSession"] += cursor.rowcount
                cursor.execute(statements.LEAVE_STREAMS, values)
                removed["viewers.ViewerStream"] += cursor.fetchone()[0]

    def _leave_days(self, channel: int) -> None:
        with self._batch([channel]) as (cursor, removed):
            cursor.execute(statements.LEAVE_DAYS, self._values(channel))
            removed["viewers.ViewerDay"] += cursor.fetchone()[0]
            cursor.execute(statements.LEAVE_TOTAL, self._values(channel))
            removed["viewers.ViewerTotal"] += cursor.fetchone()[0]

    def _delete_rows(self, channel: int) -> None:
        """What is counted nowhere else: the register says whose it is."""
        for label in (label for label in self._tables() if label not in FOLDED):
            while self._is_any(label, channel):
                with self._batch([channel]) as (_, removed):
                    removed.update(self._delete_some(label, channel))
        for label in FOLDED:
            while self._is_any(label, channel):
                with self._batch() as (cursor, removed):
                    folds.hold(cursor, [channel])  # who folds just now may have read them still
                    removed.update(self._delete_some(label, channel))

    def _delete_some(self, label: str, channel: int) -> dict[str, int]:
        some = rows_in(label, self.viewer_id, [channel]).order_by().values("pk")[:ROWS_AT_ONCE]
        return QuerySet(personal.model_of(label)).filter(pk__in=some).delete()[1]

    def _is_any(self, label: str, channel: int) -> bool:
        return rows_in(label, self.viewer_id, [channel]).exists()


def names_of(viewer_id: str) -> set[str]:
    """Every name they had and nobody else did."""
    names = {*ViewerName.objects.filter(viewer=viewer_id).values_list("login", "display_name")}
    names |= {*Viewer.objects.filter(pk=viewer_id).values_list("login", "display_name")}
    names |= {*TwitchGrant.objects.filter(twitch_id=viewer_id).values_list("login", "display_name")}
    found = {name for pair in names for name in pair if name}
    lower = {name.lower() for name in found}
    others = {*ViewerName.objects.filter(login__in=lower).exclude(viewer=viewer_id).values_list("login", flat=True)}
    others |= {*Viewer.objects.filter(login__in=lower).exclude(pk=viewer_id).values_list("login", flat=True)}
    channels = Channel.objects.filter(login__in=lower).exclude(twitch_id=viewer_id)
    others |= {str(login) for login in channels.values_list("login", flat=True)}
    return {name for name in found if name.lower() not in others}


def rows_in(label: str, viewer_id: str, channels: Sequence[int]) -> QuerySet[Any]:
    """Their rows in channels, by the indexes, which begin with the channel."""
    rows = personal.rows_of(label, viewer_id)
    path = path_to_channel(personal.model_of(label))
    return rows.filter(**{f"{path}__in": channels}) if path else rows


def path_to_channel(model: type[Model]) -> str:
    """The way from a row to its channel, as in a query; empty where rows are of no one channel."""
    names = {field.name for field in model._meta.fields}  # noqa: SLF001
    paths = {"channel": "channel", "stream": "stream__channel", "profile": "profile__channel"}
    paths |= {"summary": "summary__channel", "claim": "claim__summary__channel"}
    paths |= {"note": "note__channel", "tag": "tag__channel"}
    return next((path for name, path in paths.items() if name in names), "")


# Those whose rows count for something else, or outlive the others: each has its own step.
_WITH_A_STEP = frozenset(
    {
        "chat.Message",
        "chat.ChatEvent",
        "chat.ModerationEvent",
        "viewers.ViewerDay",
        "viewers.ViewerTotal",
        "viewers.ViewerStream",
        "viewers.ViewSession",
        "viewers.Viewer",
        "viewers.ViewerName",
        "viewers.Consent",
        "viewers.Export",
        "viewers.Profile",  # last, for what moderators decide until then
        "streams.TwitchGrant",
    }
)


def plain_tables() -> list[str]:
    return [label for label in personal.own_tables() if label not in _WITH_A_STEP]
