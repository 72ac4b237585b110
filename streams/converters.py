"""Names in addresses."""

from urllib.parse import unquote


class ChannelLogin:
    """The name of a channel, in any case."""

    regex = "[A-Za-z0-9_]{1,64}"

    def to_python(self, value: str) -> str:
        return value.lower()

    def to_url(self, value: str) -> str:
        return value


class ViewerLogin:
    """The name of a viewer. Chat has named people oddly before, so anything but a control character may stand in it."""

    regex = "[^/]{1,200}"

    def to_python(self, value: str) -> str:
        login = unquote(value)
        if not login.isprintable():
            raise ValueError("not a name")
        return login

    def to_url(self, value: str) -> str:
        """Keep a slash inside the name from ending it; Django escapes the rest."""
        return value.replace("%", "%25").replace("/", "%2F") if self.can_be_in_address(value) else "-"

    @staticmethod
    def can_be_in_address(login: str) -> bool:
        """Whether a link with this login would arrive: browsers take dots for folders, however they are escaped."""
        return login not in {"", ".", ".."} and login.isprintable()
