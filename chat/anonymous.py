"""What a message is once nobody wrote it: it still counts for its channel, minute and emotes, and says nothing else.

The ingest stores such messages of whoever asked that nothing more is kept; an erasure makes them of what was kept.
Both must come to the same row, so that a line that is told again counts once, whenever it was stored.
"""

from typing import Any

from viewers.marks import ANONYMOUS_ID, anonymous_id, anonymous_keys

__all__ = ["ANONYMOUS_ID", "COLUMNS", "UNANSWERED", "anonymous_id", "anonymous_keys"]

# Beside its id, which becomes `anonymous_id(id)`. What is not named here stays: channel, time, bits, emotes, where a
# copy was written, whether a moderator removed it.
COLUMNS: dict[str, Any] = {
    "viewer_id": "",
    "text": "",
    "is_action": False,
    "is_first": False,
    "is_returning": False,
    "badges": "",
    "badge_info": "",
    "notice": "",
    "reward_id": "",
    "reply_to_id": "",
    "reply_to_viewer_id": "",
    "thread_id": "",
    "source_id": "",
}
# What a message of somebody else loses that answers such a one. The "@name" that it begins with goes too.
UNANSWERED: dict[str, Any] = {"reply_to_id": "", "reply_to_viewer_id": "", "thread_id": ""}
