"""Figures of the built book get their texts and their files."""

import base64
import hashlib

from rrlib.report import downloads
from rrlib.report.notebooks import PDF, SVG

ONE, TWO = "1" * 64, "2" * 64
PAGE = (
    f'<img alt="_images/{ONE}.svg" src="../_images/{ONE}.svg" /><img alt="x" src="../_images/{TWO}.svg" />'
    '<a class="take" data-svg="2" download>1</a><a class="take" data-pdf="2">2</a><img alt="logo" src="logo.png"/>'
)


def test_links_lead_to_the_figures_that_they_stand_below(tmp_path):
    printed = f"{hashlib.sha256(b'%PDF').hexdigest()}.pdf"
    assert downloads.linked(PAGE, downloads.Figures(["a <b>", "two"], b"%PDF"), tmp_path) == (
        f'<img alt="a &lt;b&gt;" src="../_images/{ONE}.svg" /><img alt="two" src="../_images/{TWO}.svg" />'
        f'<a href="../_images/{ONE}.svg" download>1</a><a href="../_images/{printed}#page=2">2</a>'
        '<img alt="logo" src="logo.png"/>'
    )
    assert [(path.name, path.read_bytes()) for path in tmp_path.iterdir()] == [(printed, b"%PDF")]


def test_the_figures_of_a_notebook_come_in_its_order_with_one_pdf():
    outputs = [
        {"data": {SVG: "<svg/>"}, "metadata": {SVG: {"alt": "first"}}},
        {"data": {"text/html": "<p>"}, "metadata": {}},
        {"data": {SVG: "<svg/>"}, "metadata": {}},
        {"output_type": "stream", "text": "x"},
        {"data": {"text/html": "<p>", PDF: base64.b64encode(b"%PDF").decode()}, "metadata": {}},
    ]
    cells = [{"cell_type": "markdown"}, {"outputs": outputs[:2]}, {"outputs": outputs[2:]}]
    assert downloads.of_notebook({"cells": cells}) == downloads.Figures(["first", ""], b"%PDF")
    assert downloads.of_notebook({"cells": cells[:2]}) == downloads.Figures(["first"])
