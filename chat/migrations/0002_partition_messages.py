"""Partition messages by month: Django has no word for it. The table is still empty here."""

from django.db import migrations

PARTITION = """
ALTER TABLE chat_message RENAME TO chat_message_plain;
CREATE TABLE chat_message (LIKE chat_message_plain) PARTITION BY RANGE (sent_at);
DROP TABLE chat_message_plain;
ALTER TABLE chat_message ADD CONSTRAINT chat_message_pkey PRIMARY KEY (id, channel_id, sent_at);
CREATE INDEX message_by_viewer ON chat_message (channel_id, viewer_id, sent_at);
CREATE INDEX message_by_time ON chat_message (channel_id, sent_at);
-- A message of a month that has no partition yet waits here, and is moved when the month gets one.
CREATE TABLE chat_message_default PARTITION OF chat_message DEFAULT;
"""

PLAIN = """
ALTER TABLE chat_message RENAME TO chat_message_parted;
CREATE TABLE chat_message (LIKE chat_message_parted);
INSERT INTO chat_message SELECT * FROM chat_message_parted;
DROP TABLE chat_message_parted;
ALTER TABLE chat_message ADD CONSTRAINT chat_message_pkey PRIMARY KEY (id);
CREATE INDEX message_by_viewer ON chat_message (channel_id, viewer_id, sent_at);
CREATE INDEX message_by_time ON chat_message (channel_id, sent_at);
"""


class Migration(migrations.Migration):
    dependencies = [("chat", "0001_initial")]
    operations = [migrations.RunSQL(PARTITION, PLAIN)]
