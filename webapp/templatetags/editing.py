"""The hidden field by which a form knows what its row was like when the page was made."""

from __future__ import annotations

from django import template
from django.utils.html import format_html

from training.models.edits import Edited
from webapp.opened import FIELD, signed

register = template.Library()


@register.simple_tag
def opened_field(row: Edited) -> str:
    """`{% opened_field picture %}`, inside the form."""
    return format_html('<input type="hidden" name="{}" value="{}">', FIELD, signed(row))
