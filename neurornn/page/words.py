"""Words as a page shows them: safe, with what stands between backticks set as code."""

import re

from markupsafe import Markup, escape


def marked(text: str) -> Markup:
    """Return a sentence as HTML.

    Example:
        >>> marked("a < b: `neurornn fit NAME`")
        Markup('a &lt; b: <code>neurornn fit NAME</code>')
    """
    return Markup(re.sub(r"`([^`]+)`", r"<code>\1</code>", str(escape(text))))
