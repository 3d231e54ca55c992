"""Portrait of Aldo: the lamp room at night, the great lens behind him, white beard, round glasses, a candle."""

from __future__ import annotations

from math import cos, radians, sin

from draw import Canvas, Linear, Radial, ellipse, mirrored

_SKIN = Linear((170, 230), (350, 470), [(0, "#eec09a"), (0.55, "#dda17a"), (1, "#b97858")])
_SHADOW = "#7c4436"
_WHITE = Linear((160, 330), (340, 560), [(0, "#fdfaf3"), (0.5, "#e9e4dc"), (1, "#b4b3bd")])
_GREY = "#a3a2b2"
_WOOL = Linear((110, 540), (420, 768), [(0, "#4a79a8"), (0.5, "#335d8c"), (1, "#1f3a63")])
_FACE = (
    "M168 300C164 352 168 396 186 430C206 466 232 486 256 486C280 486 306 466 326 430C344 396 348 352 344 300"
    "C342 236 308 202 256 202C204 202 170 236 168 300Z"
)


def draw() -> Canvas:
    """The whole portrait."""
    canvas = Canvas()
    _lamp_room(canvas)
    _body(canvas)
    with canvas.turned(3, (256, 480)):
        _head(canvas)
    _table(canvas)
    return canvas


def _lamp_room(canvas: Canvas) -> None:
    canvas.fill("M0 0H512V768H0Z", Linear((0, 0), (0, 620), [(0, "#0c1a3a"), (0.6, "#1f3a68"), (1, "#3b6288")]))
    for index in range(46):
        x, y = (index * 197 + 31) % 512, (index * 89 + 17) % 430
        canvas.fill(ellipse(x, y, 0.8 + index % 3 * 0.5), "#dfe8ff", 0.85 - index % 4 * 0.15)
    canvas.fill(ellipse(70, 110, 34), Radial((62, 102), (40, 40), [(0, "#fffbe6"), (1, "#e6dcb8")]))
    canvas.fill(ellipse(70, 110, 62), "#fff3c8", 0.16, 18)
    canvas.fill(ellipse(84, 102, 7), "#cfc39a", 0.5)
    canvas.fill(ellipse(60, 122, 5), "#cfc39a", 0.5)
    canvas.fill("M0 520H512V768H0Z", Linear((0, 520), (0, 700), [(0, "#2d5b7d"), (1, "#123050")]))
    for row in range(9):
        y, half = 528 + row * 12, 10 + row * 4
        canvas.brush(f"M{70 - half} {y}H{70 + half}", "#f3e8bf", 3, opacity=0.65 - row * 0.05)
    _lens(canvas)
    for x in (18, 494):
        canvas.fill(
            f"M{x - 9} 0H{x + 9}V768H{x - 9}Z",
            Linear((x - 9, 0), (x + 9, 0), [(0, "#2a2233"), (0.4, "#5a4a52"), (1, "#1c1726")]),
        )
    for y in (14, 476):
        canvas.fill(f"M0 {y - 6}H512V{y + 6}H0Z", Linear((0, y - 6), (0, y + 6), [(0, "#5a4a52"), (1, "#1c1726")]), 0.9)


def _lens(canvas: Canvas) -> None:
    """A Fresnel lens: rings of prisms around a bull's eye, lit from within."""
    x, y = 268, 300
    canvas.fill(ellipse(x, y, 270), "#ffb64d", 0.4, 50)
    canvas.fill(ellipse(x, y, 212), "#6a4a25")
    canvas.fill(
        ellipse(x, y, 206),
        Linear((x - 200, y - 200), (x + 200, y + 200), [(0, "#e7b65c"), (0.5, "#8a5d26"), (1, "#d39c48")]),
    )
    for ring, radius in enumerate(range(196, 40, -22)):
        light = Radial((x, y), (radius, radius), [(0, "#fffbe8"), (0.75, "#ffd98a"), (0.93, "#ffefc0"), (1, "#c98a3e")])
        canvas.fill(ellipse(x, y, radius), light)
        canvas.brush(ellipse(x, y, radius), "#a9702c", 2.4, (1, 1), 0.8)
        for step in range(0, 360, 20):
            angle = radians(step + ring * 6)
            inner, outer = radius - 18, radius - 4
            canvas.brush(
                f"M{x + inner * cos(angle)} {y + inner * sin(angle)}L{x + outer * cos(angle)} {y + outer * sin(angle)}",
                "#fff7dc" if step % 40 else "#d9993f",
                2.4,
                (1, 1),
                0.5,
            )
    canvas.fill(ellipse(x, y, 150), "#fff6d8", 0.5, 40)


