"""Entry point for the ASGI server."""

import os

from streamstats import handler

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "streamstats.settings")
os.environ.setdefault("DATABASE_POOL", "true")
application = handler.application()
