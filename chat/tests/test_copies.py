"""Whoever copies a resource by what changed misses nothing, however the writers' transactions overlap."""

import random
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection, transaction
from django.utils import timezone

from chat import purge, synced
from chat.api.emotes import Usage
from chat.api.events import Events, Redemptions
from chat.api.messages import Messages
from chat.erasure import erase
from chat.ingest.store import Store
from chat.models import ChatEvent, Message, Redemption, Reward, ViewerEmote
from chat.tests.crowd import make_emote
from chat.tests.everything import NOON, TODAY
from chat.tests.lines import privmsg, read
from chat.tests.tables import channel as the_channel
from streams import sync
from streams.api.resources import Absent, Synced, moment
from streams.models import Channel
from streamstats.api import changes as changed_in
from viewers import choices
from viewers.models import Profile, Viewer, ViewerTotal
from viewers.visibility import shown_in

pytestmark = pytest.mark.django_db(transaction=True)

PEOPLE = ("ann", "bea", "cid", "dot", "eve")
LEAVING = ("fay", "gus")
"""They do as the others, until they are erased: one was purged before, and came back, the other one hid."""
UNSEEN = ("jon", "kim")
"""Nobody who copies may ever hear of them: one hid before, and one was never shown."""
DEEDS = 30
"""Transactions of each writer."""

Copy = dict[str, Any]


