"""Figures of the book are light, look as before, and say in words what they show."""

import base64
import io
import re

import matplotlib.pyplot as plt
import numpy as np
import pytest
from PIL import Image

from rrlib.report import described, figures, notebooks, vector


@pytest.fixture(autouse=True)
def style():
    figures.set_style()
    yield
    plt.close("all")


def svg(figure) -> str:
    written = io.StringIO()
    figure.savefig(written, format="svg", metadata={"Date": None})
    return written.getvalue()


def curves():
    figure, ax = plt.subplots()
    for number in range(3):
        ax.plot(np.linspace(0, 1, 101), np.linspace(0, 1, 101) ** (number + 1), marker="o", label=f"detector {number}")
    ax.set(xlabel="τ, tolerance", ylabel="RR, robust ratio ↑")
    ax.legend()
    return figure


def test_a_figure_of_curves_loses_half_its_bytes_and_none_of_its_words():
    heavy = svg(curves())
    light = vector.lighter(heavy)
    assert len(light) < 0.5 * len(heavy)
    assert re.findall(r"<text[^>]*>([^<]*)</text>", light) == re.findall(r"<text[^>]*>([^<]*)</text>", heavy)


def points(path: str) -> list[tuple[float, float]]:
    """Where a path of straight lines goes, absolute or from point to point."""
    x = y = 0.0
    found = []
    for letter, said in re.findall(r"([MLhvl])([^A-Za-z]*)", path):
        numbers = [float(each) for each in re.findall(r"-?\d*\.?\d+(?:e-?\d+)?", said)]
        if letter in "ML":
            x, y = numbers
        else:
            x, y = {"h": (x + numbers[0], y), "v": (x, y + numbers[0]), "l": (x + numbers[0], y + numbers[-1])}[letter]
        found.append((x, y))
    return found


def test_no_point_moves_by_more_than_a_twentieth_and_no_error_adds_up():
    heavy = svg(curves())
    before, after = (
        [point for d in re.findall(r' d="([^"]*)"', each) if not re.search("[CQ]", d, re.I) for point in points(d)]
        for each in (heavy, vector.lighter(heavy))
    )
    assert len(before) > 300
    assert np.abs(np.array(before) - np.array(after)).max() <= 0.051


def test_every_reference_of_a_light_figure_leads_somewhere_and_no_name_stands_twice():
    light = vector.lighter(svg(curves()))
    names = re.findall(r' id="([^"]+)"', light)
    assert sorted(set(names)) == sorted(names)
    assert set(re.findall(r'["(]#([^")]+)', light)) == set(names) != set()


def test_light_figures_repeat_byte_for_byte_and_lightening_again_changes_no_picture():
    light = vector.lighter(svg(curves()))
    assert vector.lighter(svg(curves())) == light
    assert vector.lighter(light) == light


def png(pixels: np.ndarray) -> bytes:
    written = io.BytesIO()
    Image.fromarray(pixels).save(written, "PNG")
    return written.getvalue()


def unpacked(address: str) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(address.split(",", 1)[1]))).convert("RGB"))


def test_noise_is_kept_pixel_for_pixel():
    noise = np.random.default_rng(0).integers(0, 17, (64, 64, 3)).astype(np.uint8) * 15
    assert (unpacked(vector.packed(png(noise))) == noise).all()


def test_a_smooth_picture_stays_close_in_a_tenth_of_its_bytes():
    ramp = np.linspace(0, 255, 96)
    smooth = np.stack([np.add.outer(ramp, ramp[::-1]) / 2, np.add.outer(ramp, ramp) / 2, ramp * np.ones((96, 1))], -1)
    smooth = (smooth + np.random.default_rng(0).normal(0, 0.7, smooth.shape)).clip(0, 255).astype(np.uint8)
    packed = vector.packed(png(smooth))
    error = float(((unpacked(packed).astype(float) - smooth) ** 2).mean())
    assert 10 * np.log10(255**2 / error) >= vector.CLOSE
    assert len(packed) < len(png(smooth)) / 10


def test_a_small_image_is_embedded_in_its_own_pixels():
    from rrlib.report import pictures

    figure, ax = plt.subplots()
    pictures._show(ax, np.random.default_rng(0).random((32, 32, 3)))
    address = re.search(r'href="(data:[^"]+)"', vector.lighter(svg(figure)))[1]
    assert unpacked(address).shape == (32, 32, 3)


def test_a_figure_is_described_by_what_its_curves_do():
    assert described.described(curves()) == (
        "RR, robust ratio over τ, tolerance. detector 0: 0 at 0, 0.5 at 0.5, 1 at 1; "
        "detector 1: 0 at 0, 0.25 at 0.5, 1 at 1; detector 2: 0 at 0, 0.125 at 0.5, 1 at 1."
    )


def test_a_map_is_described_by_its_axes_its_scale_and_its_range():
    figure, ax = plt.subplots()
    image = ax.imshow([[0.25, 0.5], [0.75, 1.0]])
    ax.set(xlabel="seen by", ylabel="made on")
    figure.colorbar(image, label="RA")
    assert described.described(figure) == "Map of RA, from 0.25 to 1: made on over seen by."


def test_pictures_are_described_by_their_number_rows_and_titles():
    from rrlib.report import pictures

    figure, axes = plt.subplots(1, 2)
    for ax, title in zip(axes, ("real", "fake"), strict=True):
        pictures._show(ax, np.zeros((4, 4, 3)))
        ax.set_title(title)
    axes[0].set_ylabel("clean")
    assert described.described(figure) == "2 pictures in rows: clean. Titles: real; fake."


def test_the_description_survives_the_lightening():
    titled = described.titled(svg(curves()), "RR < 1 & more")
    assert described.words(vector.lighter(titled)) == "RR < 1 & more"


def test_a_figure_without_a_description_has_its_words():
    assert described.words(vector.lighter(svg(curves()))) == (
        "Figure with the words: τ, tolerance, RR, robust ratio ↑, detector 0, detector 1, detector 2."
    )


def test_an_executed_notebook_holds_light_figures():
    import nbformat

    output = nbformat.v4.new_output("display_data", data={notebooks.SVG: svg(curves())})
    cell = nbformat.v4.new_code_cell(outputs=[output])
    tidied = notebooks.tidy(nbformat.v4.new_notebook(cells=[cell]))
    assert "<metadata>" not in tidied.cells[0].outputs[0].data[notebooks.SVG]
