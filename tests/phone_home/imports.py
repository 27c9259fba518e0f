"""Imports every library of ours that can report or fetch, as the product's own processes would, and waits for what they send."""

from __future__ import annotations

import os
import time

from core.offline import go_quiet
from tests.phone_home.space import raise_loopback, without_route

alone = os.environ.get("PHONE_HOME_ALONE") == "1"
if alone:
    raise_loopback()
if os.environ.get("PHONE_HOME_LOUD") != "1":
    go_quiet()

import gradio  # noqa: E402
import langchain_openai  # noqa: E402
import langsmith  # noqa: E402
import nemoguardrails  # noqa: E402
import nncf  # noqa: E402
import onnxruntime  # noqa: E402
import openvino  # noqa: E402
import tldextract  # noqa: E402

with gradio.Blocks(analytics_enabled=None) as blocks:
    gradio.Markdown("quiet")
rails = nemoguardrails.LLMRails(nemoguardrails.RailsConfig.from_content(yaml_content="models: []"))
assert tldextract.extract("mail.example.co.uk").suffix == "co.uk"
assert not langsmith.utils.tracing_is_enabled()
assert all((langchain_openai, nncf, onnxruntime, openvino))
time.sleep(3)
print(without_route() if alone else 0)
