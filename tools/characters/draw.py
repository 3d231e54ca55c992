"""A small vector canvas for the portraits: SVG paths, gradients, soft shadows, tapered brush strokes.

Everything is drawn four times too large by Pillow and scaled down once at the end. Coordinates are pixels of the
finished picture, y downwards.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageChops, ImageDraw, ImageFilter

WIDTH, HEIGHT = 512, 768
_SCALE = 4
_STEPS = 28
_TOKENS = re.compile(r"[A-Za-z]|[-+]?(?:\d+\.?\d*|\.\d+)(?:e[-+]?\d+)?")
Point = tuple[float, float]
Stops = Sequence[tuple[float, str]]


def rgb(colour: str) -> tuple[int, int, int]:
    """The components of `#rrggbb`."""
    return int(colour[1:3], 16), int(colour[3:5], 16), int(colour[5:7], 16)


@dataclass(frozen=True)
class Linear:
    """A gradient along the line from one point to another."""

    start: Point
    end: Point
    stops: Stops

    def position(self, x: np.ndarray, y: np.ndarray) -> np.ndarray:
        """Where points lie along the gradient, 0 to 1."""
        (x0, y0), (x1, y1) = self.start, self.end
        dx, dy = x1 - x0, y1 - y0
        return ((x - x0) * dx + (y - y0) * dy) / (dx * dx + dy * dy)


@dataclass(frozen=True)
class Radial:
    """A gradient outwards from a centre, as wide and as high as its two radii."""

    centre: Point
    radii: Point
    stops: Stops

    def position(self, x: np.ndarray, y: np.ndarray) -> np.ndarray:
        """Where points lie along the gradient, 0 to 1."""
        return np.hypot((x - self.centre[0]) / self.radii[0], (y - self.centre[1]) / self.radii[1])


Paint = str | Linear | Radial


def outline(path: str) -> list[np.ndarray]:
    """Flatten an SVG path (M, L, H, V, C, S, Q, Z, absolute or relative) to one polyline a subpath."""
    tokens = _TOKENS.findall(path)
    lines: list[list[np.ndarray]] = []
    here = control = np.zeros(2)
    command, index = "", 0

    def take(count: int) -> np.ndarray:
        nonlocal index
        values = np.array([float(token) for token in tokens[index : index + count]])
        index += count
        return values

    while index < len(tokens):
        if tokens[index].isalpha():
            command = tokens[index]
            index += 1
        origin = here if command.islower() else np.zeros(2)
        kind = command.upper()
        if kind == "Z":
            lines[-1].append(lines[-1][0])
            here = lines[-1][0]
            continue
        if kind == "M":
            here = origin + take(2)
            lines.append([here])
            command = "l" if command == "m" else "L"
        elif kind in "LHV":
            if kind == "L":
                here = origin + take(2)
            else:
                axis = 0 if kind == "H" else 1
                here = here.copy()
                here[axis] = origin[axis] + take(1)[0]
            lines[-1].append(here)
        else:
            points = origin + take({"C": 6, "S": 4, "Q": 4}[kind]).reshape(-1, 2)
            if kind == "Q":
                points = np.stack(
                    [here + 2 / 3 * (points[0] - here), points[1] + 2 / 3 * (points[0] - points[1]), points[1]]
                )
            elif kind == "S":
                points = np.stack([2 * here - control, *points])
            lines[-1].extend(_bezier(here, *points))
            control, here = points[1], points[2]
            continue
        control = here
    return [np.stack(line) for line in lines]


def _bezier(p0: np.ndarray, p1: np.ndarray, p2: np.ndarray, p3: np.ndarray) -> Iterator[np.ndarray]:
    for t in np.linspace(0, 1, _STEPS + 1)[1:]:
        u = 1 - t
        yield u**3 * p0 + 3 * u * u * t * p1 + 3 * u * t * t * p2 + t**3 * p3


def ellipse(x: float, y: float, rx: float, ry: float | None = None) -> str:
    """An ellipse as a path."""
    ry = rx if ry is None else ry
    k = 0.5522847
    return (
        f"M{x - rx} {y}C{x - rx} {y - k * ry} {x - k * rx} {y - ry} {x} {y - ry}"
        f"C{x + k * rx} {y - ry} {x + rx} {y - k * ry} {x + rx} {y}"
        f"C{x + rx} {y + k * ry} {x + k * rx} {y + ry} {x} {y + ry}"
        f"C{x - k * rx} {y + ry} {x - rx} {y + k * ry} {x - rx} {y}Z"
    )


def mirrored(path: str, axis: float = WIDTH / 2) -> str:
    """The path's mirror image about a vertical line; absolute M, L, C, S, Q, Z only."""
    result, on_x = [], True
    for token in _TOKENS.findall(path):
        if token.isalpha():
            result.append(token)
            on_x = True
        else:
            result.append(str(2 * axis - float(token) if on_x else float(token)))
            on_x = not on_x
    return " ".join(result)


