"""Pages kept ready for strangers, and thrown away at once when somebody chooses.

What is kept belongs to the generation of its channel that was read before the page was rendered. `forget` gives the
channel another generation, so a page that was rendered from what held before is never served again, even if it is
stored only now. See docs/decisions/page-cache.md.
"""

import gzip
import re
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from functools import partial, wraps
from hashlib import blake2b
from json import dumps, loads
from math import inf
from secrets import token_hex
from typing import NamedTuple, Self, TypeGuard, cast
from urllib.parse import parse_qsl

import structlog
from django.conf import settings
from django.db import transaction
from django.http import HttpRequest, HttpResponse, HttpResponseBase, HttpResponseNotModified
from django.template.response import SimpleTemplateResponse
from django.utils.cache import patch_vary_headers
from django.utils.http import parse_etags
from redis.exceptions import RedisError

from streams.models import Channel
from streams.prepared import by_prepared_statements
from streams.quickredis import quick_redis
from streams.topics import topic

log = structlog.get_logger(__name__)

PREFIX = "streamstats:pages:"
GENERATION = PREFIX + "generation:"
# Pages of no channel: the front page, the site map. Every choice may change them.
SITE = ""
# Anybody can name channels that are not there, and each would have a generation for ever. One that ended is followed
# by another, so that nothing old comes back.
GENERATION_SECONDS = 3600
LONGEST_QUERY = 300
# What pages are asked with. With anything else, such as what somebody searches for, they are rendered and not kept:
# there is no end of it.
ASKED_WITH = frozenset({"after", "before", "by", "id", "page", "provider", "range", "show"})
LARGEST_BYTES = 1_000_000
GZIP_LEVEL = 3
# After Redis failed to answer, pages are rendered without asking it for a moment: each would wait in vain.
PAUSE_SECONDS = 1.0
# Pages of what goes on now, and parts of them that are asked for every few seconds.
LIVE_SECONDS = 30
BRIEFLY_SECONDS = 2
# What pages may take of Redis in each PAGE_CACHE_SECONDS, so twice that at once. Visitors must not fill it, for the
# lines of chat wait there. What is kept briefly is gone before it could: written again and again, it would only use up
# the share of the others.
BYTES = PREFIX + "bytes:"
API_BYTES = PREFIX + "bytes:api:"  # answers of the API have a share of their own, as large
MOST_BYTES = 128 << 20
# Who comes with one of these may see something of their own.
PERSONAL_COOKIES = (settings.SESSION_COOKIE_NAME, "messages")
ACCEPTS_GZIP = re.compile(r"\bgzip\b(?!\s*;\s*q=0(?:\.0*)?\s*(?:,|$))")

AWAY = "This could not be kept just now, and nothing was changed. Please try again in a minute."

View = Callable[..., HttpResponseBase]


class NotNow(Exception):
    """A change that is not kept: why, in a sentence for people. Nothing has changed."""


class Page(NamedTuple):
    """A rendered page as it lies in Redis."""

    generation: bytes
    headers: bytes  # as JSON
    etag: bytes
    packed: bytes

    @classmethod
    def of(cls, response: HttpResponse, generation: bytes) -> Self:
        etag = blake2b(response.content, digest_size=16).hexdigest().encode()
        packed = gzip.compress(response.content, GZIP_LEVEL, mtime=0)
        return cls(generation, dumps(dict(response.headers)).encode(), etag, packed)

    @classmethod
    def loads(cls, stored: bytes) -> Self:
        return cls(*stored.split(b"\n", 3))

    def dumps(self) -> bytes:
        return b"\n".join(self)


class Keeper:
    """The pages in Redis. Without Redis nothing is found and nothing is kept; the log says so."""

    def __init__(self) -> None:
        self._away_until = 0.0

    def find(self, channel: str, key: str) -> tuple[bytes | None, Page | None]:
        """The generation of a channel, None if it cannot be known, and the page that is kept in it."""
        if time.monotonic() < self._away_until:
            return None, None
        try:
            generation, stored = (cast(bytes | None, value) for value in quick_redis().mget(GENERATION + channel, key))
            generation = generation or self._begin(channel)
        except RedisError as error:
            self._pause(error)
            return None, None
        page = Page.loads(stored) if stored else None
        return generation, page if page and page.generation == generation else None

    def keep(self, key: str, page: Page, seconds: int, share: str = BYTES) -> None:
        stored = page.dumps()
        try:
            if seconds <= BRIEFLY_SECONDS or self._has_room(len(stored), share):
                quick_redis().set(key, stored, ex=seconds)
        except RedisError as error:
            self._pause(error)

    @staticmethod
    def _has_room(size: int, share: str) -> bool:
        lasts = settings.PAGE_CACHE_SECONDS
        window = f"{share}{int(time.time() // lasts)}"
        with quick_redis().pipeline() as pipeline:
            pipeline.incrby(window, size)
            pipeline.expire(window, lasts)
            taken, _ = pipeline.execute()
        return bool(taken <= MOST_BYTES)

    @staticmethod
    def _begin(channel: str) -> bytes | None:
        """Give a channel its first generation. Never the same one twice: Redis may have lost the one before."""
        quick_redis().set(GENERATION + channel, token_hex(8), nx=True, ex=GENERATION_SECONDS)
        return cast(bytes | None, quick_redis().get(GENERATION + channel))

    def _pause(self, error: RedisError) -> None:
        self._away_until = time.monotonic() + PAUSE_SECONDS
        log.warning("pages are not kept: redis does not answer", error=str(error))


keeper = Keeper()


def kept_ready(view: View) -> View:
    """Render a public page at most once in PAGE_CACHE_SECONDS for all who are not logged in, unless somebody chooses.

    For views that GET alone reaches. A page belongs to the channel its address names. Caches in between have to ask
    every time, and are told that nothing changed by its ETag.
    """
    return _kept(view)