_CARDIGAN = (
    "M36 768C40 690 58 616 118 578C156 556 186 546 204 520L256 640L308 520C326 546 356 556 394 578"
    "C454 616 472 690 476 768Z"
)


def _body(canvas: Canvas) -> None:
    canvas.fill(
        "M208 440C210 480 204 510 192 528L256 620L320 528C308 510 302 480 304 440Z",
        Linear((200, 440), (310, 560), [(0, "#c88d68"), (1, "#9c6248")]),
    )
    canvas.fill(_CARDIGAN, _WOOL)
    canvas.fill(
        "M204 520L256 640L308 520L330 548L284 768H228L182 548Z",
        Linear((180, 540), (330, 720), [(0, "#fbf6ea"), (1, "#cfc7ba")]),
    )
    canvas.fill(
        "M242 600H270L278 626L282 768H230L234 626Z", Linear((230, 592), (284, 740), [(0, "#b5553a"), (1, "#7d2f25")])
    )
    for y in (648, 682, 716):
        canvas.brush(f"M233 {y}L280 {y - 14}", "#f0c27a", 5, (1, 1), 0.85)
    canvas.fill("M196 524L256 604L222 634L176 552Z", Linear((180, 530), (240, 630), [(0, "#ffffff"), (1, "#ddd5c8")]))
    canvas.fill("M316 524L256 604L290 634L336 552Z", Linear((336, 530), (270, 630), [(0, "#f1eade"), (1, "#c3bbae")]))
    with canvas.clipped(_CARDIGAN):
        canvas.fill("M36 768C40 690 58 616 118 578C100 640 98 700 106 768Z", "#10203f", 0.5, 9)
        # Knitted ribs.
        for step in range(13):
            x = 56 + step * 8
            for side in (x, 512 - x):
                lean = (side - 256) * 0.10
                canvas.brush(
                    f"M{side - lean} 560C{side} 640 {side + lean * 0.4} 700 {side + lean * 0.5} 768",
                    "#152c50",
                    1.8,
                    (0.4, 1, 1),
                    0.28,
                )
        canvas.brush("M476 768C472 690 454 616 394 578", "#ffcf7d", 9, (0, 1, 0.2), 0.65, 2)
        canvas.brush("M36 768C40 690 58 616 118 578", "#9cc1e0", 6, (0, 1, 0.2), 0.4, 2)
    # Ribbed front bands and buttons.
    band = "M182 548L228 768L196 768L158 562Z"
    for path in (band, mirrored(band)):
        canvas.fill(path, Linear((160, 550), (230, 768), [(0, "#5b8cbb"), (1, "#2a4d7c")]))
    for x, y in ((200, 690), (212, 742)):
        canvas.fill(ellipse(x, y + 2, 9), "#10203f", 0.6, 2)
        canvas.fill(ellipse(x, y, 8), Radial((x - 3, y - 3), (10, 10), [(0, "#b98a56"), (1, "#5e3b1d")]))
        for dx, dy in ((-2.4, 0), (2.4, 0)):
            canvas.fill(ellipse(x + dx, y + dy, 1.3), "#2c190b")


