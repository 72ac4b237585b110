"""Messages say in which transaction they were stored, and what became of them since goes into the log of changes.

The number of a transaction is no volatile value to Postgres: rows from before get that of this migration without being
written, however many there are.
"""

from django.db import migrations, models

import streams.models.change
from streams.changelog import LOG, statement_triggers
from streams.patience import PatientMigration

COLUMNS = """
    id, channel_id, viewer_id, sent_at, text, is_action, is_first, is_returning, bits, badges, badge_info, notice,
    reward_id, reply_to_id, reply_to_viewer_id, thread_id, source_id, source_channel_id, emotes, removed_at
"""
# One that becomes nobody's has another id then: the one it had is gone.
UPDATED = f"""
{LOG}
SELECT changed.channel_id, 'messages', changed.id
FROM (SELECT {COLUMNS} FROM new_rows EXCEPT SELECT {COLUMNS} FROM old_rows) changed
UNION
SELECT changed.channel_id, 'messages', changed.id
FROM (SELECT {COLUMNS} FROM old_rows EXCEPT SELECT {COLUMNS} FROM new_rows) changed;
"""
# What goes because it is past retention is not told one by one: whoever reads messages knows for how long they are kept.
DELETED = f"""
{LOG}
SELECT gone.channel_id, 'messages', gone.id FROM old_rows gone
JOIN streams_channel channel ON channel.id = gone.channel_id
WHERE gone.sent_at >= now() - channel.retention_days * interval '1 day';
"""


class Migration(PatientMigration):
    dependencies = [("chat", "0014_log_of_changes")]
    operations = [
        migrations.AddField(
            model_name="message",
            name="stored_in",
            field=models.BigIntegerField(
                db_default=streams.models.change.ThisTransaction(),
                editable=False,
                help_text="Transaction that wrote it: see chat/synced.py.",
            ),
        ),
        statement_triggers(
            "chat_message", "log_messages", ("UPDATE", "DELETE"), updated=UPDATED, deleted=DELETED
        ),
    ]
