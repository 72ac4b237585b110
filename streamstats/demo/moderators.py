"""The demo channel's moderators are known from the start, as they are a minute after any channel is connected."""

from datetime import UTC, datetime

from chat import moderators
from streams.helix import Chatter
from streams.models import Channel, ChannelModerator
from streamstats.simulator.world import DEMO, World
from streamstats.simulator.worldfacts import WorldFacts


def let_in(world: World, channel: Channel) -> None:
    """Enter whom the simulator names when it is asked. Where some are known, it was asked already."""
    if ChannelModerator.objects.filter(channel=channel).exists():
        return
    now = datetime.now(UTC)
    people = WorldFacts(world, lambda: now, base_url="").moderators(DEMO.twitch_id)
    moderators.keep(channel, [Chatter(each.id, each.login, each.display_name) for each in people], now)
