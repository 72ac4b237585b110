"""The addresses that social-auth expects under its name; what else it offers, we do not."""

from django.urls import re_path

from viewers import entrance

app_name = "social"
urlpatterns = [
    re_path(r"^login/(?P<backend>twitch)/$", entrance.begin, name="begin"),
    re_path(r"^complete/(?P<backend>twitch)/$", entrance.complete, name="complete"),
]
