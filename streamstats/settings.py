"""Everything that can be configured, read once from the environment (see README, "Settings")."""

import warnings
from pathlib import Path

import environ
from csp.constants import NONE, SELF
from django.templatetags.static import static

from streamstats.environment import log_level, switch
from streamstats.lib.origins import origins, secure_origins
from streamstats.local.layout import Layout
from streamstats.local.secret_key import read_or_make_secret_key
from streamstats.logs import logging_config

BASE_DIR = Path(__file__).resolve().parent.parent
env = environ.Env()
environ.Env.read_env(env.str("ENV_FILE", default=str(BASE_DIR / ".env")))

STREAMSTATS_HOME = Path(env.str("STREAMSTATS_HOME", default=str(BASE_DIR / ".data"))).expanduser().resolve()
LAYOUT = Layout(STREAMSTATS_HOME)

# `manage.py` starts an embedded server below STREAMSTATS_HOME for each URL that is not set.
DATABASE_URL = env.str("DATABASE_URL", default="")
REDIS_URL = env.str("REDIS_URL", default="")
EMBEDS_POSTGRES = not DATABASE_URL
EMBEDS_REDIS = not REDIS_URL
IS_ONE_MACHINE = EMBEDS_POSTGRES or EMBEDS_REDIS
REDIS_URL = REDIS_URL or LAYOUT.redis_url

DEBUG = switch("DEBUG")
SECRET_KEY = env.str("SECRET_KEY", default="")
if not SECRET_KEY and (IS_ONE_MACHINE or DEBUG):
    SECRET_KEY = read_or_make_secret_key(LAYOUT.secret_key)
ALLOWED_HOSTS = env.list("ALLOWED_HOSTS", default=["localhost", "127.0.0.1", "[::1]"])
PORT = env.str("PORT", default="8000")

# A proxy that ends TLS asks us over plain HTTP, so a form's origin differs from what we see of its request.
CSRF_TRUSTED_ORIGINS = secure_origins(ALLOWED_HOSTS)
# Only behind a proxy that sets this header itself: anybody else could send it.
TRUST_PROXY = env.bool("TRUST_PROXY", default=False)
SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https") if TRUST_PROXY else None
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = TRUST_PROXY
# Opens /metrics to whoever is not on this machine.
METRICS_TOKEN = env.str("METRICS_TOKEN", default="")

INSTALLED_APPS = [
    "unfold.apps.BasicAppConfig",  # its pages come before Django's
    "streamstats.adminconfig.Administration",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "whitenoise.runserver_nostatic",
    "django.contrib.staticfiles",
    "django.contrib.humanize",
    "django.contrib.sitemaps",
    "csp",
    "social_django",
    "rest_framework",
    "django_filters",
    "drf_spectacular",
    "drf_spectacular_sidecar",
    "streamstats",
    "streams",
    "viewers",
    "chat",
]

MIDDLEWARE = [
    "streams.api.middleware.ApiAnswers",
    "django.middleware.security.SecurityMiddleware",
    "streamstats.staticfiles.WholeFiles",
    "csp.middleware.CSPMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "streamstats.errors.TookTooLong",
]

ROOT_URLCONF = "streamstats.urls"
ASGI_APPLICATION = "streamstats.asgi.application"

TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
                "viewers.access.visitor",
            ],
        },
    },
]

DATABASES = {"default": env.db_url_config(DATABASE_URL or LAYOUT.database_url)}
# Requests that a process answers at once, and most that it has taken in: see streamstats/handler.py.
WEB_THREADS = 4
WEB_WAITING = 500
# How long a request may wait for one answer of the database; 0 is as long as Postgres itself allows. Jobs,
# commands and the ingest take the time they need.
STATEMENT_TIMEOUT_S = env.float("STATEMENT_TIMEOUT_S", default=15.0)
# Threads of requests come and go: `streamstats/asgi.py` switches the pool on, which keeps their connections few and
# warm. Commands and the ingest hold one connection, and see at once when it breaks.
if switch("DATABASE_POOL"):
    # Some more than threads of requests, for streams of events ask too.
    pool = {"min_size": 1, "max_size": 2 * WEB_THREADS + 6, "timeout": 10}
    options = DATABASES["default"].setdefault("OPTIONS", {})
    options["pool"] = pool
    if STATEMENT_TIMEOUT_S:
        # Said as a connection is made, it costs no request anything. What DATABASE_URL says comes later, and counts.
        given = options.get("options", "")
        options["options"] = f"-c statement_timeout={STATEMENT_TIMEOUT_S * 1000:.0f} {given}".rstrip()
    DATABASES["default"]["CONN_HEALTH_CHECKS"] = True  # after a restart of Postgres, the pool is full of dead ones
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

CACHES = {"default": {"BACKEND": "django.core.cache.backends.redis.RedisCache", "LOCATION": REDIS_URL}}

CELERY_BROKER_URL = REDIS_URL.replace("unix://", "redis+socket://", 1).replace("?db=", "?virtual_host=", 1)
CELERY_TASK_IGNORE_RESULT = True
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
CELERY_TIMEZONE = "UTC"

