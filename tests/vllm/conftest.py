"""The assistant's own fixtures, for the tests that put a real model server behind it."""

from tests.assistant.conftest import furnished, make_desk

__all__ = ["furnished", "make_desk"]
