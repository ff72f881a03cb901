"""promptlab: one prompt, many models at once; what was asked, sent and answered, side by side."""

__version__ = "0.1.0"
