"""How often the providers may be asked. They give this away for nothing, and publish no quotas."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

CHANNEL_S = 600.0  # between two reads of a channel's set, at least
GLOBAL_S = 3600.0
ABSENT_S = 3600.0  # until a channel that a provider does not know is asked for again
FAILED_S = 60.0  # doubles with every failure
MAX_FAILED_S = 3600.0
MAX_RETRY_AFTER_S = 24 * 3600.0
SWITCHED_S = 10.0  # between reads that a switch to another set asks for


class Key(NamedTuple):
    """One set of one provider: of a channel (its primary key), or the one for everybody."""

    provider: str
    channel: int | None


class Fetched(NamedTuple):
    body: object
    etag: str


class Unchanged(NamedTuple):
    """The set is as it was at the last read."""


class Absent(NamedTuple):
    """The provider has no set for this channel."""


class Failed(NamedTuple):
    """Nothing is known: what was known stays."""

    reason: str
    retry_after_s: float = 0.0


Answer = Fetched | Unchanged | Absent | Failed


@dataclass(slots=True)
class _Plan:
    due: float
    earliest: float
    asked_at: float
    failures: int = 0


class Timetable:
    """When which set is to be read next."""

    def __init__(self, clock: Callable[[], float], uniform: Callable[[float, float], float]) -> None:
        self._clock = clock
        self._uniform = uniform
        self._plans: dict[Key, _Plan] = {}
        self._closed_until: dict[str, float] = {}

    def add(self, key: Key) -> None:
        """Read this set from now on, and first of all now."""
        now = self._clock()
        self._plans.setdefault(key, _Plan(due=now, earliest=now, asked_at=now - ABSENT_S))

    def discard(self, key: Key) -> None:
        self._plans.pop(key, None)

    def next(self, provider: str) -> tuple[Key, float] | None:
        """Return the provider's set that is due first, and in how many seconds."""
        plans = [(plan.due, key) for key, plan in self._plans.items() if key.provider == provider]
        if not plans:
            return None
        due, key = min(plans, key=lambda found: found[0])
        due = max(due, self._closed_until.get(provider, due))
        return key, max(0.0, due - self._clock())

    def asked(self, key: Key) -> None:
        self._plans[key].asked_at = self._clock()

    def settle(self, key: Key, answer: Answer) -> None:
        """Plan the next read by what the last one came to."""
        plan = self._plans[key]
        now = self._clock()
        if isinstance(answer, Failed):
            plan.due = plan.earliest = now + self._patience_s(plan, key.provider, answer)
            plan.failures += 1
            return
        plan.failures = 0
        plan.earliest = now + (ABSENT_S if isinstance(answer, Absent) else CHANNEL_S)
        usual_s = CHANNEL_S if key.channel is not None else GLOBAL_S
        plan.due = now + self._uniform(1.0, 1.5) * (ABSENT_S if isinstance(answer, Absent) else usual_s)

    def _patience_s(self, plan: _Plan, provider: str, answer: Failed) -> float:
        """How long to leave a set alone after a failure. What a provider asks for holds for all its sets."""
        asked_for_s = min(MAX_RETRY_AFTER_S, answer.retry_after_s)
        if asked_for_s:
            self._closed_until[provider] = self._clock() + asked_for_s
        usual_s = min(MAX_FAILED_S, FAILED_S * 2.0 ** min(plan.failures, 16))
        return max(asked_for_s, usual_s * self._uniform(1.0, 1.5))

    def hurry(self, key: Key) -> None:
        """Read as soon as it is polite: changes may have been missed."""
        plan = self._plans[key]
        plan.due = min(plan.due, max(plan.earliest, self._clock() + self._uniform(0.0, 30.0)))

    def switch(self, key: Key) -> None:
        """Read now, or nearly: it is another set that has to be read."""
        plan = self._plans[key]
        plan.due = max(self._clock(), plan.asked_at + SWITCHED_S)

    def put_off(self, key: Key) -> None:
        """A change was told live. The provider's cache may not know it yet: reading it now would undo the change."""
        plan = self._plans[key]
        until = min(self._clock() + CHANNEL_S, plan.asked_at + 2 * GLOBAL_S)
        plan.due, plan.earliest = max(plan.due, until), max(plan.earliest, until)
