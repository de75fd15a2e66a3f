"""Figures of the built book get their texts and their files."""

import base64

from rrlib.report import downloads
from rrlib.report.notebooks import PDF, SVG

ONE, TWO = "1" * 64, "2" * 64
PAGE = (
    f'<img alt="_images/{ONE}.svg" src="../_images/{ONE}.svg" /><img alt="x" src="../_images/{TWO}.svg" />'
    '<a class="take" data-form="svg" data-back="2" download>1</a>'
    '<a class="take" data-form="pdf" data-back="1" download>2</a><img alt="logo" src="logo.png"/>'
)


def test_links_lead_to_the_figures_that_they_stand_below(tmp_path):
    pdf = base64.b64encode(b"%PDF").decode()
    assert downloads.linked(PAGE, [("a <b>", None), ("two", pdf)], tmp_path) == (
        f'<img alt="a &lt;b&gt;" src="../_images/{ONE}.svg" /><img alt="two" src="../_images/{TWO}.svg" />'
        f'<a href="../_images/{ONE}.svg" download>1</a><a href="../_images/{TWO}.pdf" download>2</a>'
        '<img alt="logo" src="logo.png"/>'
    )
    assert [(path.name, path.read_bytes()) for path in tmp_path.iterdir()] == [(f"{TWO}.pdf", b"%PDF")]


def test_the_figures_of_a_notebook_come_in_its_order():
    outputs = [
        {"data": {SVG: "<svg/>", PDF: "JVBERg=="}, "metadata": {SVG: {"alt": "first"}}},
        {"data": {"text/html": "<p>"}, "metadata": {}},
        {"data": {SVG: "<svg/>"}, "metadata": {}},
        {"output_type": "stream", "text": "x"},
    ]
    cells = [{"cell_type": "markdown"}, {"outputs": outputs[:2]}, {"outputs": outputs[2:]}]
    assert downloads.of_notebook({"cells": cells}) == [("first", "JVBERg=="), ("", None)]