def _head(canvas: Canvas) -> None:
    for side in (-1, 1):
        x = 256 + side * 94
        canvas.fill(ellipse(x, 340, 17, 30), "#cf8f6c")
        canvas.fill(ellipse(x - side * 3, 342, 8, 18), _SHADOW, 0.4, 2)
    hair = (
        "M172 260C150 262 134 284 138 306C126 318 126 340 138 350C134 368 146 384 160 384C164 372 166 360 166 346"
        "C164 318 166 286 178 262Z"
    )
    for path in (hair, mirrored(hair)):
        canvas.fill(path, _WHITE)
    whiskers = "M160 346C156 376 158 396 164 412L188 404C180 384 176 364 176 346Z"
    for path in (
        "M166 272C150 286 148 306 152 322",
        "M158 310C148 324 148 344 154 358",
        "M164 330C158 346 158 362 162 376",
    ):
        canvas.brush(path, _GREY, 3, opacity=0.6)
        canvas.brush(mirrored(path), _GREY, 3, opacity=0.8)
    canvas.fill(_FACE, _SKIN)
    with canvas.clipped(_FACE):
        canvas.fill("M360 180C326 260 330 350 318 420C306 460 280 490 250 500H380V180Z", _SHADOW, 0.3, 10)
        canvas.fill(ellipse(226, 234, 54, 22), "#ffe6c6", 0.65, 14)
        canvas.brush("M170 306C172 270 186 240 214 220", "#ffe2bd", 6, (0, 1, 0), 0.6, 3)
        canvas.fill(ellipse(198, 384, 32, 20), "#d9694f", 0.38, 9)
        canvas.fill(ellipse(314, 384, 32, 20), "#c85a45", 0.36, 9)
    for path in (
        "M206 262C232 253 280 253 306 262",
        "M214 276C236 269 276 269 298 276",
        "M224 248C242 243 270 243 288 248",
    ):
        canvas.brush(path, _SHADOW, 2.4, opacity=0.3)
    _eyes(canvas)
    for path in (whiskers, mirrored(whiskers)):
        canvas.fill(path, _WHITE)
    _beard(canvas)
    _nose(canvas)
    _glasses(canvas)


def _eyes(canvas: Canvas) -> None:
    for side in (-1, 1):
        centre = 256 + side * 45
        canvas.fill(ellipse(centre, 332, 36, 24), _SHADOW, 0.22, 6)
        eye = (
            f"M{centre - 25} 340C{centre - 14} 324 {centre + 14} 324 {centre + 25} 340"
            f"C{centre + 14} 351 {centre - 14} 351 {centre - 25} 340Z"
        )
        canvas.fill(eye, "#fbf5ec")
        with canvas.clipped(eye):
            canvas.fill(
                ellipse(centre + 1, 337, 12.5),
                Radial((centre + 1, 341), (13, 13), [(0, "#b98a4f"), (0.6, "#7a4d24"), (1, "#3c2311")]),
            )
            canvas.fill(ellipse(centre + 1, 337, 5.6), "#1a0f08")
            canvas.fill(ellipse(centre - 4, 332, 3.4), "#ffffff", 0.95)
            canvas.fill(ellipse(centre + 5, 342, 1.9), "#ffffff", 0.6)
            canvas.fill(
                f"M{centre - 30} 310H{centre + 30}V332C{centre + 10} 326 {centre - 10} 326 {centre - 30} 334Z",
                _SHADOW,
                0.4,
                2,
            )
        canvas.brush(
            f"M{centre - 27} 342C{centre - 15} 323 {centre + 15} 323 {centre + 27} 342", "#43241a", 4.6, (0.3, 1, 0.3)
        )
        canvas.brush(
            f"M{centre - 20} 349C{centre - 8} 355 {centre + 8} 355 {centre + 20} 349", _SHADOW, 2.4, opacity=0.7
        )
        canvas.brush(
            f"M{centre - 24} 362C{centre - 10} 369 {centre + 10} 369 {centre + 22} 361", _SHADOW, 2.4, opacity=0.4
        )
        for lift in (-9, 0, 9):
            canvas.brush(
                f"M{256 + side * 76} {340 + lift * 0.3}L{256 + side * 90} {338 + lift}", _SHADOW, 2.2, opacity=0.55
            )
    brow = "M178 312C182 294 206 284 232 294C240 298 244 306 242 312C226 304 206 304 194 314C188 318 180 318 178 312Z"
    for path in (brow, mirrored(brow)):
        canvas.fill(path, _SHADOW, 0.35, 3)
        canvas.fill(path, _WHITE)
    for path in (
        "M184 310C190 300 200 294 212 293",
        "M200 306C208 298 220 296 232 302",
        "M190 314C196 306 206 302 216 302",
    ):
        canvas.brush(path, _GREY, 2, opacity=0.7)
        canvas.brush(mirrored(path), _GREY, 2, opacity=0.7)


