"""The API under /api/v1/: what every resource of it shares.

A resource (resources.py) says what is told of one kind of thing, and who may know; a list (views.py) pages through it,
and a problem (problems.py) is what every error looks like. Resources of viewers and of chat stand in those apps, and
streamstats/api.py gives them their addresses. docs/decisions/api.md says why it is as it is.
"""
