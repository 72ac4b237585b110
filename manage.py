#!/usr/bin/env python
"""Run a management command; with no server configured, embedded ones are started for it."""

import os
import sys


def main() -> int:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "streamstats.settings")
    from streamstats.local.manage import execute

    return execute(sys.argv)


if __name__ == "__main__":
    sys.exit(main())
