"""Behind a proxy that ends TLS."""

import json
import os
import subprocess
import sys

import pytest
from django.conf import settings as ours
from django.test import Client

from streamstats.lib.origins import secure_origins

READ = """
import json
from streamstats import settings
names = ["CSRF_TRUSTED_ORIGINS", "SECURE_PROXY_SSL_HEADER", "SESSION_COOKIE_SECURE", "CSRF_COOKIE_SECURE"]
print(json.dumps([getattr(settings, name) for name in names]))
"""
HEADER = ["HTTP_X_FORWARDED_PROTO", "https"]


@pytest.mark.parametrize(
    ("trust", "header", "is_secure"), [("true", HEADER, True), ("false", None, False), (None, None, False)]
)
def test_a_proxy_is_believed_only_when_told_to(trust, header, is_secure):
    environment = {**os.environ, "ALLOWED_HOSTS": "stats.example.org"} | ({"TRUST_PROXY": trust} if trust else {})
    told = subprocess.check_output([sys.executable, "-c", READ], env=environment, cwd=ours.BASE_DIR, text=True)
    assert json.loads(told) == [["https://stats.example.org"], header, is_secure, is_secure]


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("hosts", "origin", "status"),
    [
        pytest.param(["stats.example.org"], "https://stats.example.org", 302, id="our own"),
        pytest.param([".example.org"], "https://stats.example.org", 302, id="below our domain"),
        pytest.param([".example.org"], "https://example.com", 403, id="somebody else's"),
        pytest.param(["stats.example.org"], "http://example.com", 403, id="without TLS"),
    ],
)
def test_logging_in_works_from_our_own_pages(admin_user, settings, hosts, origin, status):
    settings.ALLOWED_HOSTS, settings.CSRF_TRUSTED_ORIGINS = hosts, secure_origins(hosts)
    browser = Client(enforce_csrf_checks=True, SERVER_NAME="stats.example.org")
    browser.get("/admin/login/")
    form = {"username": "admin", "password": "password", "csrfmiddlewaretoken": browser.cookies["csrftoken"].value}
    assert browser.post("/admin/login/", form, headers={"origin": origin}).status_code == status
