"""Pictures for links."""

from datetime import date, timedelta
from io import BytesIO

import pytest
from django.utils import timezone
from PIL import Image

from chat import pictures
from chat.pictures import MARGIN, WIDTH, Card, Figure
from chat.tests.portraits import at, make_stream, make_visit
from streams.models import ChannelTotal
from streams.pages import forget
from streams.tests.cast import make_channel
from viewers.models import ViewerTotal
from viewers.tests.cast import make_viewer

TODAY = date(2026, 6, 1)
CARD = Card("ann", "in the chat of Lantern", [Figure("212 h", "watched"), Figure("18,204", "messages")], {}, TODAY)


def opened(png: bytes) -> Image.Image:
    return Image.open(BytesIO(png))


def inked(card, left, top, right, bottom):
    """Whether anything is drawn in a part of the picture."""
    part = opened(pictures.draw(card)).convert("L").crop((left, top, right, bottom))
    return len(set(part.tobytes())) > 1


def test_a_picture_is_as_link_previews_want_it():
    image = opened(pictures.draw(CARD))
    assert (image.format, image.size) == ("PNG", (1200, 630))


def test_a_picture_is_the_same_for_the_same_numbers_only():
    other = CARD._replace(figures=[Figure("213 h", "watched"), Figure("18,204", "messages")])
    assert pictures.draw(CARD) == pictures.draw(CARD) != pictures.draw(other)


def test_days_colour_the_calendar():
    values = {TODAY - timedelta(days=day): day for day in range(300)}
    assert pictures.draw(CARD._replace(values=values)) != pictures.draw(CARD)


WIDE = [
    "W" * 64,
    "\ufdfd" * 64,
    "_" * 64,
    "W" * 5000,
    "i",
    "",
    "Ж" * 64,
    "Ω" * 64,
    "a\u0301" * 40,
    "\u202egnp",
    "夜空" * 30,
]


@pytest.mark.parametrize("name", WIDE)
def test_no_name_spills_over_the_margins(name):
    card = CARD._replace(
        headline=name, under=name, corner=name, figures=[Figure("1", "a"), Figure(name, name), Figure(name, name)]
    )
    assert not inked(card, WIDTH - MARGIN + 2, 0, WIDTH, 630)
    assert not inked(card, 0, 0, MARGIN - 4, 630)
    assert not inked(card, 0, 0, WIDTH, 40)


@pytest.mark.parametrize("name", ["ann", "Günther", "Жанна", "Ωμέγα", "Đặng", "x_X_1"])
def test_what_the_font_has_is_written(name):
    assert pictures.can_write(name)


@pytest.mark.parametrize("name", ["夜空", "שלום", "😀", "a\u0301", "\u202eann", "a\x00", "", "  "])
def test_what_the_font_lacks_is_not(name):
    assert not pictures.can_write(name)


def test_a_name_that_cannot_be_written_gives_way_to_the_login():
    assert pictures.writable("夜空", "night_sky") == "night_sky"


def test_letters_that_can_be_written_are_better_than_none():
    assert pictures.writable("夜空", "空x") == "x"
    assert pictures.writable("夜空", "空") == "somebody"


# Of pages


@pytest.fixture
def channel():
    return make_channel()


@pytest.fixture
def cards(monkeypatch):
    """What is drawn."""
    drawn: list[Card] = []
    real = pictures.draw

    def draw(card: Card) -> bytes:
        drawn.append(card)
        return real(card)

    monkeypatch.setattr(pictures, "draw", draw)
    return drawn


def make_ann(channel, **fields):
    ann = make_viewer(channel, "ann", 40, **fields)
    make_visit(make_stream(channel, at("2025-03-03", 20)), ann, 2, messages=40)
    ViewerTotal.objects.update(watch_seconds=7200)
    return ann


@pytest.mark.django_db
def test_the_picture_of_a_viewer_says_what_the_page_says(client, channel, cards):
    make_ann(channel)
    page = client.get("/c/lantern/viewers/ann/picture.png")
    assert (page.status_code, page["Content-Type"]) == (200, "image/png")
    assert (cards[0].headline, cards[0].under) == ("ann", "in the chat of Lantern since 1 Jan 2026")
    assert cards[0].figures == [("2 h", "watched"), ("40", "messages"), ("1 of 1", "streams")]


@pytest.mark.django_db
def test_the_picture_of_a_recap_says_the_year(client, channel, cards):
    make_ann(channel)
    client.get("/c/lantern/viewers/ann/recap/2025/picture.png")
    assert (cards[0].under, cards[0].corner) == ("The year 2025 in the chat of Lantern", "2025")
    assert cards[0].values == {date(2025, 3, 3): 120}


@pytest.mark.django_db
def test_the_picture_of_a_channel_says_its_totals(client, channel, cards):
    ChannelTotal.objects.create(channel=channel, messages=5000, chatters=1, emotes=7)
    client.get("/c/lantern/picture.png")
    assert cards[0].figures == [("5,000", "messages"), ("1", "chatter"), ("7", "emotes")]


@pytest.mark.django_db
def test_the_picture_of_a_channels_year_is_drawn(client, channel, cards):
    make_ann(channel)
    assert client.get("/c/lantern/recap/2025/picture.png").status_code == 200
    assert cards[0].figures[:2] == [("4 h", "on air"), ("1", "stream")]


@pytest.mark.django_db
def test_nothing_that_is_asked_makes_a_picture_another(client, channel):
    make_ann(channel)
    plain = client.get("/c/lantern/viewers/ann/picture.png").content
    assert client.get("/c/lantern/viewers/ann/picture.png?width=99999&range=2025&text=x").content == plain


@pytest.mark.django_db
def test_pages_name_their_picture_with_its_whole_address(client, channel):
    make_ann(channel)
    page = client.get("/c/lantern/viewers/ann/", {"range": "2025"}).content.decode()
    assert '<meta property="og:image" content="http://testserver/c/lantern/viewers/ann/picture.png">' in page
    assert '<link rel="canonical" href="http://testserver/c/lantern/viewers/ann/?range=2025">' in page


@pytest.mark.django_db
@pytest.mark.parametrize("login", ["<script>", "with/slash", "夜空", "per%cent", "a?b#c", ".."])
def test_whoever_has_a_page_has_a_picture(client, channel, login):
    make_viewer(channel, login, display_name="夜空")
    page = client.get("/c/lantern/viewers/").content.decode()
    address = page.split('class="person" href="')[1].split('"')[0]
    picture = (
        client.get(address.replace("&amp;", "&")).content.decode().split('og:image" content="http://testserver')[1]
    )
    assert client.get(picture.split('"')[0].replace("&amp;", "&")).status_code == 200


@pytest.mark.django_db
def test_a_picture_of_nobody_is_not_found(client, channel):
    assert client.get("/c/lantern/viewers/nobody/picture.png").status_code == 404
    assert client.get("/c/nowhere/picture.png").status_code == 404


@pytest.mark.django_db
def test_a_picture_follows_a_choice_although_pages_are_kept_ready(client, channel, settings, redis_client):
    settings.PAGE_CACHE_SECONDS = 60
    ann = make_ann(channel)
    address = "/c/lantern/viewers/ann/picture.png"
    assert client.get(address).status_code == 200
    ann.hidden_at = timezone.now()
    ann.save()
    forget(["lantern"])
    assert client.get(address).status_code == 404
