"""Read, check, encode and store pictures; importing this package loads neither Pillow nor numpy."""

from dataflow.io.image import ImageIO

__all__ = ["ImageIO"]
