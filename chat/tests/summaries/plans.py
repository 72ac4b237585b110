"""How Postgres would do what a test does, in a chat of many."""

import re
from collections.abc import Callable
from datetime import datetime

from django.db import connection
from django.test.utils import CaptureQueriesContext

from streams.models import Channel

CROWD = """
INSERT INTO chat_message (id, channel_id, viewer_id, sent_at, text, is_action, is_first, is_returning, bits, badges,
    badge_info, notice, reward_id, reply_to_id, reply_to_viewer_id, thread_id, source_id, source_channel_id, emotes)
SELECT 'c' || n, %s, (5000 + n %% 40)::text, %s - n * interval '2 minutes', 'message ' || n || ' of a crowd', false,
    false, false, 0, '', '', '', '', '', '', '', '', '', '{}'
FROM generate_series(1, 8000) n
"""


def plans_in_a_crowd(channel: Channel, until: datetime, task: Callable[[], object]) -> list[str]:
    """Let forty others write eight thousand messages, and return the plan of each query of a task."""
    with connection.cursor() as cursor:
        cursor.execute(CROWD, [channel.pk, until])
        cursor.execute("ANALYZE")
        with CaptureQueriesContext(connection) as queries:
            task()
        plans = []
        for query in queries.captured_queries:
            cursor.execute(f"EXPLAIN {query['sql']}")
            plans.append("\n".join(line for (line,) in cursor.fetchall()))
    return plans


def reads_the_crowd(plan: str) -> bool:
    """Whether a whole month is read that has more than a few messages: of an empty one nothing else can be."""
    return bool(re.search(r"Seq Scan on chat_message\S* .*rows=\d{3,}", plan))
