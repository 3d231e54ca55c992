"""Portrait of Hana: a bright kitchen in pastel, black hair, a red camellia behind the ear, a green apron."""

from __future__ import annotations

from math import cos, radians, sin

from draw import Canvas, Linear, Radial, ellipse, mirrored

_SKIN = Linear((180, 250), (340, 470), [(0, "#fde3cb"), (0.6, "#f6cdb0"), (1, "#e2a98c")])
_SHADOW = "#b56a5c"
_HAIR = Linear((150, 150), (360, 460), [(0, "#3b3550"), (0.45, "#231f35"), (1, "#12101f")])
_FACE = (
    "M174 300C172 356 180 402 206 434C224 456 242 470 256 470C270 470 288 456 306 434C332 402 340 356 338 300"
    "C338 236 306 200 256 200C206 200 174 236 174 300Z"
)
_APRON = "#3f8f6b"


def draw() -> Canvas:
    """The whole portrait."""
    canvas = Canvas()
    _kitchen(canvas)
    with canvas.turned(-4, (256, 470)):
        _hair_behind(canvas)
    _body(canvas)
    with canvas.turned(-4, (256, 470)):
        _head(canvas)
    return canvas


def _kitchen(canvas: Canvas) -> None:
    canvas.fill("M0 0H512V768H0Z", Linear((0, 0), (0, 768), [(0, "#fdf0dc"), (0.6, "#f8dcc0"), (1, "#eec3a4")]))
    for row in range(9):
        for column in range(9):
            x, y = column * 64 - (row % 2) * 32, 430 + row * 40
            canvas.fill(
                f"M{x + 2} {y + 2}H{x + 62}V{y + 38}H{x + 2}Z",
                "#fff6ea" if (row * 5 + column * 3) % 4 else "#f6dcc8",
                0.75,
            )
    # Round window with a camellia branch.
    canvas.fill(ellipse(256, 300, 218), "#e4b48f", 0.5, 12)
    canvas.fill(ellipse(256, 296, 212), Linear((256, 84), (256, 508), [(0, "#c98d5f"), (1, "#a86b45")]))
    canvas.fill(
        ellipse(256, 296, 196), Linear((256, 100), (256, 492), [(0, "#bfe6e4"), (0.55, "#dff3ea"), (1, "#fbf3d8")])
    )
    with canvas.clipped(ellipse(256, 296, 196)):
        canvas.fill(ellipse(340, 190, 66), "#fffdf0", 0.9, 16)
        canvas.fill("M20 470C90 380 160 410 220 440C300 380 420 390 500 450V520H20Z", "#a9d8bd", 0.85)
        canvas.fill("M20 500C120 430 200 470 280 480C360 440 430 450 500 490V520H20Z", "#7fbf9f", 0.85)
        canvas.brush("M50 240C110 210 150 180 190 128", "#7a5238", 8, (1, 0.7, 0.3))
        canvas.brush("M470 330C440 300 424 268 420 226", "#7a5238", 6, (1, 0.7, 0.3))
        for x, y, turn, size in (
            (96, 196, -50, 1.0),
            (132, 232, 60, 1.0),
            (160, 150, -70, 0.9),
            (176, 196, 40, 0.9),
            (206, 132, -10, 0.8),
            (414, 258, -30, 0.9),
            (446, 276, 50, 0.9),
            (410, 212, -80, 0.8),
            (446, 226, 30, 0.8),
        ):
            _leaf(canvas, x, y, turn, size)
    _flower(canvas, 112, 172, 25)
    _flower(canvas, 430, 208, 20)
    # Shelf with jars.
    for x, height, colour, lid in (
        (22, 58, "#f2b8a0", "#a86b45"),
        (66, 74, "#a8d5c4", "#6f4a30"),
        (446, 66, "#f3d48a", "#a86b45"),
    ):
        canvas.fill(
            f"M{x} {586 - height}H{x + 36}V586H{x}Z",
            Linear((x, 0), (x + 36, 0), [(0, "#ffffff"), (0.35, colour), (1, "#c99a80")]),
        )
        canvas.fill(f"M{x - 2} {578 - height}H{x + 38}V{590 - height}H{x - 2}Z", lid)
        canvas.brush(f"M{x + 8} {596 - height}V578", "#ffffff", 4, (0.3, 1, 0.3), 0.8)
    canvas.fill("M0 586H130V600H0Z M412 586H512V600H412Z", Linear((0, 586), (0, 600), [(0, "#c98d5f"), (1, "#8f5b39")]))


