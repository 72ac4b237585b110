"""How the admin writes times: what Django knows of English goes before the settings, but not before this."""

DATETIME_FORMAT = "j M Y, H:i:s"  # seconds tell messages apart
DATE_FORMAT = "j M Y"
