"""The words and emotes that the people of the world have."""

import json
from pathlib import Path
from typing import Any, Final

HERE = Path(__file__).parent
WORDS: Final[dict[str, Any]] = json.loads((HERE / "words.json").read_text(encoding="utf-8"))
EMOTES: Final[dict[str, Any]] = json.loads((HERE / "emotes.json").read_text(encoding="utf-8"))
