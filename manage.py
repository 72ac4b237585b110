#!/usr/bin/env python
"""Run a management command; with no server configured, embedded ones are started for it."""

import os
import sys

from streamstats.local.manage import execute

if __name__ == "__main__":
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "streamstats.settings")
    sys.exit(execute(sys.argv))
