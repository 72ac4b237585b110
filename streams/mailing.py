"""To whom mail about a channel's keys and webhooks goes."""

from django.conf import settings

from streams.models import ApiKey, Webhook


def address_for(what: ApiKey | Webhook) -> str:
    """Who is named there, else who made it, else whoever runs this site; "" if no address of theirs is known.

    Whoever logs in with Twitch has none here: we do not ask Twitch for it.
    """
    makers = what.made_by.email if what.made_by else ""
    return what.mail or makers or (settings.CONTACT if "@" in settings.CONTACT else "")
