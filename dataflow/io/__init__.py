"""Pictures in and out; importing this loads neither Pillow nor numpy."""

from dataflow.io.image import ImageIO

__all__ = ["ImageIO"]
