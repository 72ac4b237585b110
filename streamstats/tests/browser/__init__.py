"""Tests in a real browser: Chromium, against the real server, with the simulated Twitch behind it."""
