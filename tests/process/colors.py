"""Measures how distinct colors are: contrast as WCAG 2.2 defines it, and distance in OKLab."""


def _linear(color):
    channels = (int(color[i:i + 2], 16) / 255 for i in (1, 3, 5))
    return [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]


def contrast(one, other):
    """Returns the contrast of two "#rrggbb", 1 to 21."""
    dark, light = sorted(0.2126 * r + 0.7152 * g + 0.0722 * b for r, g, b in (_linear(one), _linear(other)))
    return (light + 0.05) / (dark + 0.05)


def _oklab(color):
    r, g, b = _linear(color)
    long = (0.4122214708 * r + 0.5363325363 * g + 0.0514459929 * b) ** (1 / 3)
    medium = (0.2119034982 * r + 0.6806995451 * g + 0.1073969566 * b) ** (1 / 3)
    short = (0.0883024619 * r + 0.2817188376 * g + 0.6299787005 * b) ** (1 / 3)
    return (0.2104542553 * long + 0.7936177850 * medium - 0.0040720468 * short,
            1.9779984951 * long - 2.4285922050 * medium + 0.4505937099 * short,
            0.0259040371 * long + 0.7827717662 * medium - 0.8086757660 * short)


def difference(one, other):
    """Returns the distance in OKLab: 0.02 is about the limit of visibility side by side."""
    return sum((a - b) ** 2 for a, b in zip(_oklab(one), _oklab(other))) ** 0.5