LANGUAGE_CODE = "en"
TIME_ZONE = "UTC"
USE_I18N = False
USE_TZ = True
FORMAT_MODULE_PATH = "streamstats.formats"

STATIC_URL = "static/"
STATIC_ROOT = BASE_DIR / "staticfiles"
STATICFILES_DIRS = [BASE_DIR / "static"]
WHITENOISE_USE_FINDERS = True  # `make run` serves static/ without a collectstatic step ...
warnings.filterwarnings("ignore", message="No directory at", category=UserWarning)  # ... so it need not warn

LOGGING_CONFIG = None
LOG_JSON = switch("LOG_JSON")
logging_config(as_json=LOG_JSON, level=log_level("LOG_LEVEL", default="INFO"))

# What tokens are encrypted with in the database: the first key writes, all of them read.
TOKEN_KEYS = env.list("TOKEN_KEYS", default=[]) or [SECRET_KEY]

# What the marks of erased accounts are made with: keep it when SECRET_KEY changes, or they are not known again.
PRIVACY_KEY = env.str("PRIVACY_KEY", default="") or SECRET_KEY
# How people reach whoever runs this site, for /privacy/: an address of mail or of a page, or a sentence.
CONTACT = env.str("CONTACT", default="")
# Files made for one person, such as exports; served by views that ask who it is, never by address alone.
MEDIA_ROOT = Path(env.str("MEDIA_ROOT", default=str(STREAMSTATS_HOME / "media"))).expanduser().resolve()

# How long a page is kept ready for strangers; what goes on now, 30 seconds at most. A viewer's choice empties it at
# once: see streams/pages.py.
PAGE_CACHE_SECONDS = env.int("PAGE_CACHE_SECONDS", default=300)
# Open pages that are told of news (server-sent events): in one process, and from one address.
LIVE_PAGES = env.int("LIVE_PAGES", default=2000)
LIVE_PAGES_PER_ADDRESS = env.int("LIVE_PAGES_PER_ADDRESS", default=30)

# Webhooks are sent only where everybody could send them, over TLS. This lifts it, for receivers on one's own machine.
WEBHOOK_ALLOW_PRIVATE = switch("WEBHOOK_ALLOW_PRIVATE")
# How long a receiver may take for one, from looking up its name to the end of its answer.
WEBHOOK_TIMEOUT_S = env.float("WEBHOOK_TIMEOUT_S", default=10.0)

# The API: how often whoever has no key may ask in a minute, from one address. Keys have numbers of their own.
API_PER_MINUTE = env.int("API_PER_MINUTE", default=120)
REST_FRAMEWORK = {
    "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
    "DEFAULT_PARSER_CLASSES": ["rest_framework.parsers.JSONParser"],
    "DEFAULT_AUTHENTICATION_CLASSES": [],
    "DEFAULT_PERMISSION_CLASSES": [],
    "DEFAULT_SCHEMA_CLASS": "streams.api.schema.ApiSchema",
    "DEFAULT_METADATA_CLASS": None,
    "EXCEPTION_HANDLER": "streams.api.problems.handle",
    "URL_FORMAT_OVERRIDE": None,
    "TEST_REQUEST_DEFAULT_FORMAT": "json",
}

SPECTACULAR_SETTINGS = {
    "OAS_VERSION": "3.1.0",
    "TITLE": "StreamStats",
    "VERSION": "1",
    "DESCRIPTION": "What StreamStats knows of the channels that it follows. docs/api.md is a guide to it.",
    "SCHEMA_PATH_PREFIX": "/api/v1",
    "SERVE_INCLUDE_SCHEMA": False,
    "SORT_OPERATIONS": False,
    "POSTPROCESSING_HOOKS": ["streams.api.schema.finish"],
    "ENUM_GENERATE_CHOICE_DESCRIPTION": False,
}

# Mail for whoever made a key or a webhook, when something is wrong with it: such as smtps://user:password@host:465.
vars().update(env.email_url("EMAIL_URL", default="dummymail://"))
DEFAULT_FROM_EMAIL = env.str("EMAIL_FROM", default="streamstats@localhost")
# A server of mail that hangs holds up one job, and not for ever.
EMAIL_TIMEOUT = 10

# Our application at Twitch (https://dev.twitch.tv/console). Without it chat is read anonymously, and that is all.
TWITCH_CLIENT_ID = env.str("TWITCH_CLIENT_ID", default="")
TWITCH_CLIENT_SECRET = env.str("TWITCH_CLIENT_SECRET", default="")
# What channels are asked to allow (see streams/scopes.py); all of it where nothing is named.
TWITCH_FEATURES = env.list("TWITCH_FEATURES", default=[])

# Viewers log in with Twitch, staff with a password or with Twitch: see viewers/login.py.
SESSION_ENGINE = "viewers.sessions"
AUTHENTICATION_BACKENDS = ["django.contrib.auth.backends.ModelBackend", "viewers.login.TwitchLogin"]
LOGIN_URL = "/login/twitch/"
SOCIAL_AUTH_TWITCH_SCOPE: list[str] = []
SOCIAL_AUTH_TWITCH_IGNORE_DEFAULT_SCOPE = True  # it would ask for the e-mail address
SOCIAL_AUTH_REQUESTS_TIMEOUT = 10.0
# Nobody is found by name or e-mail address. Of what Twitch answers, id, name and picture are kept.
SOCIAL_AUTH_PIPELINE = (
    "social_core.pipeline.social_auth.social_details",
    "social_core.pipeline.social_auth.social_uid",
    "social_core.pipeline.social_auth.social_user",
    "viewers.login.make_user",
    "viewers.login.remember",
)

