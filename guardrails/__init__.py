"""Checks on text, in and out: personal data, injection, grounding."""
