"""Who reads, writes, restores and locks the text on a viewer's page, and who does not."""

from datetime import timedelta

import pytest
from django.contrib.auth.models import Permission, User
from django.test import Client
from django.utils import timezone
from redis.exceptions import ConnectionError as RedisAway
from social_django.models import UserSocialAuth

from streams.models import Channel
from streams.reach import PROVIDER
from streams.tests.cast import make_channel
from viewers import choices, wiki
from viewers.models import Profile, Viewer, WikiRevision
from viewers.tests.cast import make_viewer

pytestmark = pytest.mark.django_db

PAGE = "/c/lantern/viewers/ann/"
WIKI = f"{PAGE}wiki/"
EDIT = f"{WIKI}edit/"
LOCK = f"{WIKI}lock/"
REMOVE = f"{WIKI}remove/"
RESTORE = f"{WIKI}1/restore/"
WITHDRAW = f"{WIKI}2/withdraw/"
ENTRY = "/login/twitch/?next="


@pytest.fixture
def channel():
    return make_channel()


@pytest.fixture
def ann(channel):
    return make_viewer(channel, "ann")


def as_user(user):
    client = Client()
    client.force_login(user, "django.contrib.auth.backends.ModelBackend")
    return client


def user_of(twitch_id):
    user = User.objects.create_user(f"user-{twitch_id}")
    UserSocialAuth.objects.create(user=user, provider=PROVIDER, uid=twitch_id)
    return user


@pytest.fixture
def own(ann):
    """The browser of the viewer themself."""
    return as_user(user_of(ann.pk))


@pytest.fixture
def other(channel, ann):
    return as_user(user_of(make_viewer(channel, "bob").pk))


@pytest.fixture
def owner(channel, ann):
    return as_user(user_of(make_viewer(channel, "lantern", twitch_id=channel.twitch_id).pk))


@pytest.fixture
def stranger(ann):
    return Client()


@pytest.fixture
def moderator(ann):
    user = User.objects.create_user("mo", is_staff=True)
    user.user_permissions.add(Permission.objects.get(codename="change_profile"))
    return as_user(user)


def write(browser, text, based_on=0, **more):
    return browser.post(EDIT, {"text": text, "based_on": based_on, **more})


def written(channel, viewer, *texts, role="viewer"):
    """Versions of a text, one after the other."""
    author = User.objects.create_user(f"author-{User.objects.count()}", is_superuser=role == "moderator")
    for number, text in enumerate(texts):
        wiki.save(channel, viewer, text, author, role, based_on=number)
    return author


def texts():
    return list(WikiRevision.objects.order_by("number").values_list("text", flat=True))


# Writing


def test_a_viewer_writes_about_themself(own, ann):
    answer = write(own, "I *paint*.", note="First words")
    revision = WikiRevision.objects.get()
    assert answer["Location"] == PAGE
    assert (revision.number, revision.text, revision.role, revision.note) == (1, "I *paint*.", "viewer", "First words")
    assert Profile.objects.get(viewer=ann).current == revision


def test_a_moderator_writes_as_one(moderator):
    write(moderator, "She paints.")
    assert WikiRevision.objects.filter(role="moderator", author__username="mo").exists()


def test_the_owner_of_the_channel_is_a_moderator(owner):
    write(owner, "She paints.")
    assert WikiRevision.objects.get().role == "moderator"


def test_each_text_is_a_version_of_its_own(own):
    for number, text in enumerate(["one", "two", ""]):
        write(own, text, based_on=number)
    assert texts() == ["one", "two", ""]


def test_the_same_text_is_no_new_version(own):
    write(own, "one")
    page = own.post(EDIT, {"text": "one \r\n", "based_on": 1}, follow=True)
    assert texts() == ["one"]
    assert "the text is the same as before" in page.content.decode()


def test_the_form_has_the_text_that_is_shown(own, channel, ann):
    written(channel, ann, "one", "two </textarea>")
    page = own.get(EDIT).content.decode()
    assert "two &lt;/textarea&gt;</textarea>" in page
    assert 'name="based_on" value="2"' in page


