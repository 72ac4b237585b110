import re
from datetime import timedelta

import pytest
from django.utils import timezone

from chat.models import EmoteDay, EmoteSetEntry, EmoteTotal, ViewerEmote
from chat.tests.crowd import make_emote
from streams.models import Channel, ChannelTotal, Gap
from streams.tests.cast import make_channel
from viewers.models import Profile, Viewer
from viewers.tests.cast import make_viewer

pytestmark = pytest.mark.django_db


@pytest.fixture
def now():
    return timezone.now()


@pytest.fixture
def channel():
    return make_channel()


@pytest.fixture
def kappa():
    return make_emote("Kappa")


@pytest.fixture
def use(channel, kappa, now):
    def make(uses, back=0, emote=kappa):
        day = now.date() - timedelta(days=back)
        EmoteDay.objects.create(channel=channel, emote=emote, day=day, uses=uses)

    return make


@pytest.fixture
def total(channel, kappa, now):
    def make(uses, emote=kappa):
        EmoteTotal.objects.create(channel=channel, emote=emote, uses=uses, first_day=now.date(), last_day=now.date())

    return make


@pytest.fixture
def fan(channel, kappa, now):
    def make(login, uses, **fields):
        viewer = make_viewer(channel, login, **fields)
        day = now.date()
        ViewerEmote.objects.create(channel=channel, viewer=viewer, emote=kappa, uses=uses, first_day=day, last_day=day)
        return viewer

    return make


def page(client, emote):
    return client.get(f"/c/lantern/emotes/{emote.pk}/")


def text(client, emote):
    return page(client, emote).content.decode()


def test_it_is_told_as_a_sentence(client, channel, kappa, use, total, now):
    use(1234, back=10)
    use(1)
    total(1235)
    total(5000, make_emote("Clap"))
    total(3, make_emote("Bop"))
    ChannelTotal.objects.create(channel=channel, emotes=12350)
    sentence = re.sub("<[^>]+>", "", text(client, kappa).split('class="sentence">')[1].split("</p>")[0])
    since = now.date() - timedelta(days=10)
    assert sentence == f"Used 1,235 times since {since:%-d %b %Y} · 2nd of 3 emotes · 10.0 % of all emotes here"


def test_its_uses_day_by_day_are_a_table(client, kappa, use):
    use(7, back=2)
    use(9)
    rows = re.findall(r'<time datetime="[-\d]+">.*?<data value="(\d+)">', text(client, kappa))
    assert rows == ["9", "0", "7"]


def test_days_that_were_not_received_are_no_zeros(client, channel, kappa, use, now):
    use(7, back=4)
    midnight = now.replace(hour=0, minute=0, second=0, microsecond=0)
    Gap.objects.create(
        channel=channel,
        started_at=midnight - timedelta(days=2),
        ended_at=midnight - timedelta(days=1),
        reason="cable eaten",
    )
    values = [step.value for step in page(client, kappa).context["series"].steps]
    assert values == [7, 0, None, 0, 0]
    assert "not received" in text(client, kappa)


def test_a_long_time_is_told_in_weeks(client, kappa, use):
    use(7, back=300)
    assert page(client, kappa).context["series"].unit == "week"


def test_first_last_and_busiest_day_are_told(client, kappa, use, now):
    use(7, back=4)
    use(70, back=3)
    use(1, back=1)
    context = page(client, kappa).context
    day = now.date()
    assert (context["first"], context["last"]) == (day - timedelta(days=4), day - timedelta(days=1))
    assert context["busiest"] == (day - timedelta(days=3), 70)


def test_its_present_name_is_the_one_of_the_channel(client, channel, kappa, use, now):
    use(1)
    for name, since, until in (("Old", None, now), ("New", now, None)):
        EmoteSetEntry.objects.create(channel=channel, emote=kappa, provider="7tv", name=name, since=since, until=until)
    EmoteSetEntry.objects.create(emote=kappa, provider="7tv", name="Everywhere")
    context = page(client, kappa).context
    assert (context["name"], context["was"]) == ("New", ["Old", "Everywhere"])
    assert [name.name for name in context["names"]] == ["New", "Old", "Everywhere"]


