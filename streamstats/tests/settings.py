"""The settings under test: the defaults, in a home of their own.

A server whose URL is in the environment is used (Postgres: a test database; Redis: database 15 of it).
For the others conftest.py starts an embedded one with the first test that needs it.
"""

import os
import tempfile

os.environ["STREAMSTATS_HOME"] = tempfile.mkdtemp(prefix="streamstats-test-")
os.environ["ENV_FILE"] = os.devnull
os.environ["SECRET_KEY"] = "tests"
if redis_url := os.environ.get("REDIS_URL"):
    os.environ["REDIS_URL"] = f"{redis_url.partition('?')[0]}?db=15"

from streamstats.settings import *  # noqa: F403

PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
CELERY_TASK_ALWAYS_EAGER = True
CELERY_TASK_EAGER_PROPAGATES = True
PAGE_CACHE_SECONDS = 0  # a test that is about the cache switches it on
