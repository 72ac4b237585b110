"""Jobs of streams. The timetable is in `streamstats/celery.py`."""

from datetime import UTC, date, datetime, timedelta

from asgiref.sync import async_to_sync

from streams import changekeeping, grants, jobs, sync
from streams.api import quota, requestlog
from streams.jobs import job
from streams.models import ApiKey, Webhook
from streams.oauth import TwitchAway
from streams.webhooks import telling
from streams.webhooks.delivering import Courier, tell_owner

# With what is on its way at the end of it, a little more than a minute: the next run waits in the queue by then.
WEBHOOK_RUN_S = 54


@job(at_most_s=600)
def forget_runs() -> str:
    """Delete what is written of jobs that ran long ago."""
    return f"{jobs.forget_runs(datetime.now(UTC)):,} forgotten"


@job(at_most_s=280)
def check_grants() -> str:
    """Ask Twitch about every connection, as it demands of whoever keeps tokens: those that ended stop here."""
    checked = grants.validate_all()
    if checked.unreachable:
        raise TwitchAway(str(checked))
    return str(checked)


@job(at_most_s=100)
def tell_webhooks() -> str:
    """Make deliveries of what changed and send those that are due, for most of a minute: then the next run goes on."""
    if not Webhook.objects.working().exists():
        return "nobody is to be told"
    courier = Courier(given_up=mail_about_webhook.delay)
    async_to_sync(courier.work)(WEBHOOK_RUN_S)
    return f"{courier.taken:,} taken, {courier.failed:,} failed"


@job(at_most_s=120, lock_key=lambda webhook_id: webhook_id)
def mail_about_webhook(webhook_id: int) -> str:
    """Tell whoever made a webhook that it was given up."""
    return tell_owner(webhook_id)


@job(at_most_s=600)
def forget_deliveries() -> str:
    """Delete what webhooks were told long ago."""
    return f"{telling.forget(datetime.now(UTC)):,} forgotten"


@job(at_most_s=120, lock_key=lambda key_id, percent, day: (key_id, percent))
def tell_quota(key_id: int, percent: int, day: str) -> str:
    """Tell that a key has used so much of what it may ask in a day."""
    key = ApiKey.objects.select_related("channel", "made_by").filter(pk=key_id).first()
    if key is None:
        return "the key is gone"
    quota.quota_reached(key, percent, date.fromisoformat(day))
    return f"{percent} % of {key.prefix}"


@job(at_most_s=300)
def store_api_requests() -> str:
    """Write down what keys of the API were used for."""
    return f"{requestlog.store():,} written down"


@job(at_most_s=600)
def forget_api_requests() -> str:
    """Forget what keys of the API were used for long ago."""
    return f"{requestlog.forget(datetime.now(UTC)):,} forgotten"


@job(at_most_s=50)
def mark_changes() -> str:
    """Note which transactions are over by now."""
    sync.mark()
    return "marked"


@job(at_most_s=600)
def thin_changes() -> str:
    """Forget changes of the hours before the last one that later ones repeat."""
    return f"{changekeeping.thin(datetime.now(UTC), timedelta(hours=2)):,} repeated"


@job(at_most_s=2400)
def forget_changes() -> str:
    """Forget changes that are too long past to be told, and of the others those that later ones repeat."""
    now = datetime.now(UTC)
    gone = changekeeping.forget(now)
    return f"{gone:,} past, {changekeeping.thin(now, changekeeping.KEPT_FOR):,} repeated"
