from django.apps import AppConfig


class StreamstatsConfig(AppConfig):
    name = "streamstats"

    def ready(self) -> None:
        from streamstats import celery, checks  # noqa: F401, PLC0415 - both need the apps to be loaded
