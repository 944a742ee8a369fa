"""Every address of the site. Pages under /manage/ are for staff."""

from __future__ import annotations

from django.contrib import admin
from django.contrib.auth import views as auth_views
from django.urls import include, path
from django.views.generic import RedirectView

from webapp.api import api
from webapp.views import (
    account,
    classify,
    comparisons,
    everyday,
    health,
    inspection,
    pictures,
    recognizers,
    review,
    runs,
    searches,
    starting,
    versions,
)

handler500 = "webapp.full_disk.handle_500"

urlpatterns = [
    # visitors
    path("", classify.home, name="home"),
    path("r/<slug:slug>/", classify.recognizer, name="classify"),
    path("api/v1/", api.urls),
    path("language/", include("django.conf.urls.i18n")),  # name: set_language
    path("healthz", health.alive, name="healthz"),
    path("readyz", health.ready, name="readyz"),
    path("metrics", health.show_metrics, name="metrics"),
    path("login/", account.SignIn.as_view(), name="login"),
    path("logout/", auth_views.LogoutView.as_view(), name="logout"),
    path("account/password/", account.ChangePassword.as_view(), name="password-change"),
    path("admin/login/", account.sign_in_for_admin),  # before the admin's own
    path("admin/password_change/", RedirectView.as_view(pattern_name="password-change")),
    path("admin/", admin.site.urls),
    # recognizers
    path("manage/", recognizers.dashboard, name="dashboard"),
    path("manage/new/", recognizers.create, name="recognizer-new"),
    path("manage/runs/", runs.browse, name="runs"),  # before the slugs; no recognizer may be called new or runs
    path("manage/new/everyday/", everyday.add, name="everyday-add"),
    path("manage/<slug:slug>/", recognizers.show, name="recognizer"),
    path("manage/<slug:slug>/edit/", recognizers.edit, name="recognizer-edit"),
    path("manage/<slug:slug>/delete/", recognizers.delete, name="recognizer-delete"),
    path("manage/<slug:slug>/keep/", everyday.keep, name="recognizer-keep"),
    path("manage/<slug:slug>/roll-back/", versions.roll_back, name="roll-back"),
    # labels and pictures
    path("manage/<slug:slug>/labels/new/", recognizers.add_label, name="label-new"),
    path("manage/<slug:slug>/labels/<int:pk>/", recognizers.edit_label, name="label-edit"),
    path("manage/<slug:slug>/pictures/", pictures.browse, name="pictures"),
    path("manage/<slug:slug>/pictures/upload/", pictures.upload, name="upload"),
    path("manage/pictures/<int:pk>/file/", pictures.file, name="picture-file"),
    path("manage/pictures/<int:pk>/delete/", pictures.delete, name="picture-delete"),
    path("manage/imports/<int:pk>/", pictures.show_import, name="import"),
    path("manage/imports/<int:pk>/cancel/", pictures.cancel_import, name="import-cancel"),
    # looking through the pictures
    path("manage/<slug:slug>/review/", review.show, name="review"),
    path("manage/<slug:slug>/review/start/", review.start, name="review-start"),
    path("manage/<slug:slug>/new-split/", review.new_split, name="new-split"),
    path("manage/<slug:slug>/split-anew/", review.split_anew),  # as it was called before
    path("manage/pictures/<int:pk>/judge/", review.judge, name="picture-judge"),
    # training
    path("manage/<slug:slug>/train/", starting.start, name="train"),
    path("manage/<slug:slug>/train/estimate/", starting.estimate, name="train-estimate"),
    path("manage/runs/<int:pk>/", runs.show, name="run"),
    path("manage/runs/<int:pk>/status/", runs.status, name="run-status"),
    path("manage/runs/<int:pk>/cancel/", runs.cancel, name="run-cancel"),
    path("manage/runs/<int:pk>/go-on/", runs.go_on, name="run-go-on"),
    path("manage/runs/<int:pk>/run-again/", runs.run_again, name="run-again"),
    # searches
    path("manage/<slug:slug>/search/", searches.start, name="search-new"),
    path("manage/searches/<int:pk>/", searches.show, name="search"),
    path("manage/searches/<int:pk>/cancel/", searches.cancel, name="search-cancel"),
    # ... where they were called studies
    path("manage/studies/<int:pk>/", RedirectView.as_view(pattern_name="search", permanent=True, query_string=True)),
    path("manage/studies/<int:pk>/cancel/", searches.cancel),
    # versions
    path("manage/<slug:slug>/versions/<int:number>/", versions.show, name="version"),
    path("manage/<slug:slug>/versions/<int:number>/publish/", versions.publish, name="publish"),
    path("manage/<slug:slug>/versions/<int:number>/download/", versions.download, name="version-download"),
    path("manage/<slug:slug>/versions/<int:number>/report/", versions.report, name="version-report"),
    path("manage/<slug:slug>/versions/<int:number>/evaluation/", versions.evaluation, name="version-evaluation"),
    path("manage/<slug:slug>/compare/", comparisons.compare, name="compare"),
    path("manage/<slug:slug>/versions/<int:number>/delete/", versions.delete, name="version-delete"),
    path("manage/<slug:slug>/versions/<int:number>/inside/", inspection.choose, name="inside"),
    path("manage/<slug:slug>/versions/<int:number>/inside/<int:pk>/", inspection.show, name="inside-show"),
    path("manage/<slug:slug>/versions/<int:number>/inside/<int:pk>/cancel/", inspection.cancel, name="inside-cancel"),
    path(
        "manage/<slug:slug>/versions/<int:number>/inside/<int:pk>/<slug:name>.png",
        inspection.drawing,
        name="inside-drawing",
    ),
]
