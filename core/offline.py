"""Switches off what the libraries report or fetch by themselves; called first by every entry point.

docs/privacy.md names each switch, its library and what it would have sent; tests/test_nothing_phones_home.py proves it.
A variable that the operator has set is left as it is, so each switch can be turned back on by hand.
"""

from __future__ import annotations

import os
import sys

QUIET = {
    # The general wish, as Hugging Face, MLflow ("true", not "1"), NeMo Guardrails and vLLM read it.
    "DO_NOT_TRACK": "true",
    "GRADIO_ANALYTICS_ENABLED": "False",
    "HF_HUB_DISABLE_TELEMETRY": "1",
    "HF_HUB_DISABLE_UPDATE_CHECK": "1",
    "DISABLE_SAFETENSORS_CONVERSION": "1",
    "LANGSMITH_TRACING": "false",
    "LANGSMITH_TRACING_V2": "false",
    "LANGCHAIN_TRACING_V2": "false",
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "NEMO_GUARDRAILS_NO_USAGE_STATS": "1",
    "NNCF_CI": "1",
    "ORT_DISABLE_TELEMETRY": "1",
    "TLDEXTRACT_PUBLIC_SUFFIX_LIST_URLS": "",
    "VLLM_NO_USAGE_STATS": "1",
    "VLLM_DO_NOT_TRACK": "1",
}
"""Environment variable to the value that silences its library."""

HUB_OFFLINE = {"HF_HUB_OFFLINE": "1", "HF_DATASETS_OFFLINE": "1"}
"""Set too, unless HF_ENDPOINT names a model hub or mirror to fetch from."""


def go_quiet() -> None:
    """Set the switches for this process and its children; call it before any library is imported."""
    switches = QUIET if os.environ.get("HF_ENDPOINT") else QUIET | HUB_OFFLINE
    for name, value in switches.items():
        os.environ.setdefault(name, value)
    # OpenVINO reports every import, and only a consent file in the user's home folder would stop it. Without this
    # package OpenVINO and NNCF fall back to their own silent stand-ins, so the import is made to fail.
    sys.modules.setdefault("openvino_telemetry", None)  # type: ignore[arg-type]