def _leaf(canvas: Canvas, x: float, y: float, turn: float, size: float) -> None:
    with canvas.turned(turn, (x, y)):
        w, h = 13 * size, 30 * size
        canvas.fill(
            f"M{x} {y - h}C{x + w} {y - h * 0.4} {x + w} {y + h * 0.4} {x} {y + h * 0.7}C{x - w} {y + h * 0.4} {x - w} {y - h * 0.4} {x} {y - h}Z",
            Linear((x - w, y), (x + w, y), [(0, "#4f9a68"), (0.5, "#3a8058"), (0.51, "#2d6b4a"), (1, "#235a3e")]),
        )


def _flower(canvas: Canvas, x: float, y: float, radius: float) -> None:
    """A red camellia: three rounds of petals about golden stamens."""
    canvas.fill(ellipse(x + 2, y + 4, radius * 1.15), "#5a1420", 0.35, 5)
    for ring, (count, reach, size) in enumerate(((7, 0.66, 0.52), (6, 0.42, 0.44), (5, 0.2, 0.34))):
        for step in range(count):
            angle = radians(step * 360 / count + ring * 27)
            px, py = x + cos(angle) * radius * reach, y + sin(angle) * radius * reach
            r = radius * size
            canvas.fill(ellipse(px, py, r), "#7d1226", 0.5)
            canvas.fill(
                ellipse(px - r * 0.08, py - r * 0.1, r * 0.93),
                Radial(
                    (px + cos(angle) * r * 0.5, py + sin(angle) * r * 0.5),
                    (r * 1.5, r * 1.5),
                    [(0, "#f0566a"), (0.6, "#d22f48"), (1, "#a21931")],
                ),
            )
    canvas.fill(ellipse(x, y, radius * 0.24), "#c97a1c")
    for step in range(9):
        angle = radians(step * 40)
        canvas.fill(ellipse(x + cos(angle) * radius * 0.17, y + sin(angle) * radius * 0.17, radius * 0.075), "#ffd766")
    canvas.fill(ellipse(x, y, radius * 0.09), "#fff0b0")


def _hair_behind(canvas: Canvas) -> None:
    canvas.fill(
        "M152 320C144 230 184 160 256 158C328 160 368 230 360 320C366 376 372 420 366 462C352 482 326 486 306 476"
        "L206 476C186 486 160 482 146 462C140 420 146 376 152 320Z",
        Linear((150, 200), (360, 480), [(0, "#2a2540"), (1, "#0e0c19")]),
    )


def _body(canvas: Canvas) -> None:
    canvas.fill(
        "M216 430C218 476 214 500 200 516L256 590L312 516C298 500 294 476 296 430Z",
        Linear((200, 430), (310, 550), [(0, "#eab898"), (1, "#d69a7e")]),
    )
    canvas.fill(
        "M214 436C230 468 244 484 258 486C276 484 288 468 298 440L300 478C284 506 232 508 214 482Z", _SHADOW, 0.5, 5
    )
    blouse = (
        "M70 768C74 690 88 618 140 576C170 556 196 546 208 512C222 548 240 560 256 562C272 560 290 548 304 512"
        "C316 546 342 556 372 576C424 618 438 690 442 768Z"
    )
    canvas.fill(blouse, Linear((90, 520), (420, 768), [(0, "#fffaf2"), (0.6, "#f6e8d8"), (1, "#dcc2ae")]))
    with canvas.clipped(blouse):
        canvas.fill("M70 768C74 690 88 618 140 576C126 640 124 700 130 768Z", "#c49a86", 0.5, 9)
        canvas.fill("M442 768C438 690 424 618 372 576C388 640 392 700 388 768Z", "#c49a86", 0.6, 9)
        for path in (
            "M120 660C132 690 132 730 126 768",
            "M394 650C382 690 382 730 388 768",
            "M146 600C158 620 160 640 156 660",
        ):
            canvas.brush(path, "#c79f8a", 3.4, opacity=0.6)
    # Collar.
    left = "M208 508C196 524 184 540 172 548C186 572 206 590 226 598C236 584 248 572 256 564C236 556 218 540 208 508Z"
    for path in (left, mirrored(left)):
        canvas.fill(path, "#9c6b58", 0.35, 4)
        canvas.fill(path, Linear((180, 510), (320, 600), [(0, "#ffffff"), (1, "#f1e0d0")]))
        canvas.brush(path, "#e0c4b0", 1.6, (1, 1), 0.6)
    # Apron: straps, bib, embroidery.
    strap = "M168 554C160 590 158 612 164 640L186 640C182 612 184 590 192 572Z"
    for path in (strap, mirrored(strap)):
        canvas.fill(path, Linear((150, 550), (200, 640), [(0, "#56a883"), (1, "#2f7254")]))
    bib = "M154 634C220 648 292 648 358 634C366 680 372 724 374 768H138C140 724 146 680 154 634Z"
    canvas.fill(bib, "#5a3b30", 0.35, 7)
    canvas.fill(bib, Linear((150, 634), (370, 768), [(0, "#56a883"), (0.5, _APRON), (1, "#28644a")]))
    with canvas.clipped(bib):
        canvas.brush("M152 645C220 659 292 659 360 645", "#b9e3cd", 2, (1, 1), 0.7)
        for path in (
            "M176 660C184 700 186 740 182 768",
            "M336 660C328 700 326 740 330 768",
            "M214 700C222 730 222 750 218 768",
        ):
            canvas.brush(path, "#235a42", 4, opacity=0.4, blur=1)
    for x in (168, 344):
        canvas.fill(ellipse(x + 7, 645, 7), Radial((x + 5, 642), (9, 9), [(0, "#ffe9c0"), (1, "#b98145")]))
    for turn in (0, 72, 144, 216, 288):
        with canvas.turned(turn, (256, 706)):
            canvas.fill(ellipse(256, 696, 7.5, 9), "#f7c9c4", 0.95)
    canvas.fill(ellipse(256, 706, 5), "#ffd766")
    canvas.brush("M256 718C258 732 256 744 250 754", "#cdeedd", 2.4, (1, 1, 0.5), 0.9)
    canvas.fill("M256 738C266 728 276 728 284 732C278 742 266 746 256 742Z", "#cdeedd", 0.9)


