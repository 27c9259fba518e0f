"""Governed documents become searchable passages, found only by those who may read them."""
