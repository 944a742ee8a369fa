"""Lengths of time as a person says them."""

from datetime import timedelta

from django import template

register = template.Library()


@register.filter
def minutes(duration: timedelta) -> int:
    """Whole minutes, rounded up."""
    return -(-duration // timedelta(minutes=1))