def kept_live(view: View) -> View:
    """The same for a page of what goes on now."""
    return _kept(view, at_most=LIVE_SECONDS)


def is_live(response: HttpResponse) -> HttpResponse:
    """Say of a page that is kept ready that this one is of what goes on now."""
    response.kept_at_most = LIVE_SECONDS  # type: ignore[attr-defined]
    return response


def kept_briefly(view: View) -> View:
    """The same for a part of a page that those who have it open ask for every few seconds."""
    return _kept(view, at_most=BRIEFLY_SECONDS)


def _kept(view: View, at_most: float = inf) -> View:
    view = by_prepared_statements(view)

    @wraps(view)
    def answer(request: HttpRequest, *args: object, **kwargs: object) -> HttpResponseBase:
        if any(name in request.COOKIES for name in PERSONAL_COOKIES):
            return _headed(view(request, *args, **kwargs), "private, no-cache")
        if not _may_be_kept(request):
            return _headed(view(request, *args, **kwargs))
        channel, key = str(kwargs.get("channel", SITE)).lower(), key_of(request)
        generation, page = keeper.find(channel, key)
        if page is None:
            response = view(request, *args, **kwargs)
            if isinstance(response, SimpleTemplateResponse):
                response.render()
            if generation and _is_for_everybody(response, request):
                page = Page.of(response, generation)
                most = getattr(response, "kept_at_most", at_most)
                keeper.keep(key, page, int(min(most, settings.PAGE_CACHE_SECONDS)))
            else:
                return _headed(response)
        return _headed(told(page, request))

    return answer


def forget(channels: Iterable[str]) -> None:
    """Let no page of these channels (their logins) be served that was rendered before, and have open ones look again.

    Raises RedisError, and then nothing was forgotten. Whoever changes something says so by `forgetting`.
    """
    logins = set(channels)
    topics = [topic(pk) for pk in Channel.objects.filter(login__in=logins).values_list("pk", flat=True)]
    with quick_redis().pipeline() as pipeline:
        for login in {*logins, SITE}:
            pipeline.set(GENERATION + login, token_hex(8), ex=GENERATION_SECONDS)
        for name in topics:
            pipeline.publish(name, dumps({"refresh": True}))
        pipeline.execute()


@contextmanager
def forgetting(channels: Iterable[str | None]) -> Iterator[None]:
    """Change, within a transaction, what strangers may see of these channels (their logins).

    Their pages are forgotten before, or it could not be said that it holds: raises NotNow where that cannot be. They
    are forgotten again after the commit, for what was rendered in between does not know of it.
    """
    logins = [login for login in channels if login]
    try:
        forget(logins)
    except RedisError as error:
        raise NotNow(AWAY) from error
    yield
    forget_once_committed(logins)


def forget_once_committed(channels: Iterable[str | None]) -> None:
    """Forget pages of what changes in this transaction, where it may be seen some minutes late if Redis is away."""
    transaction.on_commit(partial(_forget_or_log, [login for login in channels if login]))


def _forget_or_log(logins: list[str]) -> None:
    try:
        forget(logins)
    except RedisError:
        log.exception("pages.not_forgotten", channels=logins)  # they end by themselves, after PAGE_CACHE_SECONDS


def _may_be_kept(request: HttpRequest) -> bool:
    query = request.META.get("QUERY_STRING", "")
    is_short = len(query) <= LONGEST_QUERY and request.GET.keys() <= ASKED_WITH
    return request.method in {"GET", "HEAD"} and is_short and settings.PAGE_CACHE_SECONDS > 0


def key_of(request: HttpRequest) -> str:
    """Where a page lies: pages name their own address, so that is part of it."""
    query = sorted(parse_qsl(request.META.get("QUERY_STRING", ""), keep_blank_values=True), key=lambda pair: pair[0])
    named = dumps([request.scheme, request.get_host(), request.path, query])
    return PREFIX + blake2b(named.encode(), digest_size=16).hexdigest()


def _is_for_everybody(response: HttpResponseBase, request: HttpRequest) -> TypeGuard[HttpResponse]:
    """Whether it is a whole page, and nothing in it or around it is for whoever asked."""
    return (
        isinstance(response, HttpResponse)
        and response.status_code == 200
        and len(response.content) <= LARGEST_BYTES
        and not response.cookies
        and not request.META.get("CSRF_COOKIE_NEEDS_UPDATE")  # it has a form, with a secret of this visitor
        and not (hasattr(request, "session") and request.session.modified)
        and not (hasattr(request, "_messages") and request._messages.added_new)  # noqa: SLF001
    )


def told(page: Page, request: HttpRequest) -> HttpResponse:
    """The page as this browser wants it: packed, unpacked, or not again."""
    is_packed = bool(ACCEPTS_GZIP.search(request.headers.get("Accept-Encoding", "")))
    etag = f'"{page.etag.decode()}{"-gzip" if is_packed else ""}"'
    asked = parse_etags(request.headers.get("If-None-Match", ""))
    response: HttpResponse
    if "*" in asked or etag in (tag.removeprefix("W/") for tag in asked):
        response = HttpResponseNotModified()
    else:
        body = page.packed if is_packed else gzip.decompress(page.packed)
        response = HttpResponse(body, headers=loads(page.headers))
        if is_packed:
            response["Content-Encoding"] = "gzip"
    response["ETag"] = etag
    return response


def _headed(response: HttpResponseBase, control: str = "no-cache") -> HttpResponseBase:
    """Caches in between ask us every time; what is for one person is for no shared one."""
    response.setdefault("Cache-Control", control)
    patch_vary_headers(response, ["Cookie", "Accept-Encoding"])
    return response
