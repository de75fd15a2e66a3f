"""Facts about single image files, and about a set of them as detectors see it."""

import re
import struct
import zlib
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image

from rrlib.datasets.images import ImageSet, decode, resize
from rrlib.errors import InputError

ALLOWED = "an image must be JPEG or PNG, 8 bits per channel, RGB or grey, opaque"


@pytest.fixture
def pixels() -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (6, 9, 3), dtype=np.uint8)


def refusal(path: Path) -> str:
    with pytest.raises(InputError) as caught:
        decode(path)
    return str(caught.value)


def test_a_png_decodes_to_the_pixels_that_were_saved(tmp_path, pixels):
    Image.fromarray(pixels).save(tmp_path / "face.png")
    np.testing.assert_array_equal(decode(tmp_path / "face.png"), pixels)


def test_the_content_tells_the_format_and_the_name_does_not(tmp_path, pixels):
    Image.fromarray(pixels).save(tmp_path / "face.jpg", format="PNG")
    np.testing.assert_array_equal(decode(tmp_path / "face.jpg"), pixels)


def test_a_progressive_jpeg_is_an_image(tmp_path, pixels):
    Image.fromarray(pixels).save(tmp_path / "face.jpg", progressive=True)
    assert decode(tmp_path / "face.jpg").shape == (6, 9, 3)


def test_grey_becomes_three_equal_channels(tmp_path, pixels):
    Image.fromarray(pixels[..., 0]).save(tmp_path / "grey.png")
    np.testing.assert_array_equal(decode(tmp_path / "grey.png"), np.repeat(pixels[..., :1], 3, axis=2))


def test_a_palette_image_becomes_its_colours(tmp_path):
    image = Image.new("P", (2, 1))
    image.putpalette([255, 0, 0, 0, 0, 255])
    image.putdata([0, 1])
    image.save(tmp_path / "palette.png")
    assert decode(tmp_path / "palette.png").tolist() == [[[255, 0, 0], [0, 0, 255]]]


def test_a_palette_with_an_opaque_alpha_says_nothing(tmp_path, recwarn):
    image = Image.new("P", (2, 1))
    image.putpalette([255, 0, 0, 0, 0, 255])
    image.putdata([0, 1])
    image.save(tmp_path / "palette.png", transparency=b"\xff\xff")
    for _ in range(3):
        assert decode(tmp_path / "palette.png").tolist() == [[[255, 0, 0], [0, 0, 255]]]
    assert not recwarn.list


def test_the_exif_orientation_is_applied(tmp_path, pixels):
    exif = Image.Exif()
    exif[0x0112] = 6  # the camera was turned: show rotated by 90 degrees clockwise
    Image.fromarray(pixels).save(tmp_path / "turned.png", exif=exif)
    np.testing.assert_array_equal(decode(tmp_path / "turned.png"), np.rot90(pixels, -1))


def test_opaque_alpha_is_dropped(tmp_path, pixels):
    Image.fromarray(pixels).convert("RGBA").save(tmp_path / "opaque.png")
    np.testing.assert_array_equal(decode(tmp_path / "opaque.png"), pixels)


def test_one_transparent_pixel_is_refused(tmp_path, pixels):
    path = tmp_path / "clear.png"
    image = Image.fromarray(pixels).convert("RGBA")
    image.putpixel((0, 0), (0, 0, 0, 254))
    image.save(path)
    assert refusal(path) == f"{path}: found transparent pixels, but {ALLOWED}; lay it on an opaque background"


def test_a_transparent_colour_is_refused(tmp_path):
    Image.new("RGB", (2, 2), (1, 2, 3)).save(tmp_path / "key.png", transparency=(1, 2, 3))
    assert "found transparent pixels" in refusal(tmp_path / "key.png")


@pytest.mark.parametrize("colour_type", [0, 2], ids=["grey", "RGB"])
def test_16_bits_per_channel_are_refused(tmp_path, colour_type):
    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    # Pillow cannot write 16-bit RGB, so the file is put together from its chunks
    row = bytes(1 + 2 * (3 if colour_type else 1))
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", 1, 1, 16, colour_type, 0, 0, 0))
    path = tmp_path / "deep.png"
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + header + chunk(b"IDAT", zlib.compress(row)) + chunk(b"IEND", b""))
    assert refusal(path) == f"{path}: found 16 bits per channel, but {ALLOWED}; convert it to 8 bits"


def test_cmyk_is_refused(tmp_path):
    path = tmp_path / "print.jpg"
    Image.new("CMYK", (8, 8)).save(path)
    assert refusal(path) == f"{path}: found CMYK, but {ALLOWED}; convert it to RGB"


@pytest.mark.parametrize("name", ["face.jpg", "face.png"])
def test_a_file_cut_anywhere_is_refused(tmp_path, pixels, name):
    path = tmp_path / name
    Image.fromarray(pixels).save(path)
    whole = path.read_bytes()
    for length in [*range(8, len(whole), 20), *range(len(whole) - 24, len(whole))]:
        path.write_bytes(whole[:length])
        assert refusal(path).startswith(
            f"{path}: found a truncated or damaged {name[-3:].replace('jpg', 'jpeg').upper()}"
        )


