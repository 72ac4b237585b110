"""Links to people in templates."""

from django import template

from viewers.addresses import viewer_address

register = template.Library()

register.simple_tag(viewer_address)
