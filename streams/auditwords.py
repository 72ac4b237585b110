"""What was done in the administration, in words: entries of the audit log have names for programs."""

# What the forms of the administration write down, by the name of the model.
_THINGS = {
    "apikey": "the API key",
    "channel": "the channel",
    "group": "the group",
    "listfile": "the file",
    "purge": "the purge",
    "summarypolicy": "the rule for",
    "tag": "the tag",
    "user": "the login",
    "viewer": "what is known of",
    "webhook": "the webhook",
}
_DONE = {"add": "added", "change": "changed", "delete": "deleted"}

WORDS = {f"{name}.{deed}": f"{done} {thing}" for name, thing in _THINGS.items() for deed, done in _DONE.items()} | {
    "account.link": "linked the account",
    "account.unlink": "undid the link of",
    "apikey.add": "made the API key",
    "apikey.revoke": "revoked the API key",
    "apikey.rotate": "replaced the API key",
    "bot.mark": "marked as a bot",
    "bot.unmark": "took the mark of a bot from",
    "delivery.resend": "sent again the event",
    "listfile.ask": "asked for the file",
    "note.edit": "changed a note about",
    "note.withdraw": "withdrew a note about",
    "note.write": "wrote a note about",
    "page.hide": "hid the page of",
    "page.restore": "showed again the page of",
    "purge.ask": "asked for",
    "purge.confirm": "confirmed",
    "purge.done": "finished",
    "recap.hide": "hid the summary of a stream:",
    "recap.let-through": "let through the summary of a stream:",
    "recap.restore": "showed again the summary of a stream:",
    "session.correct": "corrected a session of",
    "summary.hide": "hid the summary:",
    "summary.let-through": "let through the summary:",
    "summary.restore": "showed again the summary:",
    "tag.add": "put a tag on",
    "tag.merge": "merged a tag into",
    "tag.remove": "took a tag off",
    "tag.rename": "renamed a tag to",
    "text.lock": "locked the text of",
    "text.restore": "brought back a text of",
    "text.unlock": "opened again the text of",
    "text.withdraw": "withdrew a text of",
    "text.write": "wrote the text of",
    "webhook.off": "switched off the webhook",
    "webhook.on": "switched on the webhook",
    "webhook.rotate": "gave another secret to the webhook",
    "webhook.test": "sent a test to the webhook",
}
"""By the name of the deed. To whom or what it was done follows."""


def told(action: str) -> str:
    """In words; a deed of some earlier or later version by its name."""
    return WORDS.get(action, action)
