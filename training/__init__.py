"""Reviewed flags become adapters."""
