"""Webhooks: a channel's owner chooses what an address is told of. See docs/webhooks.md."""
