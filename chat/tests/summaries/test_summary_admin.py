"""Summaries in the admin: what waits for somebody is read and decided there, and what was spent is added up."""

from datetime import timedelta
from decimal import Decimal

import pytest
from django.contrib.auth.models import Permission, User
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from chat.tests.crowd import make_message
from chat.tests.summaries.written import AT, make_claim, make_summary
from streams.models import AuditEntry
from streams.tests.cast import make_channel
from viewers.models import ModelCall, Summary
from viewers.tests.accounts import make_user
from viewers.tests.cast import make_viewer

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("redis_client")]

LIST = reverse("admin:viewers_summary_changelist")
SPENT = reverse("admin:viewers_modelcall_spent")


@pytest.fixture
def channel():
    return make_channel()


@pytest.fixture
def rows(channel):
    """A version of each of two viewers, which wait."""
    return [make_summary(channel, make_viewer(channel, login), state="review") for login in ("ann", "bob")]


def act(client, action, rows):
    chosen = [row.pk for row in rows]
    return client.post(LIST, {"action": action, "_selected_action": chosen}, follow=True).content.decode()


def states():
    return list(Summary.objects.order_by("pk").values_list("state", flat=True))


def staff(*permissions):
    user = User.objects.create_user("mo", is_staff=True)
    user.user_permissions.set(Permission.objects.filter(codename__in=permissions))
    client = Client()
    client.force_login(user, "django.contrib.auth.backends.ModelBackend")
    return client


def test_what_waits_is_let_through_together(admin_client, rows):
    assert "Let through: 2 of 2." in act(admin_client, "let_through", rows)
    assert states() == ["shown", "shown"]


def test_it_is_written_down_who_did_it(admin_client, admin_user, rows):
    act(admin_client, "let_through", rows)
    assert set(AuditEntry.objects.values_list("by", "action")) == {(admin_user.pk, "summary.let-through")}
    assert {row.decided_by for row in Summary.objects.all()} == {admin_user}


def test_versions_are_hidden_and_shown_again(admin_client, rows):
    act(admin_client, "hide", rows)
    assert states() == ["hidden", "hidden"]
    act(admin_client, "restore", rows[:1])
    assert states() == ["shown", "hidden"]


def test_of_those_that_cannot_be_it_is_said_why(admin_client, channel, rows):
    shown = make_summary(channel, rows[0].viewer, 2)
    page = act(admin_client, "let_through", [*rows, shown])
    assert "does not wait for anybody" in page
    assert "Let through: 2 of 3." in page
    assert AuditEntry.objects.count() == 2


def moderator_of(channel):
    now, client = timezone.now(), Client()
    channel.moderators.create(twitch_id="22", since=now, told_at=now)
    client.force_login(make_user("22"))
    return client


def test_who_moderates_another_channel_decides_nothing(rows):
    act(moderator_of(make_channel("elsewhere")), "let_through", rows)
    assert states() == ["review", "review"]


def test_who_moderates_the_channel_decides(channel, rows):
    act(moderator_of(channel), "let_through", rows)
    assert states() == ["shown", "shown"]


def test_what_waits_is_a_list_of_its_own(admin_client, channel, rows):
    make_summary(channel, rows[0].viewer, 2)
    found = admin_client.get(LIST, {"state__exact": "review"}).context["cl"].result_list
    assert {row.pk for row in found} == {row.pk for row in rows}


def test_a_version_shows_what_it_says_and_from_when(admin_client, channel, rows):
    ann = rows[0].viewer
    make_claim(rows[0], "<script>alert(1)</script>", [make_message(channel, ann, AT)])
    page = admin_client.get(reverse("admin:viewers_summary_change", args=[rows[0].pk])).content.decode()
    assert "&lt;script&gt;alert(1)" in page
    assert "from 1 message, 3 Nov 2026" in page
    assert "secret words" not in page


def test_nothing_in_it_can_be_written(admin_client, rows):
    make_claim(rows[0], "They ask.")
    page = admin_client.get(reverse("admin:viewers_summary_change", args=[rows[0].pk])).content.decode()
    assert 'name="_save"' not in page
    assert "<textarea" not in page


def test_a_version_with_much_to_say_costs_few_queries(admin_client, channel, rows, django_assert_max_num_queries):
    for day in range(12):
        make_claim(rows[0], "They ask.", [make_message(channel, rows[0].viewer, AT - timedelta(days=day))])
    with django_assert_max_num_queries(8):
        admin_client.get(reverse("admin:viewers_summary_change", args=[rows[0].pk]))


@pytest.fixture
def calls(channel, settings):
    settings.AI_DAILY_BUDGET = "2"
    for ago, cost in ((0, "0.5"), (0, "0.25"), (1, "1")):
        ModelCall.objects.create(
            channel=channel, provider="openai", model="gpt-4o", began_at=timezone.now() - timedelta(days=ago),
            outcome="ok", input_tokens=1000, output_tokens=10, cost=Decimal(cost),
        )  # fmt: skip


def test_what_is_left_of_today_is_told(admin_client, calls):
    page = admin_client.get(SPENT).content.decode()
    assert "<strong>0.7500</strong> of 2.00 US dollars are spent today" in page


def test_days_are_added_up(admin_client, calls):
    totals = admin_client.get(SPENT).context["totals"]
    assert [(row.calls, row.cost) for row in totals] == [(2, Decimal("0.75")), (1, Decimal(1))]


def test_they_are_those_of_the_channel_that_is_looked_at(admin_client, calls):
    other = make_channel("kitchen")
    page = admin_client.get(SPENT, {"channel": other.pk})
    assert page.context["totals"] == []
    assert "Kitchen called no language model" in page.content.decode()


@pytest.mark.parametrize("odd", ["x", "0", "9" * 40, ""])
def test_an_odd_channel_is_the_usual_one(admin_client, calls, odd):
    assert len(admin_client.get(SPENT, {"channel": odd}).context["totals"]) == 2


def test_adding_up_costs_few_queries(admin_client, calls, django_assert_max_num_queries):
    with django_assert_max_num_queries(6):  # three of them are for who asks
        admin_client.get(SPENT)


def test_the_list_of_calls_leads_there(admin_client, calls):
    assert f'href="{SPENT}"' in admin_client.get(reverse("admin:viewers_modelcall_changelist")).content.decode()


def test_without_a_channel_nothing_was_spent(admin_client, settings):
    assert admin_client.get(SPENT).status_code == 200


def test_who_may_not_look_sees_no_money(calls):
    assert staff("view_summary").get(SPENT).status_code == 403
