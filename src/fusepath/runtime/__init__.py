"""Carrying a plan out on one machine: the only home of ONNX Runtime."""

import os

# Without this ONNX Runtime writes a device id and what it does below the home folder, and looks up
# a host that wants to know. It asks when it is loaded, and this runs before whatever loads it.
os.environ["ORT_DISABLE_TELEMETRY"] = "1"
