"""What transformers' image processors do where a preprocessor_config.json leaves it open: their defaults, by type.

As of transformers 5; a test compares each with the processor itself. Types that are not here, such as Perceiver's,
which crops before it resizes, do something that `preprocessing` does not know.
"""

from collections.abc import Mapping
from types import MappingProxyType

HALF = ((0.5, 0.5, 0.5), (0.5, 0.5, 0.5))
IMAGENET = ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
CLIP = ((0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711))
BILINEAR, BICUBIC = 2, 3  # Pillow's numbers


def _processor(
    size: int,
    statistics: tuple,
    resample: int = BICUBIC,
    edge: bool = False,
    crop: int | None = None,
    **more: object,
) -> Mapping[str, object]:
    """`size` is of both sides, or of the shorter one if `edge`; `crop` is of a square that is cut out of the middle."""
    found: dict[str, object] = {"default_to_square": not edge, "resample": resample}
    found["size"] = {"shortest_edge": size} if edge else {"height": size, "width": size}
    if crop is not None:
        found |= {"do_center_crop": True, "crop_size": {"height": crop, "width": crop}}
    found["image_mean"], found["image_std"] = (list(each) for each in statistics)
    return MappingProxyType(found | more)


PROCESSORS: Mapping[str, Mapping[str, object]] = {
    "BeitImageProcessor": _processor(224, HALF, crop_size={"height": 224, "width": 224}),
    "BitImageProcessor": _processor(224, CLIP, edge=True, crop=224),
    "CLIPImageProcessor": _processor(224, CLIP, edge=True, crop=224),
    "ConvNextImageProcessor": _processor(384, HALF, edge=True, crop_pct=224 / 256),
    "DeiTImageProcessor": _processor(256, HALF, crop=224),
    "EfficientNetImageProcessor": _processor(
        346, HALF, crop_size={"height": 289, "width": 289}, rescale_offset=False, include_top=True
    ),
    "LevitImageProcessor": _processor(224, IMAGENET, edge=True, crop=224),
    "MobileNetV1ImageProcessor": _processor(256, HALF, BILINEAR, edge=True, crop=224),
    "MobileNetV2ImageProcessor": _processor(256, HALF, BILINEAR, edge=True, crop=224),
    "PvtImageProcessor": _processor(224, IMAGENET),
    "SegformerImageProcessor": _processor(512, IMAGENET, BILINEAR),
    "SiglipImageProcessor": _processor(224, HALF, default_to_square=False),
    "VideoMAEImageProcessor": _processor(224, HALF, BILINEAR, edge=True, crop=224),
    "ViTImageProcessor": _processor(224, HALF, BILINEAR),
    "VivitImageProcessor": _processor(256, HALF, BILINEAR, edge=True, crop=224, rescale_factor=1 / 127.5, offset=True),
}


def name_of(config: Mapping[str, object]) -> str | None:
    """The type of processor that a preprocessor_config.json names, as it is called today; None if it names none.

    >>> name_of({"feature_extractor_type": "ConvNextFeatureExtractor"})
    'ConvNextImageProcessor'
    """
    for key in ("image_processor_type", "feature_extractor_type"):
        if isinstance(name := config.get(key), str):
            return name.removesuffix("Fast").removesuffix("Pil").replace("FeatureExtractor", "ImageProcessor")
    return None
