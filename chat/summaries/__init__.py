"""Summaries by a language model, of viewers who agreed and of streams."""
