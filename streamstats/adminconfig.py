"""Puts our administration in the place of Django's."""

from django.contrib.admin.apps import AdminConfig


class Administration(AdminConfig):
    default_site = "streamstats.adminsite.OurSite"
