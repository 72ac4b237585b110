"""How the document of the API (OpenAPI 3.1) tells of each operation: all of it is taken from its view and resource."""

import json
from functools import cache
from typing import Any

from django_filters import ChoiceFilter, IsoDateTimeFilter, NumberFilter, TypedChoiceFilter
from drf_spectacular.generators import SchemaGenerator
from drf_spectacular.openapi import AutoSchema
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiExample, OpenApiParameter, OpenApiResponse, inline_serializer
from rest_framework import serializers

from streams import sync
from streams.api.problems import CODES, CONTENT_TYPE, answer
from streams.api.resources import Resource, Synced

KEY, SESSION = "key", "session"
SECURITY_SCHEMES = {
    KEY: {
        "type": "http",
        "scheme": "bearer",
        "description": "A key of a channel, made by its owner under *API keys* in the administration.",
    },
    SESSION: {
        "type": "apiKey",
        "in": "cookie",
        "name": "sessionid",
        "description": "Whoever is logged in here may look around with their browser.",
    },
}
PATHS = {
    "channel": "Twitch's id of the channel.",
    "stream": "Id of a stream.",
    "id": "Its id.",
}
LIMITS = {
    "RateLimit-Limit": "How many requests there may be in the present window: a minute, or the UTC day.",
    "RateLimit-Remaining": "How many of them are left.",
    "RateLimit-Reset": "In how many seconds the next window begins.",
}
ETAG = {"ETag": "Send it back as If-None-Match: 304 says that nothing changed."}
WHEN = {
    400: "A parameter is not known or cannot be what it is given as.",
    401: "The key is not known, was taken back, ran out, or is used from a network it is not for.",
    403: "The key has not the scope for it, or is of another channel.",
    404: "There is no such thing, or it is not shown.",
    405: "Everything is read with GET.",
    406: "`Accept` does not allow what this is written in.",
    410: "What changed since then is not known any more: fetch the whole list again.",
    413: "The request has a body, and a large one.",
    414: "The address is longer than 4,096 letters.",
    429: "Too many requests. `Retry-After` says in how many seconds there may be more.",
    500: "A mistake of ours.",
    503: "Too much is asked for at once, or it took too long to find. `Retry-After` says when to come back.",
}
ANYWHERE = (400, 401, 403, 404, 405, 406, 413, 414, 429, 500, 503)
"""What any operation may answer with."""
EXAMPLES: dict[int, dict[str, Any]] = {
    400: {"detail": "limit: Take a number from 1 to 200.", "errors": {"limit": ["Take a number from 1 to 200."]}},
    401: {"detail": "No key is like this one. Look whether all of it was copied."},
    403: {"detail": "This key has no scope `read`.", "code": "scope_missing"},
    404: {"detail": "No channel with this Twitch id is followed here."},
    410: {"detail": sync.TOO_OLD, "code": "sync_anew"},
    429: {"detail": "Without a key one may ask 120 times in a minute. Try again in 24 s, or get a key."},
}
"""One problem of each kind, where it has words of its own."""
PAGING = "Go on with `next` until it is null: a page may be shorter than asked for, even empty."
SYNCING = (
    "Keep `since` of the last page, and come back with `?since=` to be told what changed: rows as they are now, the "
    "ids of those that were deleted, and, where rows are of viewers, of whom every row is to be deleted."
)


class ProblemSerializer(serializers.Serializer[Any]):
    """RFC 9457."""

    type = serializers.CharField()
    title = serializers.CharField(help_text="The phrase of the status.")
    status = serializers.IntegerField()
    detail = serializers.CharField(help_text="What is wrong, in a sentence for people.")
    code = serializers.CharField(help_text=f"To tell problems apart: {', '.join(CODES.values())} and others.")
    errors = serializers.DictField(  # type: ignore[assignment]
        child=serializers.ListField(child=serializers.CharField()),
        required=False,
        help_text="What is wrong with which parameter.",
    )