class Site:
    """A channel that several write to at once, and what a copy of it should have."""

    def __init__(self) -> None:
        store = Store()
        store.load_all_sets()
        store.write(read(*(privmsg("hello", user=name, at=0) for name in (*PEOPLE, *LEAVING, *UNSEEN))))
        self.channel: Channel = the_channel()
        self.people = [Viewer.objects.get(login=name) for name in (*PEOPLE, *LEAVING)]
        self.leaving = [viewer for viewer in self.people if viewer.login in LEAVING]
        jon, kim = self.unseen = [Viewer.objects.get(login=name) for name in UNSEEN]
        choices.hide(jon)
        Viewer.objects.filter(pk=kim.pk).update(hidden_at=NOON - timedelta(days=400))
        self.emotes = [make_emote(f"e{number}") for number in range(4)]
        self.reward = Reward.objects.create(channel=self.channel, twitch_id="r", title="Hydrate")
        self.commits = 0
        self.committed = threading.Condition()

    # What is there, as anybody may see it

    def redemptions(self) -> Copy:
        rows = Redemption.objects.filter(shown_in(self.channel), channel=self.channel)
        told = rows.values_list("pk", "viewer", "status", "cost")
        return {pk: {"viewer": viewer, "status": status, "cost": cost} for pk, viewer, status, cost in told}

    def usage(self) -> Copy:
        rows = ViewerEmote.objects.filter(shown_in(self.channel), channel=self.channel)
        told = rows.values_list("viewer", "emote", "uses")
        return {f"{viewer}:{emote}": {"viewer": viewer, "uses": uses} for viewer, emote, uses in told}

    def events(self) -> Copy:
        rows = ChatEvent.objects.filter(shown_in(self.channel), channel=self.channel)
        shown = set(Viewer.objects.filter(shown_in(self.channel, "pk")).values_list("pk", flat=True))
        return {
            each.pk: {"viewer": each.viewer_id, "recipient": each.recipient_id if each.recipient_id in shown else None}
            for each in rows
        }

    def messages(self) -> Copy:
        somebodys = Message.objects.filter(channel=self.channel).exclude(viewer="")
        rows = somebodys.values_list("pk", "text", "removed_at")
        return {pk: {"text": text, "removed_at": moment(at)} for pk, text, at in rows}

    # What writers do

    def redeem(self, rng: random.Random) -> None:
        viewer = rng.choice(self.people)
        row = {"channel": self.channel, "viewer": viewer, "reward": self.reward, "redeemed_at": NOON}
        key = f"r{rng.randrange(10)} of {viewer.login}"  # ids are nobody else's afterwards
        if rng.random() < 0.3:
            Redemption.objects.filter(pk=key).delete()
        else:
            changing = {"cost": rng.randrange(9), "status": rng.choice(["fulfilled", "canceled"])}
            Redemption.objects.bulk_create(
                [Redemption(id=key, **row, **changing)],
                update_conflicts=True,
                unique_fields=["id"],
                update_fields=["cost", "status"],
            )

    def use(self, rng: random.Random) -> None:
        """As a fold does: many rows in one statement, always in one order."""
        if rng.random() < 0.3:
            ViewerEmote.objects.filter(channel=self.channel, emote=rng.choice(self.emotes)).delete()
            return
        days = {"first_day": TODAY, "last_day": TODAY}
        chosen = sorted(rng.sample(self.people, 3), key=lambda viewer: viewer.pk)
        rows = [(viewer, emote) for viewer in chosen for emote in self.emotes]
        ViewerEmote.objects.bulk_create(
            [
                ViewerEmote(channel=self.channel, viewer=viewer, emote=emote, uses=rng.randrange(1, 9), **days)
                for viewer, emote in rows
            ],
            update_conflicts=True,
            unique_fields=["channel", "viewer", "emote"],
            update_fields=["uses"],
        )

    def give(self, rng: random.Random) -> None:
        """Somebody a subscription, or take it back."""
        giver, given = rng.sample(self.people, 2)
        key = f"g{rng.randrange(5)} of {giver.login}"
        ChatEvent.objects.filter(pk=key).delete()
        if rng.random() < 0.7:
            event = {"channel": self.channel, "viewer": giver, "kind": "subgift", "recipient_id": given.pk}
            ChatEvent.objects.create(id=key, occurred_at=timezone.now(), **event)

    def say(self, rng: random.Random) -> None:
        at = NOON + timedelta(seconds=rng.randrange(120))
        some = list(Message.objects.filter(sent_at__gte=at).order_by("pk").values_list("pk", flat=True)[:5])
        deed = rng.random()
        if deed < 0.4:
            Message.objects.filter(pk__in=some[:2]).delete()
        elif deed < 0.7:
            Message.objects.filter(pk__in=some).update(removed_at=at)
        elif some:
            Message.objects.filter(pk=some[0]).update(id=f"anon-{rng.random()}", text="")

    def choose(self, rng: random.Random) -> None:
        viewer = rng.choice(self.people)
        if rng.random() < 0.5:
            Viewer.objects.filter(pk=viewer.pk).update(hidden_at=rng.choice([None, timezone.now()]))
        else:
            Profile.objects.update_or_create(
                channel=self.channel, viewer=viewer, defaults={"visibility": rng.choice(["", "hidden", "removed"])}
            )

    def act_unseen(self, rng: random.Random) -> None:
        """What somebody does who is hidden, under keys of its own."""
        if not (unseen := list(self.unseen)):
            return
        viewer = rng.choice(unseen)
        key = f"unseen {rng.randrange(4)} of {viewer.login}"
        row = {"channel": self.channel, "viewer": viewer, "reward": self.reward, "redeemed_at": NOON}
        Redemption.objects.filter(pk=key).delete()
        Redemption.objects.create(id=key, **row, cost=rng.randrange(9), status="fulfilled")
        emote, days = rng.choice(self.emotes), {"first_day": TODAY, "last_day": TODAY}
        used = {"uses": rng.randrange(1, 9), **days}
        ViewerEmote.objects.update_or_create(channel=self.channel, viewer=viewer, emote=emote, defaults=used)
        giver = self.people[0]  # who stays
        ChatEvent.objects.filter(pk=key).delete()
        event = {"channel": self.channel, "kind": "subgift", "occurred_at": timezone.now()}
        ChatEvent.objects.create(id=key, viewer=viewer, recipient_id=giver.pk, **event)

    def leave(self) -> None:
        """As moderators and accounts ask for it, one after the other, beside all who write."""
        rng = random.Random(7)
        purged, hidden = self.leaving
        self.keep_away_from(purged, self.people, rng)
        self.purge(purged)
        self.people.append(purged)
        self.keep_away_from(purged, self.people, rng)
        self.erase(purged)
        self.keep_away_from(hidden, self.people, rng)
        choices.hide(hidden, self.channel)
        self.wait_for_others(rng.randrange(5))
        self.erase(hidden)
        for viewer in list(self.unseen):
            self.keep_away_from(viewer, self.unseen, rng)
            self.erase(viewer)

    def keep_away_from(self, viewer: Viewer, others: list[Viewer], rng: random.Random) -> None:
        """Let everybody do more for a while, and then nothing about this one any more."""
        self.wait_for_others(rng.randrange(8, 16))
        others.remove(viewer)
        deeds = (self.act_unseen, self.choose, self.give, self.redeem, self.use)
        with transaction.atomic(), connection.cursor() as cursor:
            for deed in deeds:
                cursor.execute("SELECT pg_advisory_xact_lock(hashtext(%s))", [deed.__name__])

    def erase(self, viewer: Viewer) -> None:
        assert erase(choices.ask_to_erase(viewer))
        self.note_commit()

    def purge(self, viewer: Viewer) -> None:
        """Out of the channel, by a rule that meets nobody else. They come back at once, and are shown."""
        long_ago = NOON - timedelta(days=700)
        ViewerTotal.objects.filter(viewer=viewer).update(first_seen_at=long_ago, last_seen_at=long_ago)
        made = purge.ask(self.channel, None, not_seen_since=(NOON - timedelta(days=500)).date())
        purge.carry_out(made.pk)
        purge.confirm(made, None, str(self.channel.login), timezone.now())
        assert purge.carry_out(made.pk) == "1 viewers purged"
        choices.show(viewer)
        choices.show(viewer, self.channel)
        now = timezone.now()
        ViewerTotal.objects.create(channel=self.channel, viewer=viewer, first_seen_at=now, last_seen_at=now)

    def wait_for_others(self, commits: int) -> None:
        """Stay open while others commit: their numbers are later than ours, and they are seen before."""
        with self.committed:
            wanted = self.commits + commits
            self.committed.wait_for(lambda: self.commits >= wanted, timeout=0.05)

    def note_commit(self) -> None:
        with self.committed:
            self.commits += 1
            self.committed.notify_all()