def test_names_in_other_channels_are_not_told(client, channel, kappa, use):
    use(1)
    EmoteSetEntry.objects.create(channel=make_channel("elsewhere"), emote=kappa, provider="7tv", name="Alias")
    assert "Alias" not in text(client, kappa)


def test_an_emote_of_the_set_that_nobody_used_has_a_page(client, channel, kappa):
    EmoteSetEntry.objects.create(channel=channel, emote=kappa, provider="7tv", name="Kappa")
    found = text(client, kappa)
    assert "Not used yet" in found
    assert "Nobody used it yet" in found


def test_an_emote_of_another_channel_has_none(client, channel, kappa):
    elsewhere = make_channel("elsewhere")
    EmoteSetEntry.objects.create(channel=elsewhere, emote=kappa, provider="7tv", name="Kappa")
    EmoteDay.objects.create(channel=elsewhere, emote=kappa, day=timezone.now().date(), uses=1)
    found = page(client, kappa)
    assert found.status_code == 404
    assert "No such emote was ever used in the chat of Lantern." in found.content.decode()


@pytest.mark.parametrize("number", ["0", "999999", "9" * 19, "9" * 300, "9" * 5000, "-1", "x", "1.5"])
def test_a_number_of_no_emote_is_not_found(client, channel, number):
    assert client.get(f"/c/lantern/emotes/{number}/").status_code == 404


# Who uses it most


def fans(client, emote):
    return [(row.viewer.login, row.uses) for row in page(client, emote).context["fans"]]


def test_who_uses_it_most_comes_first(client, kappa, use, fan):
    use(1)
    fan("ann", 5)
    fan("bob", 50)
    assert fans(client, kappa) == [("bob", 50), ("ann", 5)]


def test_bots_and_hidden_viewers_are_not_listed(client, channel, kappa, use, fan, now):
    use(1)
    fan("nightbot", 90, is_bot=True)
    Viewer.objects.filter(pk=fan("hidden_everywhere", 80).pk).update(hidden_at=now)
    for login, visibility in (("hidden_here", "hidden"), ("removed", "removed")):
        Profile.objects.create(channel=channel, viewer=fan(login, 70), visibility=visibility)
    fan("ann", 5)
    assert fans(client, kappa) == [("ann", 5)]
    assert "hidden_" not in text(client, kappa)


def test_where_pages_are_opt_in_those_are_listed_who_asked(client, channel, kappa, use, fan):
    Channel.objects.update(page_policy=Channel.PagePolicy.OPT_IN)
    use(1)
    fan("ann", 50)
    assert fans(client, kappa) == []
    assert "only viewers who asked" in text(client, kappa)
    Profile.objects.create(channel=channel, viewer=fan("bob", 5), visibility=Profile.Visibility.SHOWN)
    assert fans(client, kappa) == [("bob", 5)]


# What nobody should be able to break


@pytest.mark.parametrize(
    "name", ["<script>alert(1)</script>", '"><img src=x onerror=alert(1)>', "\u202egnp.exe", "夜" * 128]
)
def test_a_hostile_name_is_escaped(client, channel, use, fan, name):
    emote = make_emote(name, image_url="")
    EmoteSetEntry.objects.create(channel=channel, emote=emote, provider="7tv", name=name[::-1])
    EmoteSetEntry.objects.create(channel=channel, emote=emote, provider="7tv", name=name, until=timezone.now())
    use(1, emote=emote)
    found = text(client, emote)
    assert "<script>alert" not in found
    assert "<img src=x" not in found


def test_a_picture_needs_no_code_in_the_page(client, kappa, use):
    use(1)
    found = text(client, kappa)
    assert not re.search(r"<script(?![^>]* src=)|<style|\sstyle=|\son[a-z]+=", found)


def test_it_costs_seven_queries(client, channel, kappa, use, fan, total, django_assert_num_queries):
    for number in range(5):
        use(number + 1, back=number)
        fan(f"viewer{number}", 5)
        EmoteSetEntry.objects.create(channel=channel, emote=kappa, provider="7tv", name=f"Name{number}")
    total(9)
    with django_assert_num_queries(7):
        page(client, kappa)
