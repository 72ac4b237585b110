"""Where a simulator on a port of this machine is reached, as the settings that point the product at it."""


def addresses(port: int) -> dict[str, str]:
    base, socket_base = f"http://127.0.0.1:{port}", f"ws://127.0.0.1:{port}"
    return {
        "TWITCH_IRC_URL": f"{socket_base}/irc",
        "TWITCH_CDN_URL": f"{base}/cdn/twitch",
        "SEVENTV_URL": f"{base}/7tv",
        "SEVENTV_EVENTS_URL": f"{socket_base}/7tv/events",
        "BTTV_URL": f"{base}/bttv",
        "BTTV_WS_URL": f"{socket_base}/bttv/ws",
        "BTTV_CDN_URL": f"{base}/cdn/bttv",
        "FFZ_URL": f"{base}/ffz",
    }
