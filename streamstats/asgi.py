"""Entry point for the ASGI server."""

import os

from django.core.asgi import get_asgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "streamstats.settings")
os.environ.setdefault("DATABASE_POOL", "true")
application = get_asgi_application()