class ApiSchema(AutoSchema):
    """Asks the view: `operation` is its name, `resource` what it tells of, `is_list` whether of many."""

    view: Any

    @property
    def resource(self) -> Resource:
        found: Resource = self.view.resource
        return found

    def get_operation_id(self) -> str:
        return str(self.view.operation)

    def get_tags(self) -> list[str]:
        return [str(self.view.tag)]

    def get_summary(self) -> str:
        if not self.view.is_list:
            return f"One {self.view.operation.removeprefix('get_')}, by its id"
        return self.resource.about.split(". ")[0].rstrip(".")

    def get_description(self) -> str:  # type: ignore[override]
        if not self.view.is_list:
            return self.resource.about
        parts = [self.resource.about, PAGING, *([SYNCING] if isinstance(self.resource, Synced) else [])]
        return "\n\n".join(parts)

    def get_auth(self) -> list[dict[str, list[str]]]:
        if self.view.scope:
            return [{KEY: [str(self.view.scope)]}]
        return [{}, {KEY: ["read"]}, {SESSION: []}]

    def get_override_parameters(self) -> list[Any]:
        resource = self.resource
        told = self._of_path()
        fields = {
            "type": "array",
            "minItems": 1,
            "items": {"type": "string", "enum": list(resource.serializer().fields)},
        }
        told.append(OpenApiParameter("fields", fields, description="Only these, with commas between.", explode=False))
        if self.view.is_list:
            told += [
                OpenApiParameter("limit", _whole_number(self.view.most), description="Rows of a page, at most."),
                OpenApiParameter("cursor", str, description="Where a page begins: `next` has it."),
                *(_filter(name, each) for name, each in resource.filters.base_filters.items()),
            ]
            if isinstance(resource, Synced):
                about = "What changed since: `since` of the answer before, or a time of the last 30 days."
                told.append(OpenApiParameter("since", str, description=about))
        return [*told, *_headers(), *_etag()]

    def _of_path(self) -> list[OpenApiParameter]:
        named = [name for name in PATHS if f"{{{name}}}" in self.path]
        return [OpenApiParameter(name, str, OpenApiParameter.PATH, description=PATHS[name]) for name in named]

    def get_response_serializers(self) -> Any:
        resource = self.resource
        one = resource.serializer()
        if self.view.is_list:
            name = type(one).__name__.removesuffix("Serializer")
            body: Any = inline_serializer(
                f"{name}Page",
                {
                    "results": type(one)(many=True),
                    "deleted": serializers.ListField(
                        child=serializers.CharField(),
                        help_text="With `since`: the ids of what was deleted, or is not asked for.",
                    ),
                    **(_gone() if resource.tells_who_is_gone else {}),
                    "next": serializers.CharField(allow_null=True, help_text="The address of the next page."),
                    "since": serializers.CharField(
                        allow_null=True, help_text="To come back with. Null but on the last page."
                    ),
                },
            )
            since = EXAMPLE_OF_SINCE if isinstance(resource, Synced) else None
            gone: dict[str, list[str]] = {"gone": []} if resource.tells_who_is_gone else {}
            example = {"results": [resource.example], "deleted": [], **gone, "next": None, "since": since}
        else:
            body, example = one, resource.example
        told = OpenApiExample(self.view.operation, value=example, response_only=True)
        return {
            200: OpenApiResponse(body, description="OK", examples=[told]),
            304: OpenApiResponse(description="Nothing changed since the answer with this ETag."),
            **_problems(syncs=self.view.is_list and isinstance(resource, Synced)),
        }


class EventsSchema(ApiSchema):
    """Of a stream of server-sent events. Asks the view: `about` says what they are, `events` what each of them tells,
    `example` has one of each.

    What OpenAPI 3.1 can say of a stream is that it is text; so `x-events` has the schemas of what is in it.
    """

    def get_summary(self) -> str:
        return str(self.view.about.split(". ")[0])

    def get_description(self) -> str:  # type: ignore[override]
        return str(self.view.about)

    def get_override_parameters(self) -> list[Any]:
        since = "Where to go on: the last id that was told, or a time of the last 30 days. Left out, from now on."
        last = "As `since`, and counts more: browsers send it when they come again."
        return [
            *self._of_path(),
            OpenApiParameter("since", str, description=since),
            OpenApiParameter("Last-Event-ID", str, OpenApiParameter.HEADER, description=last),
            *_headers(),
        ]

    def get_response_serializers(self) -> Any:
        about = "Server-sent events, each with an empty line behind it. There is no end."
        told = OpenApiExample(self.view.operation, value=self.view.example, response_only=True)
        stream = OpenApiResponse({"type": "string", "description": about}, description="OK", examples=[told])
        return {(200, "text/event-stream"): stream, **_problems(syncs=True)}

    def get_extensions(self) -> dict[str, Any]:
        told = self.view.events.items()
        return {"x-events": {name: self.resolve_serializer(each, "response").ref for name, each in told}}


