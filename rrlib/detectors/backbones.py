"""Two networks of transformers as detectors to be trained: EfficientNet-B4 and ViT-B/16, with random weights."""

from rrlib.detectors.hub import Hub, library
from rrlib.detectors.preprocessing import Preprocessing
from rrlib.errors import InputError

MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)  # of ImageNet
PATCH = 16


def efficientnet_b4(input_size: int = 380) -> Hub:
    """EfficientNet-B4 (Tan and Le 2019, arXiv 1905.11946, width 1.4, depth 1.8); 17,552,202 parameters.

    `input_size` in pixels is at least 32 (the paper: 380), else InputError; the weights do not depend on it.
    """
    if not isinstance(input_size, int) or input_size < 32:
        raise InputError(f"efficientnet-b4 cannot be built for input_size {input_size!r}; choose 32 or more")
    transformers = library()
    config = transformers.EfficientNetConfig(
        image_size=input_size,
        width_coefficient=1.4,
        depth_coefficient=1.8,
        hidden_dim=1792,
        dropout_rate=0.4,
        batch_norm_momentum=0.01,  # transformers' own 0.99 is TensorFlow's: to torch it is the weight of the new batch
        num_labels=2,
    )
    return Hub(transformers.EfficientNetForImageClassification(config), Preprocessing(MEAN, STD))


def vit_b16(input_size: int = 224) -> Hub:
    """ViT-B/16 (Dosovitskiy et al. 2021, arXiv 2010.11929, table 1); 85,800,194 parameters at 224 px.

    `input_size` in pixels is a positive multiple of 16, else InputError; the number of position embeddings, one per
    patch and one more, depends on it.
    """
    if not isinstance(input_size, int) or input_size < PATCH or input_size % PATCH:
        raise InputError(
            f"vit-b16 cannot be built for input_size {input_size!r}; choose a positive multiple of {PATCH}"
        )
    transformers = library()
    config = transformers.ViTConfig(image_size=input_size, patch_size=PATCH, num_labels=2, attn_implementation="eager")
    return Hub(transformers.ViTForImageClassification(config), Preprocessing(mean=(0.5,) * 3, std=(0.5,) * 3))
