from django.urls import include, path

from chat.views import (
    achievements,
    boards,
    channel,
    emotes,
    erased,
    live,
    picture,
    privacy,
    recap,
    stream,
    viewer,
    wiki,
)

app_name = "chat"
urlpatterns = [
    path("live", live.front_live, name="front_live"),
    path("account/", include("chat.accounturls")),
    path("erased/<slug:number>/", erased.receipt, name="erased"),
    path("privacy/", privacy.privacy, name="privacy"),
    path("c/<channel:channel>/", channel.overview, name="overview"),
    path("c/<channel:channel>/achievements/", achievements.achievement_list, name="achievements"),
    path("c/<channel:channel>/emotes/", emotes.emote_list, name="emotes"),
    path("c/<channel:channel>/emotes/<int:emote_id>/", emotes.emote_page, name="emote"),
    path("c/<channel:channel>/now/", channel.now, name="now"),
    path("c/<channel:channel>/live", live.channel_live, name="live"),
    path("c/<channel:channel>/leaderboards/", boards.board, name="boards"),
    path("c/<channel:channel>/streams/<slug:stream_id>/", stream.stream_page, name="stream"),
    path("c/<channel:channel>/picture.png", picture.of_channel, name="channel_picture"),
    path("c/<channel:channel>/viewers/<viewer:login>/", viewer.viewer_page, name="viewer"),
    path("c/<channel:channel>/viewers/<viewer:login>/picture.png", picture.of_viewer, name="viewer_picture"),
    path("c/<channel:channel>/viewers/<viewer:login>/recap/<int:year>/", recap.of_viewer, name="viewer_recap"),
    path(
        "c/<channel:channel>/viewers/<viewer:login>/recap/<int:year>/picture.png",
        recap.picture_of_viewer,
        name="viewer_recap_picture",
    ),
    path("c/<channel:channel>/recap/<int:year>/", recap.of_channel, name="channel_recap"),
    path("c/<channel:channel>/recap/<int:year>/picture.png", recap.picture_of_channel, name="channel_recap_picture"),
    path("c/<channel:channel>/viewers/<viewer:login>/wiki/", wiki.history, name="wiki"),
    path("c/<channel:channel>/viewers/<viewer:login>/wiki/edit/", wiki.edit, name="wiki_edit"),
    path("c/<channel:channel>/viewers/<viewer:login>/wiki/lock/", wiki.lock, name="wiki_lock"),
    path("c/<channel:channel>/viewers/<viewer:login>/wiki/remove/", wiki.remove, name="wiki_remove"),
    path("c/<channel:channel>/viewers/<viewer:login>/wiki/<int:number>/", wiki.version, name="wiki_version"),
    path("c/<channel:channel>/viewers/<viewer:login>/wiki/<int:number>/restore/", wiki.restore, name="wiki_restore"),
]