def test_a_large_jpeg_without_its_last_byte_is_refused(tmp_path):
    path = tmp_path / "large.jpg"
    noise = np.random.default_rng(0).integers(0, 256, (512, 512, 3), dtype=np.uint8)
    Image.fromarray(noise).save(path)
    path.write_bytes(path.read_bytes()[:-1])
    assert "found a truncated or damaged JPEG" in refusal(path)


def test_a_png_with_a_wrong_checksum_is_refused(tmp_path, pixels):
    path = tmp_path / "face.png"
    Image.fromarray(pixels).save(path)
    data = bytearray(path.read_bytes())
    data[data.index(b"IDAT") + 10] ^= 1
    path.write_bytes(data)
    assert "found a truncated or damaged PNG" in refusal(path)


def test_another_format_is_refused_under_any_name(tmp_path, pixels):
    path = tmp_path / "face.png"
    Image.fromarray(pixels).save(path, format="GIF")
    found = "neither a JPEG nor a PNG file"
    assert refusal(path) == f"{path}: found {found}, but {ALLOWED}; convert it or take it out"


def test_an_empty_file_is_refused(tmp_path):
    (tmp_path / "face.png").touch()
    assert "found an empty file" in refusal(tmp_path / "face.png")


def test_a_file_that_is_not_there_is_refused(tmp_path):
    path = tmp_path / "face.png"
    assert refusal(path) == f"{path} cannot be read (No such file or directory); name a JPEG or PNG file"


@pytest.mark.filterwarnings("ignore::PIL.Image.DecompressionBombWarning")
@pytest.mark.parametrize("side", [9_000, 50_000])
def test_a_decompression_bomb_is_refused_by_its_header(tmp_path, pixels, side):
    path = tmp_path / "bomb.png"
    Image.fromarray(pixels).save(path)
    data = bytearray(path.read_bytes())
    data[16:24] = struct.pack(">II", side, side)
    data[29:33] = struct.pack(">I", zlib.crc32(data[12:29]))
    path.write_bytes(data)
    assert "found too large an image" in refusal(path)


def test_resizing_to_the_same_size_changes_nothing(pixels):
    square = pixels[:, :6]
    assert resize(square, 6) is square


def test_resizing_stretches_to_a_square(pixels):
    assert resize(pixels, 4).shape == (4, 4, 3)


def test_resizing_averages_so_that_fine_patterns_do_not_alias():
    board = np.indices((64, 64)).sum(axis=0) % 2 * 255
    shrunk = resize(np.repeat(board[..., None], 3, axis=2).astype(np.uint8), 8)
    assert np.abs(shrunk.astype(int) - 127.5).max() < 8


@pytest.fixture
def image_set(tmp_path, pixels) -> ImageSet:
    for name, image in [("a", pixels), ("b", 255 - pixels)]:
        Image.fromarray(image).save(tmp_path / f"{name}.png")
    frame = pd.DataFrame(
        {"sample": ["b", "a"], "path": ["b.png", "a.png"], "label": [1, 0], "group": ["7", "007"]}, index=[5, 3]
    )
    return ImageSet(frame, tmp_path, input_size=4)


def test_what_is_kept_is_decoded_once_and_gives_the_same_item(image_set, tmp_path):
    frame = image_set.table.assign(path=["b.png", "a.png"])
    kept = ImageSet(frame, tmp_path, input_size=4, keep=True)
    first = [kept[number][0] for number in range(2)]
    for name in ("a.png", "b.png"):
        (tmp_path / name).unlink()
    assert all(torch.equal(kept[number][0], first[number]) for number in range(2))
    with pytest.raises(InputError, match="cannot be read"):
        image_set[0]


def test_an_item_is_the_resized_image_in_0_to_1_with_label_and_index(image_set, pixels):
    image, label, index = image_set[1]
    assert (image.shape, image.dtype, label, index) == ((3, 4, 4), torch.float32, 0, 1)
    np.testing.assert_array_equal((image * 255).round().numpy(), resize(pixels, 4).transpose(2, 0, 1))


def test_the_table_has_the_samples_in_the_order_of_the_items(image_set):
    assert image_set.table.to_dict("list") == {"sample": ["b", "a"], "group": ["7", "007"], "label": [1, 0]}
    assert image_set.table.index.tolist() == [0, 1]


def test_a_loader_gives_each_item_once(image_set):
    (images, labels, indices), *rest = torch.utils.data.DataLoader(image_set, batch_size=2)
    assert (images.shape, labels.tolist(), indices.tolist(), rest) == ((2, 3, 4, 4), [1, 0], [0, 1], [])


def test_a_file_lost_since_is_an_error_at_its_item(image_set, tmp_path):
    (tmp_path / "a.png").unlink()
    assert image_set[0][1] == 1
    with pytest.raises(InputError, match=re.escape(f"{tmp_path / 'a.png'} cannot be read")):
        image_set[1]
