from django.urls import path

from streams import connect, views

app_name = "streams"
urlpatterns = [
    path("", views.front, name="front"),
    path("connect/bot/", connect.bot, name="connect_bot"),
    path("connect/channel/<int:channel_id>/", connect.channel, name="connect_channel"),
    path("connect/callback/", connect.callback, name="connect_callback"),
    path("connect/<int:grant_id>/disconnect/", connect.disconnect, name="disconnect"),
    path("c/<channel:channel>/streams/", views.stream_list, name="list"),
]