# Twitch and the emote providers: every outside service is reached only through these.
TWITCH_HELIX_URL = env.str("TWITCH_HELIX_URL", default="https://api.twitch.tv/helix")
TWITCH_AUTH_URL = env.str("TWITCH_AUTH_URL", default="https://id.twitch.tv/oauth2")
TWITCH_EVENTSUB_WS_URL = env.str("TWITCH_EVENTSUB_WS_URL", default="wss://eventsub.wss.twitch.tv/ws")
TWITCH_EVENTSUB_SUBSCRIPTION_URL = env.str(
    "TWITCH_EVENTSUB_SUBSCRIPTION_URL", default=f"{TWITCH_HELIX_URL.rstrip('/')}/eventsub/subscriptions"
)
TWITCH_IRC_URL = env.str("TWITCH_IRC_URL", default="wss://irc-ws.chat.twitch.tv:443")
TWITCH_CDN_URL = env.str("TWITCH_CDN_URL", default="https://static-cdn.jtvnw.net")
SEVENTV_URL = env.str("SEVENTV_URL", default="https://7tv.io/v3")
SEVENTV_EVENTS_URL = env.str("SEVENTV_EVENTS_URL", default="wss://events.7tv.io/v3")
BTTV_URL = env.str("BTTV_URL", default="https://api.betterttv.net/3")
BTTV_WS_URL = env.str("BTTV_WS_URL", default="wss://sockets.betterttv.net/ws")
BTTV_CDN_URL = env.str("BTTV_CDN_URL", default="https://cdn.betterttv.net")
FFZ_URL = env.str("FFZ_URL", default="https://api.frankerfacez.com/v1")

# A drop-out shorter than this does not end a stream.
STREAM_BREAK_MINUTES = env.int("STREAM_BREAK_MINUTES", default=10)
# How often it is asked who is in chat.
PRESENCE_MINUTES = env.int("PRESENCE_MINUTES", default=5)

# Language models for summaries, in the order they are tried, such as openai:gpt-4o,anthropic:claude-haiku-4-5. Without
# one, summaries are computed from numbers. What the calls of one UTC day may cost, in US dollars.
AI_PROVIDERS = env.list("AI_PROVIDERS", default=[])
AI_DAILY_BUDGET = env.str("AI_DAILY_BUDGET", default="1.00")
AI_TIMEOUT_S = env.float("AI_TIMEOUT_S", default=60.0)
# About how much of what a viewer wrote is read for one summary.
AI_INPUT_TOKENS = env.int("AI_INPUT_TOKENS", default=4000)
OPENAI_API_KEY = env.str("OPENAI_API_KEY", default="")
OPENAI_BASE_URL = env.str("OPENAI_BASE_URL", default="")
ANTHROPIC_API_KEY = env.str("ANTHROPIC_API_KEY", default="")
ANTHROPIC_BASE_URL = env.str("ANTHROPIC_BASE_URL", default="")
GEMINI_API_KEY = env.str("GEMINI_API_KEY", default="")
GEMINI_BASE_URL = env.str("GEMINI_BASE_URL", default="")

# Emote images come from where the providers keep them: their own addresses above, or hosts that their answers name.
EMOTE_IMAGE_HOSTS = ["https://cdn.7tv.app", "https://cdn.frankerfacez.com", "https://static-cdn.jtvnw.net"]
# The administration's pages (django-unfold): who sees what of them is in streamstats/adminsite.py.
UNFOLD = {
    "SITE_TITLE": "StreamStats",
    "SITE_HEADER": "StreamStats",
    "SITE_SYMBOL": "bar_chart",
    "SITE_FAVICONS": [{"rel": "icon", "type": "image/svg+xml", "href": lambda request: static("favicon.svg")}],
    "STYLES": [lambda request: static("admin/theme.css")],
    "SIDEBAR": {"command_search": True, "show_search": True, "show_all_applications": True},
    "COMMAND": {"show_history": False},
    "SHOW_VIEW_ON_SITE": False,
}
CONTENT_SECURITY_POLICY = {
    "DIRECTIVES": {
        "default-src": [SELF],
        "img-src": [SELF, *EMOTE_IMAGE_HOSTS, *origins(TWITCH_CDN_URL, SEVENTV_URL, BTTV_CDN_URL, BTTV_URL, FFZ_URL)],
        "object-src": [NONE],
        "base-uri": [NONE],
        # "Connect" posts a form to us, which leads on to Twitch, and from there who is not logged in to its front page:
        # browsers want every stop allowed.
        "form-action": [SELF, *origins(TWITCH_AUTH_URL, "https://www.twitch.tv")],
        "frame-ancestors": [NONE],
    }
}