EXAMPLE_OF_SINCE = "vXn0tB9Zq1r7mY2kWzEsImQ5NzE2YiIsNzUzMSwiIiwiIixudWxsXQ"


def _gone() -> dict[str, serializers.ListField]:
    about = "With `since`: Twitch ids of viewers who are shown no more. Delete every row of theirs."
    return {"gone": serializers.ListField(child=serializers.CharField(), help_text=about)}


def _problems(*, syncs: bool) -> dict[tuple[int, str], OpenApiResponse]:
    statuses = sorted([*ANYWHERE, *([410] if syncs else [])])
    return {(status, CONTENT_TYPE): _problem(status) for status in statuses}


def _problem(status: int) -> OpenApiResponse:
    value = json.loads(answer(status, **EXAMPLES.get(status, {})).content)
    example = OpenApiExample(f"problem {status}", value=value, response_only=True, media_type=CONTENT_TYPE)
    return OpenApiResponse(ProblemSerializer, description=WHEN[status], examples=[example])


def _headers() -> list[OpenApiParameter]:
    counted = [200, 304, 400, 401, 403, 404, 405, 406, 410, 429]
    return [
        *(_header(name, about, int, counted) for name, about in LIMITS.items()),
        _header("Retry-After", "In how many seconds there may be more.", int, [429, 503]),
    ]


def _etag() -> list[OpenApiParameter]:
    return [_header(name, about, str, [200, 304]) for name, about in ETAG.items()]


def _header(name: str, about: str, kind: Any, statuses: list[int]) -> OpenApiParameter:
    return OpenApiParameter(name, kind, OpenApiParameter.HEADER, description=about, response=statuses)


def _whole_number(most: int) -> dict[str, Any]:
    return {"type": "integer", "minimum": 1, "maximum": most, "default": min(50, most)}


def _filter(name: str, each: Any) -> OpenApiParameter:
    extra = each.extra
    kind: Any
    match each:
        case IsoDateTimeFilter():
            kind = OpenApiTypes.DATETIME
        case NumberFilter():
            kind = {"type": "integer", "minimum": extra["min_value"], "maximum": extra["max_value"]}
        case ChoiceFilter() | TypedChoiceFilter():
            kind = {"type": "string", "enum": [value for value, _ in extra["choices"]]}
        case _:
            kind = {"type": "string", "minLength": 1, "maxLength": extra["max_length"]}
    about = extra.get("help_text") or ""
    return OpenApiParameter(name, kind, description=about, required=bool(extra.get("required")))


def finish(result: dict[str, Any], generator: Any, **_kwargs: Any) -> dict[str, Any]:
    """With `fields`, any of the fields of a row may be left out; there never is another."""
    schemas = result["components"]["schemas"]
    for path in result["paths"].values():
        told = path["get"]["responses"]["200"]["content"].get("application/json", {}).get("schema", {})
        name = told.get("$ref", "").rpartition("/")[2]
        if not name:
            continue
        rows = schemas[name]["properties"].get("results", {}).get("items", {}).get("$ref", "").rpartition("/")[2]
        row = schemas[rows or name]
        row.pop("required", None)
        row["minProperties"] = 1
        row["additionalProperties"] = False
    _share(result)
    result["components"]["securitySchemes"] = SECURITY_SCHEMES
    return result


def _share(result: dict[str, Any]) -> None:
    """Say once what many operations have: headers, and what errors look like."""
    headers: dict[str, Any] = result["components"].setdefault("headers", {})
    problems: dict[str, Any] = result["components"].setdefault("responses", {})
    for path in result["paths"].values():
        answers = path["get"]["responses"]
        for status, told in answers.items():
            for name, header in told.get("headers", {}).items():
                headers[name] = header
                told["headers"][name] = {"$ref": f"#/components/headers/{name}"}
            if int(status) >= 400:
                problems[f"Problem{status}"] = told
                answers[status] = {"$ref": f"#/components/responses/Problem{status}"}


@cache
def document() -> dict[str, Any]:
    """The document; made once in a process."""
    generator: Any = SchemaGenerator
    made: dict[str, Any] = generator().get_schema(request=None, public=True)
    return made
