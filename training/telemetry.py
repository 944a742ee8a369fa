"""Libraries that would call home are kept from it, in every process: `training` does so before it imports any."""

from __future__ import annotations

import os
import sys

REPORTING = ("openvino_telemetry",)  # reports each import of OpenVINO and each conversion to an analytics host
SWITCHES = {"ENABLE_RUNTIME_UPTIME_TELEMETRY": "0"}  # TensorFlow's own, which it would set to 1


def switch_off() -> None:
    """Let a reporting package count as not installed: None in `sys.modules` is Python's documented way to say so.

    OpenVINO then takes its own stand-in, which sends nothing and keeps nothing. Its command to opt out would report
    just that, and write into the home folder.
    """
    for name in REPORTING:
        sys.modules[name] = None  # type: ignore[assignment]
    os.environ.update(SWITCHES)
