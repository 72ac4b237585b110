"""What the frame says about the page inside it: its address, its title once more, and where in the channel it is."""

from html import unescape
from typing import Any

from django import template
from django.http import HttpRequest
from django.template.context import RequestContext
from django.template.loader_tags import BLOCK_CONTEXT_KEY
from django.templatetags.static import static
from django.urls import reverse
from django.utils.html import conditional_escape, format_html, strip_tags
from django.utils.safestring import SafeString

from streamstats.lib.addresses import address

register = template.Library()

# What makes another page of the same address. Anything else is how somebody came here.
SAYS_WHICH = ("id", "range", "by", "provider", "show")


@register.simple_tag(takes_context=True)
def said(context: Any, block: str) -> str:
    """The words of a block once more, for who shows a link to the page."""
    found = context.render_context[BLOCK_CONTEXT_KEY].get_block(block)
    return conditional_escape(" ".join(unescape(strip_tags(found.nodelist.render(context))).split()))


@register.simple_tag(takes_context=True)
def canonical(context: RequestContext) -> str:
    """The one address of this page: names in the case that they have, nothing that only followed somebody here."""
    request: HttpRequest = context["request"]
    match = request.resolver_match
    path = reverse(match.view_name, args=match.args, kwargs=match.kwargs) if match else request.path
    which = request.GET.copy()
    for name in set(which) - set(SAYS_WHICH):
        del which[name]
    return request.build_absolute_uri(f"{path}?{which.urlencode()}" if which else path)


@register.simple_tag(takes_context=True)
def absolute(context: RequestContext, file: str) -> str:
    """A static file with its whole address: pictures of links are fetched by others."""
    request: HttpRequest = context["request"]
    return request.build_absolute_uri(static(file))


@register.simple_tag(takes_context=True)
def section(context: RequestContext, text: str, view: str, *args: str) -> SafeString:
    """A link of the channel's trail, marked where we are: on its page, or on one below it."""
    page = address(view, *args)
    path = context["request"].path.lower()
    current = ' aria-current="page"' if path == page else ' aria-current="true"' if path.startswith(page) else ""
    return format_html('<a href="{}"{}>{}</a>', page, SafeString(current), text)
