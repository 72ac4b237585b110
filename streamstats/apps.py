from django.apps import AppConfig


class StreamstatsConfig(AppConfig):
    name = "streamstats"
