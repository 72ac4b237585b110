"""The document of the API: without warnings, as it is committed, and to be read here."""

import json
from pathlib import Path

import pytest
import yaml
from django.conf import settings
from django.core.management import call_command

from streams.api.document import as_yaml
from streams.api.schema import document
from streamstats.api import OPERATIONS

COMMITTED = Path(settings.BASE_DIR) / "docs" / "openapi.yaml"


def test_it_is_valid_and_makes_no_warning(tmp_path, capsys):
    call_command("spectacular", validate=True, fail_on_warn=True, file=str(tmp_path / "openapi.yaml"))
    assert (tmp_path / "openapi.yaml").read_text() == as_yaml()


def test_it_is_the_one_that_is_committed():
    assert COMMITTED.read_text() == as_yaml(), "Write it anew: make openapi"


@pytest.mark.django_db
@pytest.mark.parametrize(("written", "read"), [("json", json.loads), ("yaml", yaml.safe_load)])
def test_it_is_served(client, redis_client, written, read):
    answer = client.get(f"/api/v1/openapi.{written}")
    assert answer["Content-Type"].startswith("application/vnd.oai.openapi")
    assert read(answer.content) == json.loads(json.dumps(document()))


def test_it_says_of_every_operation_what_can_go_wrong():
    for path in document()["paths"].values():
        told = path["get"]["responses"].keys()
        assert {"200", "400", "401", "403", "404", "405", "406", "413", "414", "429", "500", "503"} <= told


def test_every_operation_is_in_it():
    assert [path["get"]["operationId"] for path in document()["paths"].values()] == [
        view.operation for _, view in OPERATIONS
    ]


def test_all_but_a_stream_may_not_have_changed():
    told = {
        path["get"]["operationId"] for path in document()["paths"].values() if "304" not in path["get"]["responses"]
    }
    assert told == {"live"}


def test_its_page_runs_nothing_that_is_not_ours(client):
    page = client.get("/api/docs/")
    text = page.content.decode()
    assert "<script>" not in text
    assert "style=" not in text
    policy = page["Content-Security-Policy"]
    assert "unsafe" not in policy
    assert "data:" in policy.split("img-src")[1].split(";")[0]
    assert "data:" not in client.get("/api/v1/nowhere", headers={"Accept": "text/html"}).get(
        "Content-Security-Policy", ""
    )
