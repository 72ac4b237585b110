from django.urls import path

from streams import views

app_name = "streams"
urlpatterns = [
    path("", views.front, name="front"),
]
