"""What is in the audit log stays as it is, whoever asks the database."""

import pytest
from django.contrib.auth.models import User
from django.db import DatabaseError, connection, transaction

from streams.audit import ERASING, note
from streams.models import AuditEntry
from streams.tests.cast import make_channel

pytestmark = pytest.mark.django_db


@pytest.fixture
def entry():
    by = User.objects.create_superuser("root")
    return note(by, "page.hide", channel=make_channel(), viewer_id="22", target="ann", detail={"before": "shown"})


def refused(deed):
    with pytest.raises(DatabaseError, match="audit log"), transaction.atomic():
        deed()
    return True


CHANGES = [
    {"action": "page.show"},
    {"role": "moderator"},
    {"at": "2020-01-01T00:00:00Z"},
    {"target": "somebody else"},
    {"detail": {}},
    {"viewer_id": ""},
]


def test_nothing_of_an_entry_can_be_changed(entry):
    for change in CHANGES:
        assert refused(lambda change=change: AuditEntry.objects.update(**change))


def test_nobody_else_can_be_made_to_have_done_it(entry):
    other = User.objects.create_user("other")
    assert refused(lambda: AuditEntry.objects.update(by=other))
    assert refused(lambda: AuditEntry.objects.update(channel=make_channel("kitchen")))


def test_entries_cannot_be_deleted(entry):
    assert refused(entry.delete)
    with connection.cursor() as cursor:
        assert refused(lambda: cursor.execute("DELETE FROM streams_auditentry"))


def test_a_login_and_a_channel_can_be_deleted_and_leave_the_entry(entry):
    entry.by.delete()
    entry.channel.delete()
    kept = AuditEntry.objects.get()
    assert (kept.by, kept.channel, kept.action) == (None, None, "page.hide")


def test_an_erasure_takes_out_whom_it_is_about_and_nothing_else(entry):
    with connection.cursor() as cursor:
        cursor.execute(ERASING)
    AuditEntry.objects.update(viewer_id="", target="", detail={})
    assert refused(lambda: AuditEntry.objects.update(action="x"))
    assert refused(entry.delete)