class Canvas:
    """A picture to draw on, from back to front."""

    def __init__(self) -> None:
        self._image = Image.new("RGB", (WIDTH * _SCALE, HEIGHT * _SCALE))
        self._clip: Image.Image | None = None
        self._matrix = np.eye(2)
        self._shift = np.zeros(2)

    def finished(self) -> Image.Image:
        """The picture at its real size; colours in steps of three, which nobody sees, halve the file."""
        picture = np.asarray(self._image.resize((WIDTH, HEIGHT), Image.Resampling.LANCZOS), dtype=np.uint16)
        return Image.fromarray(((picture + 1) // 3 * 3).clip(0, 255).astype(np.uint8))

    @contextmanager
    def turned(self, degrees: float, about: Point) -> Iterator[None]:
        """Draw everything inside turned clockwise about a point."""
        saved = self._matrix, self._shift
        angle = np.radians(degrees)
        turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
        centre = np.array(about)
        self._shift = self._matrix @ (centre - turn @ centre) + self._shift
        self._matrix = self._matrix @ turn
        yield
        self._matrix, self._shift = saved

    @contextmanager
    def clipped(self, path: str) -> Iterator[None]:
        """Draw everything inside only where the path is."""
        saved = self._clip
        mask = self._mask([self._placed(line) for line in outline(path)])
        self._clip = mask if saved is None else ImageChops.multiply(mask, saved)
        yield
        self._clip = saved

    def fill(self, path: str, paint: Paint, opacity: float = 1.0, blur: float = 0.0) -> None:
        """Fill a path; `blur` in pixels softens its edge."""
        self._paint(self._mask([self._placed(line) for line in outline(path)], blur), paint, opacity)

    def brush(
        self,
        path: str,
        paint: Paint,
        width: float,
        taper: Sequence[float] = (0, 1, 0),
        opacity: float = 1.0,
        blur: float = 0.0,
    ) -> None:
        """Draw along an open path; `taper` gives the share of `width` at even steps along it."""
        for line in outline(path):
            steps = np.hypot(*np.diff(line, axis=0).T)
            along = np.concatenate([[0], np.cumsum(steps)]) / max(float(steps.sum()), 1e-9)
            half = np.interp(along, np.linspace(0, 1, len(taper)), taper) * width / 2
            tangent = np.gradient(line, axis=0)
            normal = np.stack([-tangent[:, 1], tangent[:, 0]], 1) / np.maximum(np.hypot(*tangent.T), 1e-9)[:, None]
            sides = np.concatenate([line + normal * half[:, None], (line - normal * half[:, None])[::-1]])
            caps = [_disc(line[end], half[end]) for end in (0, -1) if half[end] > 0]
            self._paint(self._mask([self._placed(part) for part in (sides, *caps)], blur), paint, opacity)

    def _placed(self, line: np.ndarray) -> np.ndarray:
        return line @ self._matrix.T + self._shift

    def _mask(self, lines: Sequence[np.ndarray], blur: float = 0.0) -> Image.Image:
        mask = Image.new("L", self._image.size)
        draw = ImageDraw.Draw(mask)
        for line in lines:
            draw.polygon([tuple(point) for point in (line * _SCALE).tolist()], fill=255)
        return mask.filter(ImageFilter.GaussianBlur(blur * _SCALE)) if blur else mask

    def _paint(self, mask: Image.Image, paint: Paint, opacity: float) -> None:
        if self._clip is not None:
            mask = ImageChops.multiply(mask, self._clip)
        if opacity < 1:
            mask = mask.point(lambda level: round(level * opacity))
        box = mask.getbbox()
        if box is None:
            return
        self._image.paste(self._colours(paint, box), box[:2], mask.crop(box))

    def _colours(self, paint: Paint, box: tuple[int, int, int, int]) -> Image.Image:
        width, height = box[2] - box[0], box[3] - box[1]
        if isinstance(paint, str):
            return Image.new("RGB", (width, height), rgb(paint))
        y, x = np.mgrid[box[1] : box[3], box[0] : box[2]].astype(np.float32) / _SCALE
        inverse = np.linalg.inv(self._matrix)
        x, y = x - self._shift[0], y - self._shift[1]
        x, y = inverse[0, 0] * x + inverse[0, 1] * y, inverse[1, 0] * x + inverse[1, 1] * y
        position = paint.position(x, y)
        offsets = [offset for offset, _ in paint.stops]
        channels = zip(*(rgb(colour) for _, colour in paint.stops), strict=True)
        levels = [np.interp(position, offsets, channel) for channel in channels]
        return Image.fromarray(np.stack(levels, -1).round().astype(np.uint8))


def _disc(centre: np.ndarray, radius: float) -> np.ndarray:
    angles = np.linspace(0, 2 * np.pi, 24)
    return centre + radius * np.stack([np.cos(angles), np.sin(angles)], 1)
