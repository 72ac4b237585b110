"""The demo's channel has summaries, and some of its regulars agreed to theirs: there is something to see at once.

Of those that one can log in as, most did not agree, so that it can be tried.
"""

from streams.models import Channel
from streamstats.simulator.world import DEMO, World
from viewers import choices
from viewers.models import Consent, SummaryPolicy, Viewer

WHO_AGREED = (2, 4, *range(12, 24))
"""Of the regulars, by how much they talk."""
A_MINUTE = 30
"""More than elsewhere: nobody waits for a demo."""


def switch_on(world: World, channel: Channel) -> None:
    """Have summaries and recaps, and regulars who agreed to both; unless somebody decided about it before."""
    policy = {"is_on": True, "has_recaps": True, "per_minute": A_MINUTE}
    _, is_new = SummaryPolicy.objects.get_or_create(channel=channel, defaults=policy)
    if not is_new:
        return
    regulars = world.crowds[DEMO].regulars
    for viewer in Viewer.objects.filter(pk__in=[regulars[rank].twitch_id for rank in WHO_AGREED]):
        for kind in Consent.Kind:
            choices.agree(viewer, kind)
