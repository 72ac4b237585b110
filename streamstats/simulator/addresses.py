"""Where a simulator on a port of this machine is reached, as the settings that point the product at it."""

CLIENT_ID = "simulated0client0id0for0streamst"
CLIENT_SECRET = "simulated0secret0not0a0secret000"  # noqa: S105 - it opens nothing but the simulator


def addresses(port: int) -> dict[str, str]:
    base, socket_base = f"http://127.0.0.1:{port}", f"ws://127.0.0.1:{port}"
    return {
        "TWITCH_CLIENT_ID": CLIENT_ID,
        "TWITCH_CLIENT_SECRET": CLIENT_SECRET,
        "TWITCH_HELIX_URL": f"{base}/helix",
        "TWITCH_AUTH_URL": f"{base}/oauth2",
        "TWITCH_EVENTSUB_WS_URL": f"{socket_base}/eventsub/ws",
        "TWITCH_EVENTSUB_SUBSCRIPTION_URL": f"{base}/helix/eventsub/subscriptions",
        "TWITCH_IRC_URL": f"{socket_base}/irc",
        "TWITCH_CDN_URL": f"{base}/cdn/twitch",
        "SEVENTV_URL": f"{base}/7tv",
        "SEVENTV_EVENTS_URL": f"{socket_base}/7tv/events",
        "BTTV_URL": f"{base}/bttv",
        "BTTV_WS_URL": f"{socket_base}/bttv/ws",
        "BTTV_CDN_URL": f"{base}/cdn/bttv",
        "FFZ_URL": f"{base}/ffz",
    }
