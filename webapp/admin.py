"""Accounts are kept in Django's own admin; everything else has its page under /manage/."""

from django.contrib import admin

admin.site.site_header = admin.site.site_title = "Discern"