def _head(canvas: Canvas) -> None:
    for side in (-1, 1):
        x = 256 + side * 83
        canvas.fill(ellipse(x, 336, 12, 23), "#eab898")
        canvas.fill(ellipse(x - side * 3, 338, 5, 13), _SHADOW, 0.4, 2)
    canvas.fill(_FACE, _SKIN)
    with canvas.clipped(_FACE):
        canvas.fill("M350 200C326 270 330 350 318 404C304 446 276 476 240 490H370V200Z", _SHADOW, 0.22, 9)
        canvas.fill("M160 190H352V296C310 276 202 276 160 300Z", "#8f5560", 0.4, 9)
        for x in (202, 310):
            canvas.fill(ellipse(x, 386, 30, 19), "#f0837a", 0.42, 9)
            for dx in (-7, 0, 7):
                canvas.brush(f"M{x + dx + 2} 381L{x + dx - 2} 389", "#e06a68", 1.8, (0.6, 1, 0.6), 0.5)
        canvas.brush("M180 310C178 356 186 396 208 428", "#fff2e2", 6, (0, 1, 0), 0.55, 3)
    _eyes(canvas)
    _nose_and_mouth(canvas)
    _hair(canvas)
    _leaf(canvas, 372, 316, 130, 0.8)
    _leaf(canvas, 316, 250, -40, 0.7)
    _flower(canvas, 342, 282, 33)


def _eyes(canvas: Canvas) -> None:
    for side in (-1, 1):
        centre = 256 + side * 41
        inner, outer = centre - side * 23, centre + side * 25
        canvas.fill(ellipse(centre, 332, 32, 24), "#e58f80", 0.25, 7)
        eye = (
            f"M{outer} 338C{centre + side * 16} 318 {centre - side * 10} 316 {inner} 343"
            f"C{centre - side * 12} 357 {centre + side * 12} 359 {outer} 338Z"
        )
        canvas.fill(eye, "#fffaf4")
        with canvas.clipped(eye):
            canvas.fill(
                ellipse(centre, 339, 15, 17),
                Radial((centre, 348), (17, 20), [(0, "#c98a4f"), (0.55, "#7d4a26"), (1, "#35190f")]),
            )
            canvas.fill(ellipse(centre, 338, 7, 8), "#160b0a")
            canvas.fill(ellipse(centre - 5, 331, 4.8, 5.4), "#ffffff", 0.97)
            canvas.fill(ellipse(centre + 6, 346, 2.6), "#ffffff", 0.7)
            canvas.fill(
                f"M{centre - 34} 306H{centre + 34}V329C{centre + 10} 322 {centre - 10} 322 {centre - 34} 331Z",
                "#7a3f45",
                0.4,
                2,
            )
        canvas.brush(
            f"M{inner - side * 1} 345C{centre - side * 12} 316 {centre + side * 14} 314 {outer + side * 4} 334",
            "#1c1222",
            6,
            (0.25, 0.9, 1, 0.55),
        )
        canvas.brush(
            f"M{outer - side * 4} 328C{outer + side * 2} 326 {outer + side * 7} 322 {outer + side * 9} 318",
            "#1c1222",
            4,
            (1, 0.6, 0),
        )
        canvas.brush(
            f"M{outer - side * 1} 333C{outer + side * 5} 332 {outer + side * 10} 330 {outer + side * 12} 327",
            "#1c1222",
            4,
            (1, 0.6, 0),
        )
        canvas.brush(
            f"M{inner + side * 4} 318C{centre - side * 4} 308 {centre + side * 12} 308 {outer} 318",
            _SHADOW,
            2.2,
            opacity=0.7,
        )
        canvas.brush(
            f"M{inner + side * 8} 355C{centre - side * 2} 361 {centre + side * 12} 359 {outer - side * 3} 350",
            _SHADOW,
            2,
            opacity=0.6,
        )
        canvas.brush(
            f"M{inner + side * 2} 297C{centre - side * 6} 289 {centre + side * 14} 289 {outer + side * 5} 303",
            "#2a2238",
            6,
            (0.6, 1, 0.7, 0.1),
        )


