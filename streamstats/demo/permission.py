"""The demo's channel is connected from the start: what its owner would allow in the browser is allowed beforehand."""

from datetime import UTC, datetime, timedelta

from streams import grants, scopes
from streams.models import Channel, TwitchGrant
from streamstats.simulator.oauth import issue
from streamstats.simulator.world import DEMO


def connect(channel: Channel) -> None:
    """Let the demo's channel be connected with all we ask for. Who disconnected it meant it, and finds it so.

    Tokens are made here, for the simulator need not run yet; they open nothing else. Dead ones are replaced.
    """
    wanted = scopes.for_channel()
    known = TwitchGrant.objects.filter(twitch_id=DEMO.twitch_id).first()
    if known and (known.state == TwitchGrant.State.REVOKED or _works(known, channel, wanted)):
        return
    tokens, now = issue(DEMO.twitch_id, wanted), datetime.now(UTC)
    TwitchGrant.objects.update_or_create(
        twitch_id=DEMO.twitch_id,
        defaults={
            "login": DEMO.login,
            "display_name": DEMO.display_name,
            "channel": channel,
            "scopes": list(tokens.scopes),
            "access_token": tokens.access_token,
            "refresh_token": tokens.refresh_token,
            "granted_at": now,
            "expires_at": now + timedelta(seconds=tokens.expires_in),
            "refreshed_at": None,
            "validated_at": None,
            "state": TwitchGrant.State.VALID,
            "problem": "",
        },
    )


def _works(grant: TwitchGrant, channel: Channel, wanted: tuple[str, ...]) -> bool:
    return not grants.problem_of(grant) and grant.channel_id == channel.pk and set(wanted) <= set(grant.scopes)
