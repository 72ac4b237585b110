"""Every address of the site."""

from django.contrib import admin
from django.templatetags.static import static
from django.urls import include, path, register_converter
from django.views.generic import RedirectView

from streams.converters import ChannelLogin, ViewerLogin
from streamstats import health, metrics, sitemaps
from streamstats.lib.methods import read_only

register_converter(ChannelLogin, "channel")
register_converter(ViewerLogin, "viewer")

handler404 = "streamstats.errors.not_found"

urlpatterns = [
    path("", include("streams.urls")),
    path("", include("viewers.urls")),
    path("", include("viewers.loginurls")),
    path("", include("chat.urls")),
    path("admin/", admin.site.urls),
    path("api/", include("streamstats.api")),
    path("favicon.ico", read_only(RedirectView.as_view(url=static("favicon.svg")))),  # the admin's pages name none
    path("robots.txt", sitemaps.robots),
    path("sitemap.xml", sitemaps.index, name="sitemap"),
    path("sitemap-<slug:section>.xml", sitemaps.section, name="sitemap_section"),
    path("healthz", health.healthz, name="healthz"),
    path("readyz", health.readyz, name="readyz"),
    path("metrics", metrics.metrics, name="metrics"),
]
