from django.apps import AppConfig


class ChatConfig(AppConfig):
    name = "chat"

    def ready(self) -> None:
        from streams.webhooks.events import KNOWN  # noqa: PLC0415 (models are not there before)

        KNOWN.enter_from("chat.webhookevents")
