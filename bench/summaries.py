"""How long it takes to find whose summary is due among a million viewers, and to write one from numbers."""

import time
from datetime import UTC, datetime

from bench.place import installation

VIEWERS = 1_000_000
AGREED = 50_000
DUE = 10_000
LOOKS = 30
WRITTEN = 100

LOOKING = "finding who is due, p95 (ms)"
LOOKING_WHERE_ALL_AGREED = "the same where all 1,000,000 agreed, p95 (ms)"
MOST_LOOKING_MS = 200

# Everybody wrote; every twentieth agreed, and of those every fifth wrote a hundred messages since the last summary.
MANY = f"""
INSERT INTO viewers_viewer (twitch_id, login, display_name, color, avatar_url, bot_source, is_bot, is_missing, named_at)
SELECT n::text, 'viewer' || n, '', '', '', '', false, false, now() FROM generate_series(1, {VIEWERS}) n;
INSERT INTO viewers_viewertotal (channel_id, viewer_id, messages, emotes, bits, subs, gifts, watch_seconds, points,
    first_seen_at, last_seen_at)
SELECT %(channel)s, n::text, CASE WHEN n %% 100 = 0 THEN 100 + n %% 7000 ELSE n %% 100 END, 0, 0, 0, 0, 0, 0,
    now(), now()
FROM generate_series(1, {VIEWERS}) n;
INSERT INTO viewers_consent (viewer_id, kind, wording, given_at)
SELECT n::text, 'summary', %(wording)s, now() FROM generate_series(20, {VIEWERS}, 20) n;
INSERT INTO viewers_summaryturn (channel_id, viewer_id, messages)
SELECT %(channel)s, n::text, CASE WHEN n %% 100 = 0 THEN n %% 7000 ELSE 0 END FROM generate_series(20, {VIEWERS}, 20) n;
ANALYZE;
"""
THE_OTHERS = f"""
INSERT INTO viewers_consent (viewer_id, kind, wording, given_at)
SELECT n::text, 'summary', %(wording)s, now() FROM generate_series(1, {VIEWERS}) n WHERE n %% 20 <> 0;
ANALYZE;
"""


def measure() -> dict[str, float]:
    """Fill an installation, look who is due, write some; return milliseconds and summaries a second."""
    with installation(AI_PROVIDERS=""):
        from django.db import connection

        from streams.models import Channel
        from viewers.choices import WORDING
        from viewers.models import Consent, SummaryPolicy

        channel = Channel.objects.create(login="million", twitch_id="1")
        SummaryPolicy.objects.create(channel=channel, is_on=True, per_minute=WRITTEN, per_day=VIEWERS)
        values: dict[str, str | int] = {"channel": channel.pk, "wording": WORDING[Consent.Kind.SUMMARY]}
        with connection.cursor() as cursor:
            cursor.execute(MANY, values)
            some = _look()
            cursor.execute(THE_OTHERS, values)
            everybody = _look()
        return {LOOKING: some, LOOKING_WHERE_ALL_AGREED: everybody, "written from numbers, each (ms)": _write()}


def _look() -> float:
    """The p95, in ms, of a look that finds as many as there is room for."""
    from chat.summaries import due

    took = []
    for _ in range(LOOKS):
        began = time.perf_counter()
        found = due.who(datetime.now(UTC))
        took.append(1000 * (time.perf_counter() - began))
        if len(found) != WRITTEN:
            raise SystemExit(f"{len(found)} were due, not {WRITTEN}.")
    return sorted(took)[int(LOOKS * 0.95)]


def _write() -> float:
    from chat.summaries import due, making
    from viewers.models import Summary

    now = datetime.now(UTC)
    begun = due.give_out(now)
    began = time.perf_counter()
    for summary in begun:
        making.make(summary, making.OfViewer(), now)
    each = 1000 * (time.perf_counter() - began) / len(begun)
    shown = Summary.objects.filter(state=Summary.State.SHOWN).count()
    if shown != len(begun):
        raise SystemExit(f"{shown} of {len(begun)} summaries were written.")
    return each