_BEARD = (
    "M162 372C158 410 160 448 172 476C164 486 168 500 180 506C182 522 196 532 210 532C216 550 232 560 246 556"
    "C254 568 270 566 276 554C292 558 306 546 308 532C322 530 334 518 334 504C346 496 350 484 342 472"
    "C352 446 354 408 350 372C342 396 326 408 302 404C284 396 270 394 256 396C242 394 228 396 210 404"
    "C186 408 170 396 162 372Z"
)


def _beard(canvas: Canvas) -> None:
    canvas.fill(_BEARD, "#3a1f1a", 0.4, 7)
    canvas.fill(_BEARD, _WHITE)
    with canvas.clipped(_BEARD):
        canvas.fill("M362 380C340 420 330 500 280 570H380V380Z", "#8f8fa6", 0.45, 12)
        for path in (
            "M176 410C176 450 184 484 196 512",
            "M192 420C194 460 204 500 218 528",
            "M212 436C212 476 222 514 238 546",
            "M236 462C234 494 244 528 256 556",
            "M300 436C300 476 292 514 276 546",
            "M320 420C320 460 312 500 298 526",
            "M336 410C336 450 330 484 318 508",
            "M276 462C280 494 272 528 262 552",
        ):
            canvas.brush(path, _GREY, 3, opacity=0.5)
        for path in (
            "M184 414C184 452 194 490 206 516",
            "M224 446C222 482 232 520 246 548",
            "M204 428C204 464 214 500 228 534",
        ):
            canvas.brush(path, "#ffffff", 3.4, opacity=0.9)
    # A smile, half hidden by the moustache.
    canvas.fill("M224 432C240 440 272 440 290 432C284 450 272 458 257 458C242 458 230 450 224 432Z", "#7a2f2c")
    canvas.fill("M232 436C246 441 268 441 282 436L280 441C266 446 248 446 234 441Z", "#fbf5ea")
    canvas.fill("M240 452C250 458 264 458 274 452C268 460 246 460 240 452Z", "#c9695f")
    moustache = (
        "M256 404C244 396 224 398 210 410C198 420 190 424 180 422C186 436 204 442 222 438C238 436 250 430 256 422Z"
    )
    for path in (moustache, mirrored(moustache)):
        canvas.fill(path, "#3a1f1a", 0.3, 3)
        canvas.fill(path, Linear((256, 396), (256, 442), [(0, "#ffffff"), (1, "#c9c7d0")]))
    for path in ("M250 408C236 404 218 412 200 426", "M252 416C238 414 222 424 206 432"):
        canvas.brush(path, _GREY, 2.4, opacity=0.6)
        canvas.brush(mirrored(path), _GREY, 2.4, opacity=0.7)


def _nose(canvas: Canvas) -> None:
    canvas.fill("M262 330C268 356 284 376 286 390C280 404 262 408 252 406C264 392 262 360 262 330Z", _SHADOW, 0.35, 3)
    canvas.fill(ellipse(256, 388, 22, 16), "#e59c78", 0.7, 4)
    canvas.fill(ellipse(250, 382, 8, 6), "#ffe9d0", 0.8, 3)
    canvas.brush("M232 388C232 400 242 406 256 405C270 406 280 400 281 388", _SHADOW, 3.2, (0.2, 1, 0.8, 1, 0.2), 0.7)


