"""The names that a person may choose from: networks, optimizers, augmentations and the like."""

from __future__ import annotations

# All of keras.applications, as Keras writes them.
APPLICATION_TITLES = {
    title.lower(): title
    for title in (
        *("MobileNetV2", "EfficientNetV2B0", "ResNet50"),
        *("MobileNet", "MobileNetV3Small", "MobileNetV3Large", "NASNetMobile", "NASNetLarge"),
        *("EfficientNetB0", "EfficientNetB1", "EfficientNetB2", "EfficientNetB3"),
        *("EfficientNetB4", "EfficientNetB5", "EfficientNetB6", "EfficientNetB7"),
        *("EfficientNetV2B1", "EfficientNetV2B2", "EfficientNetV2B3"),
        *("EfficientNetV2S", "EfficientNetV2M", "EfficientNetV2L"),
        *("ConvNeXtTiny", "ConvNeXtSmall", "ConvNeXtBase", "ConvNeXtLarge", "ConvNeXtXLarge"),
        *("DenseNet121", "DenseNet169", "DenseNet201"),
        *("ResNet101", "ResNet152", "ResNet50V2", "ResNet101V2", "ResNet152V2"),
        *("InceptionV3", "InceptionResNetV2", "Xception", "VGG16", "VGG19"),
    )
}
LITES = ("efficientnetlite0", "efficientnetlite1", "efficientnetlite2")  # their weights come along
# Two side by side, each seeing the picture its own way; one last layer on what both make of it
PAIRS = {
    "efficientnetlite0and2": ("efficientnetlite0", "efficientnetlite2"),
    "mobilenetv2andlite2": ("mobilenetv2", "efficientnetlite2"),
}
COMPANIONS = tuple(dict.fromkeys(name for both in PAIRS.values() for name in both))
BESIDE_START = (*LITES, "mobilenetv2")  # may answer together with what they were before fine-tuning
TUNABLE = (*LITES, *APPLICATION_TITLES)  # of a pair the last layer alone learns
PRETRAINED = (*LITES, *PAIRS, *APPLICATION_TITLES)
COMMON_APPLICATIONS = tuple(APPLICATION_TITLES)[:3]
FROM_SCRATCH = ("mlp", "lenet5", "cnn", "googlenet")
NETWORKS = (*FROM_SCRATCH, *PRETRAINED)
OPTIMIZERS = ("sgd", "momentum", "nesterov", "adagrad", "rmsprop", "adam", "nadam", "adamw")
SCHEDULES = ("constant", "step", "cosine", "plateau")
ACTIVATIONS = ("relu", "leaky_relu", "gelu", "elu", "selu", "silu", "tanh", "sigmoid")
INITIALIZERS = ("glorot_uniform", "he_normal", "lecun_normal", "random_normal", "zeros")
PADDINGS = ("same", "valid")
POOLINGS = ("max", "average", "none")
LOSSES = ("cross_entropy", "mean_squared_error")
CLASS_WEIGHTS = ("none", "square_root", "balanced")
FINE_TUNINGS = ("none", "upper", "whole")
PRECISIONS = ("auto", "float32", "mixed")
AUGMENTATIONS = (
    *("flip", "vertical_flip", "rotation", "zoom", "translation", "shear"),
    *("contrast", "brightness", "colour", "blur", "erasing", "invert"),
)


def companions_of(network: str) -> dict[str, str]:
    """What may stand beside a network, and under which name both stand side by side."""
    return {other: pair for pair, both in PAIRS.items() if network in both for other in both if other != network}
