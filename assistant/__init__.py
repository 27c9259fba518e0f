"""One question becomes one Turn; the surfaces that people use; the composition root."""