def _glasses(canvas: Canvas) -> None:
    for side in (-1, 1):
        x = 256 + side * 46
        ring = ellipse(x, 338, 39)
        canvas.fill(ring, "#ffffff", 0.10)
        with canvas.clipped(ring):
            canvas.fill(f"M{x - 44} 366L{x + 2} 296H{x + 18}L{x - 26} 380Z", "#ffffff", 0.2)
            canvas.fill(f"M{x + 4} 380L{x + 44} 316V340L{x + 22} 380Z", "#ffd890", 0.22)
        canvas.brush(ellipse(x, 339, 39), "#4a2a12", 6, (1, 1), 0.45)
        canvas.brush(ring, "#c99644", 5, (1, 1))
        canvas.brush(f"M{x - 34} 320C{x - 24} 304 {x - 4} 298 {x + 14} 302", "#fff0be", 2.4, opacity=0.9)
        canvas.brush(f"M{256 + side * 84} 332L{256 + side * 98} 326", "#a9762f", 5, (1, 1))
    canvas.brush("M248 332C252 325 260 325 264 332", "#c99644", 5, (1, 1))


def _table(canvas: Canvas) -> None:
    canvas.fill("M0 716C150 700 362 700 512 716V768H0Z", Linear((0, 704), (0, 768), [(0, "#8a5a34"), (1, "#4a2c18")]))
    canvas.brush("M0 717C150 701 362 701 512 717", "#d9a468", 3, (1, 1), 0.7)
    # Candle.
    canvas.fill(ellipse(84, 590, 110), "#ffb347", 0.35, 34)
    canvas.fill(ellipse(84, 726, 40, 10), "#2c190b", 0.5, 4)
    canvas.fill(ellipse(84, 722, 36, 9), Linear((48, 716), (120, 728), [(0, "#e7b65c"), (1, "#7c5320")]))
    canvas.fill(
        "M66 640C72 646 96 646 102 640V720C96 726 72 726 66 720Z",
        Linear((66, 0), (102, 0), [(0, "#fff7e0"), (0.5, "#f3e2b8"), (1, "#c7a66e")]),
    )
    canvas.fill(ellipse(84, 641, 18, 5), "#fffbe9")
    canvas.fill("M97 644C100 660 98 676 94 676C91 676 92 660 92 646Z", "#fffbe9", 0.9)
    canvas.brush("M84 642V630", "#3a2413", 2.6, (1, 1))
    canvas.fill(
        "M84 572C94 592 102 606 98 620C95 632 73 632 70 620C66 606 76 594 84 572Z",
        Linear((84, 572), (84, 632), [(0, "#ffdd6e"), (0.6, "#ffb02e"), (1, "#f07f1e")]),
    )
    canvas.fill("M84 596C90 606 93 614 91 622C89 629 79 629 77 622C75 614 78 606 84 596Z", "#fff8d8")
    canvas.fill("M76 622C78 632 90 632 92 622C92 634 76 634 76 622Z", "#5aa0e8", 0.8, 1)
    # Orange and spoon.
    canvas.fill(ellipse(436, 736, 46, 9), "#2c190b", 0.5, 4)
    canvas.fill(ellipse(432, 700, 37), Radial((418, 684), (54, 54), [(0, "#ffc766"), (0.5, "#f5922b"), (1, "#b3500f")]))
    for index in range(26):
        canvas.fill(ellipse(406 + index * 37 % 54, 676 + index * 23 % 52, 1.1), "#b3560f", 0.45)
    canvas.fill("M430 666C436 660 444 660 448 664C442 670 436 670 430 666Z", "#5f8a3a")
    canvas.brush("M318 742C350 736 372 734 384 733", "#cfd6dd", 5, (0.7, 0.5, 0.8))
    canvas.fill(
        ellipse(302, 744, 19, 9), Linear((286, 738), (318, 752), [(0, "#f4f7fa"), (0.5, "#9aa5b2"), (1, "#e3e8ee")])
    )
