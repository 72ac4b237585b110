"""The document that describes the API, for programs and for people."""

import json
from typing import Any

from csp.decorators import csp_update
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import render
from drf_spectacular.renderers import OpenApiYamlRenderer
from rest_framework.request import Request

from streams.api.schema import document
from streams.api.views import ApiView
from streamstats.lib.methods import read_only

TYPES = {"json": "application/vnd.oai.openapi+json;version=3.1", "yaml": "application/vnd.oai.openapi;version=3.1"}


class Document(ApiView):
    """The document itself."""

    schema = None

    def get(self, request: Request, written: str) -> HttpResponseBase:
        text = json.dumps(document()) if written == "json" else as_yaml()
        response = HttpResponse(text, content_type=TYPES[written])
        response["Cache-Control"] = "no-cache"
        return response


def as_yaml() -> str:
    renderer: Any = OpenApiYamlRenderer()
    return str(renderer.render(document(), renderer_context={}).decode())


@read_only
@csp_update({"img-src": "data:"})
def docs(request: HttpRequest) -> HttpResponse:
    """The document to be read and tried out, by Swagger UI, whose small pictures are in its style sheet."""
    return render(request, "api/docs.html")