def test_a_preview_shows_the_text_and_saves_nothing(own):
    page = write(own, "I *paint*.", preview="1").content.decode()
    assert "<p>I <em>paint</em>.</p>" in page
    assert "I *paint*.</textarea>" in page
    assert texts() == []


def test_who_stopped_being_counted_may_still_write(own, ann):
    Viewer.objects.filter(pk=ann.pk).update(stopped_at=timezone.now())
    write(own, "Bye.")
    assert texts() == ["Bye."]


def test_who_hid_their_page_may_still_write(own, ann):
    Viewer.objects.filter(pk=ann.pk).update(hidden_at=timezone.now())
    write(own, "Only for me.")
    assert texts() == ["Only for me."]


def test_a_text_at_its_longest_is_kept_whatever_ends_its_lines(own):
    text = "a\r\n" * (wiki.LONGEST // 2)
    write(own, text)
    assert len(texts()[0]) == wiki.LONGEST - 1


def test_a_text_that_is_too_long_is_given_back(own):
    answer = write(own, "a" * (wiki.LONGEST + 1))
    assert answer.status_code == 400
    assert "at most 10000 characters" in answer.content.decode()
    assert "a" * (wiki.LONGEST + 1) in answer.content.decode()
    assert texts() == []


def test_nothing_that_cannot_be_seen_is_kept(own):
    write(own, "a\x00b\u202ec\u200b", note="n\x00\u202e\n")
    revision = WikiRevision.objects.get()
    assert (revision.text, revision.note) == ("abc", "n")


@pytest.mark.parametrize("based_on", ["", "x", "-1", "9" * 30, "1.5", None])
def test_a_form_that_was_tampered_with_is_refused(own, based_on):
    given = {} if based_on is None else {"based_on": based_on}
    answer = own.post(EDIT, {"text": "a", **given})
    assert answer.status_code == 400
    assert texts() == []


# Two who write at once


def test_a_version_that_came_in_between_is_shown_and_nothing_is_lost(own, channel, ann):
    written(channel, ann, "I like cats.", "I like cats, said a moderator.", role="moderator")
    answer = write(own, "I like dogs.", based_on=1)
    page = answer.content.decode()
    assert answer.status_code == 409
    assert "Version 2 was saved" in page
    assert "<ins>dogs</ins>" in page
    assert "I like dogs.</textarea>" in page
    assert texts() == ["I like cats.", "I like cats, said a moderator."]


def test_saved_again_it_becomes_the_newest(own, channel, ann):
    written(channel, ann, "one", "two")
    page = write(own, "three", based_on=1).content.decode()
    assert 'name="based_on" value="2"' in page
    write(own, "three", based_on=2)
    assert texts() == ["one", "two", "three"]


def test_a_first_version_that_came_in_between_is_seen_too(own, channel, ann):
    written(channel, ann, "one", role="moderator")
    assert write(own, "mine", based_on=0).status_code == 409


# Restoring


def test_a_version_comes_back_as_a_new_one(own, channel, ann):
    written(channel, ann, "one", "two")
    answer = own.post(RESTORE)
    newest = WikiRevision.objects.get(number=3)
    assert answer["Location"] == WIKI
    assert (newest.text, newest.restored, newest.role) == ("one", 1, "viewer")
    assert Profile.objects.get(viewer=ann).current == newest


def test_the_newest_cannot_come_back(own, channel, ann):
    written(channel, ann, "one")
    assert "says already" in own.post(RESTORE, follow=True).content.decode()
    assert texts() == ["one"]


@pytest.mark.parametrize("number", ["7", "0", "9" * 12, "9" * 40])
def test_a_version_that_is_not_there_is_not_found(own, channel, ann, number):
    written(channel, ann, "one")
    assert own.post(f"{WIKI}{number}/restore/").status_code == 404
    assert own.get(f"{WIKI}{number}/").status_code == 404


def test_a_version_of_another_page_is_not_restored(own, channel, ann):
    written(channel, make_viewer(channel, "bob"), "bob's")
    assert own.post(RESTORE).status_code == 404


# Withdrawing


@pytest.mark.parametrize("who", ["own", "moderator", "owner"])
def test_the_words_of_a_withdrawn_version_are_nowhere_any_more(request, who, stranger, channel, ann):
    written(channel, ann, "one", "slander", "three")
    WikiRevision.objects.filter(number=2).update(note="slander it is")
    browser = request.getfixturevalue(who)
    answer = browser.post(WITHDRAW, follow=True)
    assert "Version 2 is withdrawn. The words are gone." in answer.content.decode()
    pages = [PAGE, WIKI, EDIT, *(f"{WIKI}{number}/" for number in (1, 2, 3))]
    found = [reader.get(page).content for reader in (browser, stranger) for page in pages]
    assert not [page for page in found if b"slander" in page]
    assert list(WikiRevision.objects.order_by("number").values_list("text", "note")) == [
        ("one", ""), ("", ""), ("three", "")
    ]  # fmt: skip


def test_a_withdrawn_version_says_whose_it_was_and_who_withdrew_it(moderator, channel, ann):
    author = written(channel, ann, "one", "slander")
    made_at = WikiRevision.objects.get(number=2).made_at
    moderator.post(WITHDRAW)
    kept = WikiRevision.objects.get(number=2)
    assert (kept.author, kept.role, kept.made_at) == (author, "viewer", made_at)
    assert (kept.withdrawn_by, kept.withdrawn_as) == (User.objects.get(username="mo"), "moderator")
    assert kept.withdrawn_at is not None
    assert "a moderator (<bdi>mo</bdi>)" in moderator.get(f"{WIKI}2/").content.decode()


def test_strangers_are_not_told_which_moderator_withdrew_it(moderator, stranger, channel, ann):
    written(channel, ann, "one", "slander")
    moderator.post(WITHDRAW)
    for page in (WIKI, f"{WIKI}2/"):
        told = stranger.get(page).content.decode()
        assert "by a moderator" in told
        assert "<bdi>mo</bdi>" not in told


def test_it_is_asked_first(own, channel, ann):
    written(channel, ann, "one", "slander")
    page = own.get(WITHDRAW).content.decode()
    assert "Withdraw version 2?" in page
    assert "slander" in page
    assert texts() == ["one", "slander"]
    assert WITHDRAW in own.get(f"{WIKI}2/").content.decode()


def test_other_versions_that_say_the_same_go_with_it(own, channel, ann):
    written(channel, ann, "one", "slander", "three", "slander")
    assert "version 4, so it goes with it" in own.get(WITHDRAW).content.decode()
    assert "Versions 2, 4 are withdrawn" in own.post(WITHDRAW, follow=True).content.decode()
    assert texts() == ["one", "", "three", ""]
    assert Profile.objects.values_list("current__number", flat=True).get(viewer=ann) == 3


def test_a_version_that_was_emptied_takes_no_other_with_it(own, channel, ann):
    written(channel, ann, "one", "", "three", "")
    own.post(WITHDRAW)
    assert WikiRevision.objects.exclude(withdrawn_at=None).count() == 1


def test_after_the_newest_the_last_one_that_stands_is_shown(own, stranger, channel, ann):
    written(channel, ann, "one", "two", "three")
    own.post(WITHDRAW)
    assert Profile.objects.values_list("current__number", flat=True).get(viewer=ann) == 3
    own.post(f"{WIKI}3/withdraw/")
    assert "<p>one</p>" in stranger.get(PAGE).content.decode()
    own.post(f"{WIKI}1/withdraw/")
    assert Profile.objects.get(viewer=ann).current is None
    assert "<p>one</p>" not in stranger.get(PAGE).content.decode()


def test_a_version_is_compared_with_the_last_one_that_stands(stranger, own, channel, ann):
    written(channel, ann, "one", "slander", "one and more")
    own.post(WITHDRAW)
    page = stranger.get(f"{WIKI}3/").content.decode()
    assert "What changed since version 1" in page
    assert "<ins> and more</ins>" in page


def test_a_withdrawn_version_cannot_be_brought_back(own, moderator, channel, ann):
    written(channel, ann, "one", "two")
    own.post(f"{WIKI}1/withdraw/")
    for browser in (own, moderator):
        answer = browser.post(RESTORE)
        assert answer.status_code == 409
        assert "its words are gone" in answer.content.decode()
        assert RESTORE not in browser.get(f"{WIKI}1/").content.decode()
    assert texts() == ["", "two"]


def test_what_is_withdrawn_cannot_be_withdrawn_again(own, moderator, channel, ann):
    written(channel, ann, "one", "two")
    own.post(WITHDRAW)
    assert [moderator.get(WITHDRAW).status_code, moderator.post(WITHDRAW).status_code] == [409, 409]
    assert WikiRevision.objects.get(number=2).withdrawn_as == "viewer"


def test_looking_at_what_is_withdrawn_withdraws_nothing(own, channel, ann, monkeypatch):
    written(channel, ann, "one", "two")
    own.post(WITHDRAW)
    monkeypatch.setattr(wiki, "withdraw", lambda *_: pytest.fail("a look withdraws"))
    answer = own.get(WITHDRAW)
    assert answer.status_code == 409
    assert "its words are gone" in answer.content.decode()


def test_the_next_version_has_the_next_number(own, channel, ann):
    written(channel, ann, "one", "two")
    own.post(WITHDRAW)
    write(own, "three", based_on=1)
    assert texts() == ["one", "", "three"]


def test_who_was_editing_what_was_withdrawn_is_told(own, channel, ann):
    written(channel, ann, "one", "two")
    own.post(WITHDRAW)
    assert write(own, "two and more", based_on=2).status_code == 409


def test_what_is_locked_is_withdrawn_by_moderators_only(own, moderator, channel, ann):
    written(channel, ann, "one", "two")
    moderator.post(LOCK, {"locked": "1"})
    assert own.post(WITHDRAW).status_code == 403
    assert texts() == ["one", "two"]
    assert moderator.post(WITHDRAW).status_code == 302


def test_a_text_that_is_locked_while_it_is_withdrawn_stays(own, moderator, channel, ann, monkeypatch):
    written(channel, ann, "one", "two")
    whole = wiki.withdraw

    def meanwhile(*args):
        wiki.lock(channel, ann, User.objects.get(username="mo"))
        return whole(*args)

    monkeypatch.setattr(wiki, "withdraw", meanwhile)
    assert own.post(WITHDRAW).status_code == 403
    assert texts() == ["one", "two"]


def test_nobody_else_withdraws_anything(stranger, other, own, channel, ann):
    written(channel, ann, "one", "two")
    assert stranger.post(WITHDRAW)["Location"] == f"{ENTRY}{WITHDRAW}"
    assert [other.get(WITHDRAW).status_code, other.post(WITHDRAW).status_code] == [403, 403]
    assert "withdraw" not in stranger.get(f"{WIKI}2/").content.decode().lower()
    assert own.post(f"{WIKI}7/withdraw/").status_code == 404
    assert texts() == ["one", "two"]


def test_nothing_is_withdrawn_from_the_page_of_another_channel(own, channel, ann):
    elsewhere = make_channel("elsewhere")
    make_viewer(elsewhere, "bea")
    written(elsewhere, Viewer.objects.get(login="bea"), "one", "two")
    assert own.post(WITHDRAW).status_code == 404
    assert own.post("/c/elsewhere/viewers/bea/wiki/2/withdraw/").status_code == 403


# Locking


def test_a_locked_text_is_written_by_moderators_only(own, moderator):
    moderator.post(LOCK, {"locked": "1"})
    answer = write(own, "mine")
    assert answer.status_code == 403
    assert "A moderator has locked this text" in answer.content.decode()
    assert own.get(EDIT).status_code == 403
    write(moderator, "ours")
    assert texts() == ["ours"]


def test_a_locked_text_is_restored_by_moderators_only(own, moderator, channel, ann):
    written(channel, ann, "one", "two")
    moderator.post(LOCK, {"locked": "1"})
    assert own.post(RESTORE).status_code == 403
    assert moderator.post(RESTORE).status_code == 302
    assert texts() == ["one", "two", "one"]


def test_a_text_that_is_locked_while_it_is_saved_is_not_saved(own, moderator, channel, ann, monkeypatch):
    save = wiki.save

    def meanwhile(*args, **more):
        wiki.lock(channel, ann, User.objects.get(username="mo"))
        return save(*args, **more)

    monkeypatch.setattr(wiki, "save", meanwhile)
    answer = write(own, "mine")
    assert answer.status_code == 403
    assert "mine</textarea>" in answer.content.decode()
    assert texts() == []


def test_it_is_written_down_who_locked_it(moderator, ann):
    moderator.post(LOCK, {"locked": "1"})
    assert Profile.objects.filter(viewer=ann, locked_by__username="mo", locked_at__isnull=False).exists()


def test_an_unlocked_text_is_the_viewers_again(own, moderator):
    moderator.post(LOCK, {"locked": "1"})
    moderator.post(LOCK, {"locked": "0"})
    write(own, "mine")
    assert texts() == ["mine"]


def test_an_owner_whose_own_text_is_locked_writes_it_as_a_moderator(owner, channel):
    page = "/c/lantern/viewers/lantern/wiki/"
    owner.post(f"{page}lock/", {"locked": "1"})
    owner.post(f"{page}edit/", {"text": "ours", "based_on": 0})
    assert WikiRevision.objects.get().role == "moderator"


# Hiding the page


@pytest.mark.django_db(transaction=True)
def test_a_moderator_hides_a_page_and_shows_it_again(moderator, stranger):
    moderator.post(REMOVE, {"removed": "1"})
    assert stranger.get(WIKI).status_code == 404
    moderator.post(REMOVE, {"removed": "0"})
    assert stranger.get(WIKI).status_code == 200


# Whose page it is not

POSTS = [
    (EDIT, {"text": "hacked", "based_on": 1}),
    (EDIT, {"text": "hacked", "based_on": 1, "preview": "1"}),
    (f"{WIKI}1/restore/", {}),
    (LOCK, {"locked": "1"}),
    (LOCK, {"locked": "0"}),
    (REMOVE, {"removed": "1"}),
    (REMOVE, {"removed": "0"}),
]


@pytest.mark.parametrize(("address", "given"), POSTS)
def test_who_is_not_logged_in_is_led_to_the_login(stranger, channel, ann, address, given):
    written(channel, ann, "one", "two")
    answer = stranger.post(address, given)
    back = EDIT if address == EDIT else WIKI
    assert (answer.status_code, answer["Location"]) == (302, f"{ENTRY}{back}")
    assert texts() == ["one", "two"]


def test_a_stranger_who_wants_to_edit_is_led_to_the_login(stranger):
    assert stranger.get(EDIT)["Location"] == f"{ENTRY}{EDIT}"


@pytest.mark.parametrize(("address", "given"), POSTS)
def test_another_viewer_is_refused_with_words(other, channel, ann, address, given):
    written(channel, ann, "one", "two")
    answer = other.post(address, given)
    assert answer.status_code == 403
    assert "the moderators of Lantern" in " ".join(answer.content.decode().split())
    assert texts() == ["one", "two"]
    assert not Profile.objects.exclude(locked_at=None, visibility="").exists()


@pytest.mark.parametrize(("address", "given"), POSTS[3:])
def test_a_viewer_locks_and_hides_nothing_by_the_way_of_moderators(own, address, given):
    assert own.post(address, given).status_code == 403
    assert not Profile.objects.exclude(locked_at=None, visibility="").exists()


@pytest.mark.parametrize(("address", "given"), POSTS)
def test_the_owner_of_another_channel_is_nobody_here(ann, channel, address, given):
    written(channel, ann, "one", "two")
    elsewhere = make_channel("elsewhere")
    owner = make_viewer(elsewhere, "elsewhere", twitch_id=elsewhere.twitch_id)
    answer = as_user(user_of(owner.pk)).post(address, given)
    assert answer.status_code == 403
    assert texts() == ["one", "two"]


def test_staff_without_the_permission_is_nobody(ann):
    staff = as_user(User.objects.create_user("staff", is_staff=True))
    assert write(staff, "hacked").status_code == 403
    assert texts() == []


def test_the_same_viewer_writes_in_each_channel_apart(own, channel, ann):
    elsewhere = make_channel("elsewhere")
    make_viewer(elsewhere, "bea")
    assert own.post("/c/elsewhere/viewers/bea/wiki/edit/", {"text": "hacked", "based_on": 0}).status_code == 403
    assert own.post("/c/elsewhere/viewers/ann/wiki/edit/", {"text": "a", "based_on": 0}).status_code == 404


@pytest.mark.parametrize("address", [RESTORE, LOCK, REMOVE])
@pytest.mark.parametrize("method", ["get", "head", "put", "delete"])
def test_only_a_post_changes_anything(moderator, channel, ann, address, method):
    written(channel, ann, "one", "two")
    assert getattr(moderator, method)(address).status_code == 405


@pytest.mark.parametrize("address", [WIKI, f"{WIKI}1/"])
def test_reading_is_no_writing(moderator, address):
    assert moderator.post(address).status_code == 405


def test_a_form_of_another_site_is_refused(own, moderator, channel, ann):
    written(channel, ann, "one", "two")
    for browser in (own, moderator):
        careful = Client(enforce_csrf_checks=True)
        careful.cookies = browser.cookies
        assert {careful.post(address, given).status_code for address, given in POSTS} == {403}
    assert texts() == ["one", "two"]


def test_a_form_of_ours_is_accepted(own, ann):
    careful = Client(enforce_csrf_checks=True)
    careful.cookies = own.cookies
    secret = careful.get(EDIT).content.decode().split('csrfmiddlewaretoken" value="')[1].split('"')[0]
    careful.post(EDIT, {"text": "mine", "based_on": 0, "csrfmiddlewaretoken": secret})
    assert texts() == ["mine"]


# Too much, too late


def test_nobody_saves_without_end(own, channel, ann):
    author = User.objects.get(username=f"user-{ann.pk}")
    for number in range(wiki.EDITS_AN_HOUR):
        wiki.save(channel, ann, f"text {number}", author, "viewer", based_on=number)
    answer = write(own, "one more", based_on=wiki.EDITS_AN_HOUR)
    assert answer.status_code == 429
    assert "one more</textarea>" in answer.content.decode()
    assert own.post(RESTORE).status_code == 429
    WikiRevision.objects.update(made_at=timezone.now() - timedelta(hours=1))
    assert write(own, "one more", based_on=wiki.EDITS_AN_HOUR).status_code == 302


@pytest.mark.django_db(transaction=True)
def test_nothing_is_written_of_who_is_being_erased(own, moderator, channel, ann):
    written(channel, ann, "one", "two")
    choices.ask_to_erase(ann)
    assert write(own, "mine", based_on=2).status_code == 409
    assert write(moderator, "ours", based_on=2).status_code == 409
    assert moderator.post(RESTORE).status_code == 409
    assert moderator.post(LOCK, {"locked": "1"}).status_code == 409
    assert texts() == ["one", "two"]


# Reading


def test_everybody_reads_every_version(stranger, channel, ann):
    written(channel, ann, "one", "two *now*")
    assert [row.number for row in stranger.get(WIKI).context["revisions"]] == [2, 1]
    page = stranger.get(f"{WIKI}2/").content.decode()
    assert "<p>two <em>now</em></p>" in page
    assert "<del>one</del>" in page


def test_differences_are_escaped(stranger, channel, ann):
    written(channel, ann, "a <script>alert(1)</script>", "b <script>alert(2)</script>")
    page = stranger.get(f"{WIKI}2/").content.decode()
    assert "<script>alert" not in page
    assert "&lt;script&gt;" in page.replace("<ins>", "").replace("</ins>", "")


def test_a_note_is_escaped(stranger, own):
    write(own, "a", note="<script>alert(1)</script>")
    assert "&lt;script&gt;alert(1)" in stranger.get(WIKI).content.decode()


def test_strangers_are_not_told_which_moderator_wrote(stranger, moderator):
    write(moderator, "ours")
    assert "by a moderator</span>" in stranger.get(WIKI).content.decode()
    assert "by a moderator (<bdi>mo</bdi>)</span>" in moderator.get(WIKI).content.decode()


def test_a_moderator_with_a_twitch_account_is_named_by_it(owner):
    write(owner, "ours")
    assert "by a moderator (<bdi>lantern</bdi>)" in owner.get(f"{WIKI}1/").content.decode()


def test_older_versions_are_on_the_next_page(stranger, channel, ann, monkeypatch):
    monkeypatch.setattr("chat.views.wiki.VERSIONS", 2)
    written(channel, ann, "1", "2", "3")
    assert 'href="?before=2"' in stranger.get(WIKI).content.decode()
    assert [row.number for row in stranger.get(WIKI, {"before": "2"}).context["revisions"]] == [1]
    assert "before" not in stranger.get(WIKI, {"before": "2"}).content.decode().split("versions")[-1]


@pytest.mark.parametrize("before", ["x", "-1", "²", "9" * 10, "\x00", "1.5", "1 OR 1=1"])
def test_a_broken_place_in_the_history_is_not_found(stranger, before):
    assert stranger.get(WIKI, {"before": before}).status_code == 404


def test_an_empty_history_has_words(stranger, own):
    assert "Nothing was written yet" in stranger.get(WIKI).content.decode()
    assert "the first words are yours" in own.get(WIKI).content.decode()


def test_a_version_that_emptied_the_text_says_so(stranger, channel, ann):
    written(channel, ann, "one", "")
    assert "There was no text." in stranger.get(f"{WIKI}2/").content.decode()
    assert "emptied" in stranger.get(WIKI).content.decode()


def test_a_former_name_leads_to_the_present_one(channel):
    make_viewer(channel, "bea", formerly="candle")
    answer = Client().get("/c/lantern/viewers/candle/wiki/edit/")
    assert answer["Location"] == "/c/lantern/viewers/bea/wiki/edit/"


def test_a_name_that_two_had_asks_which(channel):
    make_viewer(channel, "bea", formerly="candle")
    second = make_viewer(channel, "candle")
    assert "Which" in Client().get("/c/lantern/viewers/candle/wiki/").content.decode()
    chosen = Client().get("/c/lantern/viewers/candle/wiki/", {"id": second.pk})
    assert f"/c/lantern/viewers/candle/?id={second.pk}" in chosen.content.decode()


# Hidden pages

HIDINGS = {
    "everywhere": lambda channel, ann: Viewer.objects.filter(pk=ann.pk).update(hidden_at=timezone.now()),
    "here": lambda channel, ann: Profile.objects.filter(viewer=ann).update(visibility="hidden"),
    "by a moderator": lambda channel, ann: Profile.objects.filter(viewer=ann).update(visibility="removed"),
    "never asked for": lambda channel, ann: Channel.objects.update(page_policy="opt-in"),
}


def words_of(answer):
    """What is on a page, without the frame, which knows the address and who is logged in."""
    return answer.content.decode().split("<main")[1].split("</main>")[0]


@pytest.mark.parametrize("hiding", HIDINGS)
def test_a_hidden_page_has_no_history_for_strangers(stranger, other, channel, ann, hiding):
    written(channel, ann, "one", "two")
    HIDINGS[hiding](channel, ann)
    for browser in (stranger, other):
        for address in (WIKI, f"{WIKI}2/", EDIT):
            answer, missing = browser.get(address), browser.get(address.replace("ann", "nobody"))
            assert (answer.status_code, missing.status_code) == (404, 404)
            assert words_of(answer).replace("called ann", "called nobody") == words_of(missing)


@pytest.mark.parametrize("hiding", HIDINGS)
def test_the_viewer_and_moderators_see_it_still(own, moderator, channel, ann, hiding):
    written(channel, ann, "one", "two")
    HIDINGS[hiding](channel, ann)
    for browser in (own, moderator):
        assert [browser.get(address).status_code for address in (WIKI, f"{WIKI}2/", EDIT)] == [200] * 3
        assert "Strangers do not see this page" in browser.get(WIKI).content.decode()


@pytest.mark.parametrize("hiding", HIDINGS)
def test_nothing_can_be_changed_where_nothing_is_seen(stranger, other, channel, ann, hiding):
    written(channel, ann, "one", "two")
    HIDINGS[hiding](channel, ann)
    for browser in (stranger, other):
        assert {browser.post(address, given).status_code for address, given in POSTS} == {404}
    assert texts() == ["one", "two"]


# Pages that are kept ready


@pytest.fixture
def forgotten(monkeypatch):
    calls: list[str] = []
    monkeypatch.setattr("streams.pages.forget", calls.extend)
    return calls


def test_pages_of_the_channel_are_forgotten_before_and_after_each_change(
    own, moderator, forgotten, django_capture_on_commit_callbacks
):
    with django_capture_on_commit_callbacks(execute=True):
        write(own, "one")
        write(own, "two", based_on=1)
        own.post(RESTORE)
        moderator.post(LOCK, {"locked": "1"})
        moderator.post(LOCK, {"locked": "0"})
        moderator.post(WITHDRAW)
        assert forgotten == ["lantern"] * 6
    assert forgotten == ["lantern"] * 12


def test_nothing_is_forgotten_where_nothing_changed(own, other, forgotten):
    write(own, "")
    write(own, "one", preview="1")
    write(other, "hacked")
    own.get(WIKI)
    assert forgotten == []


@pytest.fixture
def redis_away(channel, ann, monkeypatch):
    """Two versions, and then no Redis that could be told of another."""
    written(channel, ann, "one", "two")

    def away(logins):
        raise RedisAway("away")

    monkeypatch.setattr("streams.pages.forget", away)


AWAY = "This could not be kept just now, and nothing was changed."


@pytest.mark.parametrize("address", [RESTORE, WITHDRAW, LOCK])
@pytest.mark.parametrize("locked", ["0", "1"])
def test_what_pages_kept_ready_cannot_be_told_of_is_refused(redis_away, moderator, address, locked):
    before = list(Profile.objects.values()), list(WikiRevision.objects.values())
    page = moderator.post(address, {"locked": locked})
    assert (page.status_code, AWAY in page.content.decode()) == (503, True)
    assert (list(Profile.objects.values()), list(WikiRevision.objects.values())) == before


def test_a_text_that_cannot_be_saved_is_still_in_the_form(redis_away, own):
    page = write(own, "three", based_on=2)
    assert (page.status_code, texts()) == (503, ["one", "two"])
    assert AWAY in page.content.decode()
    assert "\nthree</textarea>" in page.content.decode()


# What it costs


@pytest.mark.parametrize(
    ("who", "address", "most"),
    [
        ("stranger", WIKI, 4),
        ("stranger", f"{WIKI}2/", 4),
        ("own", WIKI, 8),
        ("own", EDIT, 8),
        ("moderator", PAGE, 12),
        ("moderator", WIKI, 12),
        ("moderator", f"{WIKI}2/", 12),
        ("own", f"{WIKI}2/withdraw/", 9),
        ("moderator", f"{WIKI}2/withdraw/", 12),
    ],
)
def test_a_page_costs_few_queries(request, channel, ann, who, address, most, django_assert_max_num_queries):
    written(channel, ann, *map(str, range(15)), role="moderator")
    browser = request.getfixturevalue(who)
    with django_assert_max_num_queries(most):
        assert browser.get(address).status_code == 200