class RolledBack(Exception):
    pass


def writer(site: Site, deed: Callable[[random.Random], None], seed: int) -> None:
    rng = random.Random(seed)
    for _ in range(DEEDS):
        try:
            write(site, deed, rng)
        except RolledBack:
            continue
        site.note_commit()


def write(site: Site, deed: Callable[[random.Random], None], rng: random.Random) -> None:
    """One transaction: often a slow one, sometimes one that is taken back."""
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SELECT pg_current_xact_id()")
        if rng.random() < 0.5:
            site.wait_for_others(rng.randrange(1, 5))
        # Two who change the same rows wait in turn, as jobs do for the lock of a channel.
        cursor.execute("SELECT pg_advisory_xact_lock(hashtext(%s))", [deed.__name__])
        for _ in range(rng.randrange(1, 4)):
            deed(rng)
        if rng.random() < 0.2:
            raise RolledBack


def chatter(site: Site) -> None:
    """The ingest, which goes on beside."""
    store, rng = Store(), random.Random(99)
    store.load_all_sets()
    for _ in range(DEEDS):
        lines = [privmsg(f"word {rng.random()}", user=rng.choice(PEOPLE), at=rng.randrange(150)) for _ in range(4)]
        store.write(read(*lines))
        site.note_commit()


@contextmanager
def writing(*work: Callable[[], None]) -> Iterator[threading.Event]:
    """Everybody writes at once; the event is set when all are done."""
    problems: list[BaseException] = []
    done = threading.Event()

    def run(each: Callable[[], None]) -> None:
        try:
            each()
        except BaseException as problem:  # noqa: BLE001 (told below)
            problems.append(problem)
        finally:
            connection.close()

    threads = [threading.Thread(target=run, args=[each]) for each in work]
    for thread in threads:
        thread.start()
    waiting = threading.Thread(target=wait_for, args=[threads, done])
    waiting.start()
    yield done
    waiting.join()
    assert not problems


def wait_for(threads: list[threading.Thread], done: threading.Event) -> None:
    for thread in threads:
        thread.join()
    done.set()


