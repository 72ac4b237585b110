from django.urls import path

from viewers import entrance, views

app_name = "viewers"
urlpatterns = [
    path("c/<channel:channel>/viewers/", views.viewer_list, name="list"),
    path("logout/", entrance.leave, name="logout"),
]
