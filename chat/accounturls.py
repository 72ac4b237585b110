"""What is below /account/. Who it is about is never part of an address."""

from django.urls import path

from chat.views import account

urlpatterns = [
    path("", account.overview, name="account"),
    path("hide/", account.hide, name="account_hide"),
    path("show/", account.show, name="account_show"),
    path("stop/", account.stop, name="account_stop"),
    path("resume/", account.resume, name="account_resume"),
    path("agree/", account.agree, name="account_agree"),
    path("withdraw/", account.withdraw, name="account_withdraw"),
    path("channel/", account.set_pages, name="account_channel"),
    path("summaries/", account.set_summaries, name="account_summaries"),
    path("allow/", account.allow, name="account_allow"),
    path("erase/", account.erase, name="account_erase"),
    path("export/", account.export_page, name="account_export"),
    path("export/<int:export_id>/", account.export_file, name="account_export_file"),
]