def _nose_and_mouth(canvas: Canvas) -> None:
    canvas.fill("M260 340C264 364 270 376 270 384C264 392 254 393 248 391C258 382 258 362 260 340Z", _SHADOW, 0.25, 3)
    canvas.brush("M246 388C250 393 260 394 267 389", _SHADOW, 2.8, (0.3, 1, 0.3), 0.75)
    canvas.fill(ellipse(254, 380, 5, 4), "#fff4e6", 0.8, 2)
    # A small open smile.
    canvas.fill(
        "M232 413C240 411 248 411 256 413C264 411 272 411 280 412C276 425 268 430 256 430C244 430 236 425 232 413Z",
        "#8c2f38",
    )
    canvas.fill(
        "M236 414C248 413 264 413 276 413C275 418 272 420 270 420C260 422 252 422 242 420C239 419 237 417 236 414Z",
        "#fffaf4",
    )
    canvas.brush("M226 410C236 409 248 407 256 411C264 407 276 408 286 408", "#c24f57", 4, (0.2, 1, 0.9, 1, 0.2))
    canvas.brush("M236 424C246 435 266 435 276 423", "#dd6f74", 5, (0.2, 1, 0.2))
    canvas.brush("M246 438C252 441 260 441 266 438", _SHADOW, 2.4, opacity=0.4)
    canvas.brush("M223 406C220 408 220 412 223 414", _SHADOW, 2.4, opacity=0.6)
    canvas.brush("M289 404C292 406 292 410 289 412", _SHADOW, 2.4, opacity=0.6)


def _hair(canvas: Canvas) -> None:
    # Fringe, then the two sides of the bob.
    canvas.fill(
        "M164 316C158 238 192 166 256 164C322 166 354 238 348 316C340 300 334 290 328 272C322 286 318 290 312 298"
        "C308 284 304 274 298 262C292 282 284 290 274 298C270 284 264 274 260 264C252 284 244 292 232 300"
        "C230 286 228 276 226 264C216 284 208 292 198 302C196 292 194 286 192 276C182 290 172 300 164 316Z",
        _HAIR,
    )
    left = (
        "M170 250C150 290 146 350 150 400C152 436 150 456 142 470C160 484 188 484 202 470C188 446 180 410 180 372"
        "C180 340 182 310 192 276Z"
    )
    for path in (left, mirrored(left)):
        canvas.fill(path, _HAIR)
    # Shine: a broken ring, and strands.
    with canvas.clipped("M164 316C158 238 192 166 256 164C322 166 354 238 348 316L256 290Z"):
        canvas.brush(
            "M172 262C190 218 222 202 258 202C292 202 322 218 340 258", "#6f6a96", 16, (0, 0.8, 1, 0.8, 0), 0.55, 3
        )
        canvas.brush(
            "M180 244C196 214 226 198 254 198C284 198 312 212 328 238", "#a9a6cf", 5, (0, 1, 0.4, 1, 0), 0.6, 1
        )
    for path in (
        "M250 168C226 196 214 230 212 280",
        "M262 168C258 200 256 230 258 262",
        "M270 170C294 200 302 236 304 280",
        "M232 172C204 204 190 244 184 290",
        "M284 174C312 206 324 240 330 274",
    ):
        canvas.brush(path, "#0b0914", 2.6, opacity=0.7)
    for path in ("M164 300C156 350 160 410 168 466", "M176 300C168 350 172 420 186 470"):
        canvas.brush(path, "#5d587f", 3, opacity=0.6)
        canvas.brush(mirrored(path), "#4a4568", 2.6, opacity=0.5)
