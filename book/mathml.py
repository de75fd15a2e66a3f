"""A Sphinx extension: formulas as MathML, which browsers draw by themselves, without a script or a network."""

from docutils import nodes
from docutils.utils.math import MathError
from docutils.utils.math.latex2mathml import tex2mathml
from sphinx.application import Sphinx
from sphinx.util import logging
from sphinx.writers.html5 import HTML5Translator

LOGGER = logging.getLogger(__name__)
BLOCK = "overflow: auto hidden; padding: 0.5em 0; margin-bottom: 1rem"


def setup(app: Sphinx) -> dict[str, bool]:
    """Offer the renderer; `html_math_renderer: mathml` in _config.yml chooses it."""
    app.add_html_math_renderer("mathml", (_inline, None), (_block, None))
    return {"parallel_read_safe": True, "parallel_write_safe": True}


def _inline(translator: HTML5Translator, node: nodes.math) -> None:
    translator.body.append(_mathml(node, as_block=False))
    raise nodes.SkipNode


def _block(translator: HTML5Translator, node: nodes.math_block) -> None:
    # a formula wider than the page scrolls by itself
    translator.body.append(f'<div style="{BLOCK}">{_mathml(node, as_block=True)}</div>\n')
    raise nodes.SkipNode


def _mathml(node: nodes.Element, as_block: bool) -> str:
    try:
        return tex2mathml(node.astext(), as_block)
    except MathError as error:
        LOGGER.warning("%s is no formula that docutils can read: %s", node.astext(), error, location=node)
        return ""