class Copier:
    """Keeps a copy of one resource, as somebody would who only has the API."""

    def __init__(self, site: Site, resource: Synced, look: Callable[[], Copy], most: int) -> None:
        self.resource, self.most, self.look, self._site = resource, most, look, site
        self._cursor = sync.begin()  # before the listing
        self.copy = look()
        self.places: list[sync.Place] = [self._cursor.place]
        self.told = self.gone = 0
        self.named: set[str] = set()

    def take(self) -> bool:
        """One page; whether it was the last one for now."""
        channel, name = self._site.channel, self.resource.name
        with sync.at_one_moment():
            changes = changed_in(self.resource, channel, self._cursor, self.most)
            assert len(changes.keys) <= self.most
            rows = {self.resource.key_of(row): row for row in self.resource.find(channel, changes.keys)}
            absent = self.resource.absent(channel, [key for key in changes.keys if key not in rows], changes.written)
        self._apply(rows, absent)
        self._cursor = sync.Cursor.read(changes.next.written(channel.pk, name), channel.pk, name)
        self.places.append(self._cursor.place)
        return changes.is_all

    def _apply(self, rows: Copy, absent: Absent) -> None:
        of_gone = [key for key, row in self.copy.items() if row.get("viewer") in absent.gone]
        for key in [*of_gone, *absent.deleted]:
            self.copy.pop(key, None)
        for key, row in rows.items():
            self.copy[key] = {name: row[name] for name in KEPT[self.resource.name]}
        self.named |= {*rows, *absent.deleted, *absent.gone}
        self.told += len(rows) + len(absent.deleted)
        self.gone += len(absent.gone)


KEPT: dict[str, tuple[str, ...]] = {
    "redemptions": ("viewer", "status", "cost"),
    "usage": ("viewer", "uses"),
    "events": ("viewer", "recipient"),
    "messages": ("text", "removed_at"),
}


def test_a_copy_kept_by_what_changed_is_what_is_there_however_writers_overlap(redis_client):
    site = Site()
    unseen = tuple(viewer.pk for viewer in site.unseen)
    for viewer in site.leaving:
        redeem(site, f"first of {viewer.login}", viewer)
    away = Copier(site, Redemptions(), site.redemptions, most=3)  # and back when all is over
    assert len(away.copy) == len(LEAVING)
    copiers = [
        Copier(site, Redemptions(), site.redemptions, most=3),
        Copier(site, Usage(), site.usage, most=5),
        Copier(site, Events(), site.events, most=4),
        Copier(site, Messages(), site.messages, most=7),
    ]
    deeds = (site.redeem, site.redeem, site.use, site.use, site.give, site.give, site.say, site.choose, site.act_unseen)
    work = [lambda deed=deed, seed=seed: writer(site, deed, seed) for seed, deed in enumerate(deeds)]
    with writing(*work, lambda: chatter(site), site.leave) as are_done:
        while not are_done.is_set():
            for copier in copiers:
                copier.take()
    for copier in [*copiers, away]:
        while not copier.take():
            pass
        assert copier.copy == copier.look(), copier.resource.name
        assert copier.told + copier.gone > 0, copier.resource.name  # in the end, all may be hidden
        assert (copier.gone > 0) == copier.resource.is_of_viewers
        if copier.resource.is_of_viewers:
            assert not [key for key in copier.named if key.startswith(("unseen", *unseen))]
        assert [place[:3] for place in copier.places] == sorted(place[:3] for place in copier.places)


def test_a_transaction_that_ends_later_than_its_successors_is_told_when_it_ends():
    site = Site()
    cursor, of_viewer = sync.begin(), synced.of_viewer("redemptions", site.channel)
    is_written, may_end = threading.Event(), threading.Event()

    def slow() -> None:
        with transaction.atomic():
            redeem(site, "slow")
            is_written.set()
            may_end.wait(10)

    with writing(slow):
        assert is_written.wait(10)
        redeem(site, "quick")
        before = sync.changed(site.channel.pk, "redemptions", cursor, 10, of_viewer)
        may_end.set()
    after = sync.changed(site.channel.pk, "redemptions", before.next, 10, of_viewer)
    assert (before.keys, before.is_all) == ([], True)
    assert after.keys == ["slow", "quick"]


def redeem(site: Site, pk: str, viewer: Viewer | None = None) -> None:
    row = {
        "channel": site.channel,
        "viewer": viewer or site.people[0],
        "reward": site.reward,
        "redeemed_at": timezone.now(),
    }
    Redemption.objects.create(id=pk, cost=1, status="fulfilled", **row)


def test_a_minute_of_messages_comes_page_by_page_each_once():
    site = Site()
    cursor = sync.begin()
    store = Store()
    store.load_all_sets()
    store.write(read(*(privmsg(f"w{n}", id=f"id{n:02}", at=30 + n / 10) for n in range(20))))
    pages: list[sync.Changes] = []
    while not pages or not pages[-1].is_all:
        pages.append(synced.messages(site.channel.pk, pages[-1].next if pages else cursor, 6))
    assert [key for page in pages for key in page.keys] == [f"id{n:02}" for n in range(20)]
