"""Portrait of Mira: dusk over the Glass Range, brass goggles, red hair in the wind, a scar through the eyebrow."""

from __future__ import annotations

from draw import Canvas, Linear, Radial, ellipse, mirrored

_SKIN = Linear((170, 250), (350, 480), [(0, "#f0bd98"), (0.55, "#e3a27c"), (1, "#c67f60")])
_SHADOW = "#8c4a3f"
_HAIR = Linear((160, 150), (350, 420), [(0, "#d9562b"), (0.5, "#b23a1e"), (1, "#7a2217")])
_DARK_HAIR = "#5e1a14"
_LEATHER = Linear((120, 520), (400, 768), [(0, "#7a4a2c"), (0.6, "#553019"), (1, "#3a2013")])
_BRASS = Linear((0, 215), (0, 285), [(0, "#f7dd8f"), (0.45, "#c8963c"), (1, "#7c5320")])
_FACE = "M166 300C164 360 172 412 200 448C218 472 238 488 257 488C276 488 297 471 314 447C341 410 349 360 346 300C343 240 310 205 256 205C203 205 169 240 166 300Z"


def draw() -> Canvas:
    """The whole portrait."""
    canvas = Canvas()
    _sky(canvas)
    with canvas.turned(-3, (256, 480)):
        _hair_behind(canvas)
    _body(canvas)
    with canvas.turned(-3, (256, 480)):
        _head(canvas)
    return canvas


def _sky(canvas: Canvas) -> None:
    canvas.fill(
        "M0 0H512V768H0Z",
        Linear(
            (0, 0), (0, 640), [(0, "#1d2b4f"), (0.35, "#45507f"), (0.62, "#c9705f"), (0.82, "#f4a65a"), (1, "#fbd68c")]
        ),
    )
    canvas.fill(ellipse(300, 330, 330, 330), Radial((300, 330), (330, 330), [(0, "#ffe2a0"), (1, "#e08a63")]), 0.35, 60)
    canvas.fill(ellipse(300, 330, 190), Radial((300, 330), (190, 190), [(0, "#fff0c4"), (1, "#fdc878")]), 0.95)
    for path, colour, opacity in (
        (
            "M0 130C60 104 96 132 140 118C190 100 214 124 262 116C220 142 160 140 120 148C70 160 30 152 0 160Z",
            "#6f6a94",
            0.7,
        ),
        (
            "M512 205C470 190 440 212 396 204C360 198 344 216 318 214C360 232 420 226 450 236C480 244 500 238 512 240Z",
            "#d98a72",
            0.8,
        ),
        (
            "M0 392C40 372 84 392 120 384C140 380 160 392 180 390C150 408 96 410 60 418C36 424 14 420 0 424Z",
            "#f7bf7f",
            0.9,
        ),
    ):
        canvas.fill(path, colour, opacity)
    canvas.fill("M0 560L58 470L96 512L150 430L214 520L300 452L352 520L410 446L470 516L512 476V768H0Z", "#8a5b73")
    canvas.fill(
        "M150 430L176 466L158 474L142 462L128 470Z M410 446L432 478L412 486L396 476L384 482Z M58 470L76 490L60 500L42 496Z",
        "#f3cdb0",
    )
    canvas.fill("M0 640L70 556L140 622L230 560L330 640L420 566L512 632V768H0Z", "#5a3f5f")
    _airship(canvas)


def _airship(canvas: Canvas) -> None:
    with canvas.turned(-6, (92, 236)):
        canvas.fill(
            "M24 236C34 206 66 194 98 194C132 194 156 210 168 230C156 254 130 268 98 268C64 268 34 262 24 236Z",
            Linear((0, 194), (0, 268), [(0, "#e9d9c6"), (0.5, "#b8a2a0"), (1, "#6c5a78")]),
        )
        canvas.brush("M24 236C60 226 120 222 168 230", "#6c5a78", 2, (1, 1, 1), 0.5)
        canvas.brush("M40 216C70 204 120 202 154 214", "#6c5a78", 1.6, (1, 1, 1), 0.4)
        canvas.fill("M30 226L8 206L10 232Z M30 246L8 266L10 240Z M32 234L2 230L2 242L32 240Z", "#b14a34")
        canvas.fill("M74 272H124L116 288H82Z", "#4a3550")
        canvas.brush("M80 266V274 M118 266V274", "#4a3550", 2, (1, 1, 1))
        canvas.fill("M86 276H94V281H86Z M99 276H107V281H99Z", "#ffd98a")


def _hair_behind(canvas: Canvas) -> None:
    canvas.fill(
        "M150 340C126 262 148 190 206 160C232 146 268 142 298 150C330 140 366 142 392 120C390 150 374 168 352 178"
        "C382 180 410 176 432 158C428 192 404 214 376 220C404 230 424 232 446 224C430 252 404 266 380 264"
        "C398 286 416 296 438 298C414 320 392 322 376 316C384 340 398 354 414 360C392 378 370 376 356 366L170 400"
        "C152 390 148 370 150 340Z",
        Linear((150, 150), (440, 360), [(0, "#5e1a14"), (0.55, "#8e2a17"), (1, "#e0662f")]),
    )
    for path in (
        "M320 158C350 152 374 146 388 128",
        "M350 186C382 190 410 184 428 166",
        "M366 226C394 238 420 238 440 228",
        "M372 272C392 292 412 298 432 299",
        "M362 320C378 346 392 356 408 360",
    ):
        canvas.brush(path, "#f79a5a", 4, (0, 1, 0.2), 0.65)


_COAT = (
    "M34 768C38 680 62 600 124 560C162 538 190 526 202 500L256 580L312 500C324 526 352 538 390 560"
    "C450 600 474 680 478 768Z"
)


def _body(canvas: Canvas) -> None:
    canvas.fill("M160 520C170 470 200 452 216 448L298 448C320 454 344 474 354 520L256 590Z", "#b08d66")
    canvas.fill(
        "M206 420C208 462 202 490 186 512L256 600L328 512C310 490 304 462 306 420Z",
        Linear((200, 430), (310, 550), [(0, "#c98462"), (1, "#a9654c")]),
    )
    canvas.fill(
        "M204 440C224 478 246 498 260 500C282 498 300 474 308 440L310 490C290 522 240 526 206 496Z", _SHADOW, 0.6, 5
    )
    canvas.fill(_COAT, _LEATHER)
    with canvas.clipped(_COAT):
        canvas.fill("M34 768C38 680 62 600 124 560C104 630 104 700 112 768Z", "#26140d", 0.55, 10)
        canvas.brush("M116 768C112 706 120 660 136 628", "#2b170e", 5, (0.4, 1, 0.2), 0.8)
        canvas.brush("M402 768C406 716 398 668 382 632", "#2b170e", 5, (0.4, 1, 0.2), 0.8)
        canvas.brush("M478 768C474 680 450 600 390 560", "#f5b878", 9, (0, 1, 0.2), 0.6, 2)
        canvas.brush("M150 700C170 716 200 720 220 712", "#2b170e", 4, opacity=0.45, blur=1)
        canvas.brush("M300 742C330 752 360 750 384 738", "#2b170e", 4, opacity=0.45, blur=1)
    _scarf(canvas)
    _collar(canvas)
    _patch(canvas)
    canvas.brush("M256 640V768", "#2b170e", 3, (1, 1), 0.7)
    for y in (700, 748):
        canvas.fill(ellipse(236, y + 2, 10), "#1c0e08", 0.6, 2)
        canvas.fill(ellipse(236, y, 9), Linear((228, y - 9), (244, y + 9), [(0, "#f7dd8f"), (1, "#7c5320")]))
        canvas.fill(ellipse(236, y, 4.5), "#8e6426", 0.8)


def _scarf(canvas: Canvas) -> None:
    canvas.fill(
        "M270 576C296 590 312 622 308 676C296 688 272 690 258 680C270 650 268 612 254 590Z",
        Linear((256, 590), (304, 690), [(0, "#2a7d7b"), (1, "#14424b")]),
    )
    canvas.brush("M280 600C290 626 290 654 284 680", "#123c44", 2.5, (0, 1, 0.6), 0.8)
    canvas.fill(
        "M172 500C192 530 226 550 257 550C290 550 320 530 342 498C356 518 354 546 340 564C320 588 290 602 257 602"
        "C224 602 196 588 176 566C160 546 160 520 172 500Z",
        Linear((170, 510), (340, 604), [(0, "#3a9c96"), (0.6, "#1f6c6f"), (1, "#174a52")]),
    )
    canvas.brush("M176 526C204 556 234 568 262 566C292 564 320 550 342 522", "#123c44", 4, (0, 1, 0), 0.8)
    canvas.brush("M186 560C212 580 242 588 270 584", "#123c44", 3, (0, 1, 0), 0.7)
    canvas.brush("M174 512C200 542 230 556 258 556C290 556 318 540 340 512", "#8fdccd", 2.5, (0, 1, 0), 0.55)


def _collar(canvas: Canvas) -> None:
    """Turned-up lapels of sheepskin: a scalloped edge, curls drawn as short arcs."""
    left = (
        "M104 574C98 562 102 550 112 546C108 532 116 522 127 521C126 508 136 499 147 501C150 489 162 483 172 488"
        "C182 480 195 486 197 496C208 500 210 512 205 520C216 526 217 540 210 547C222 554 224 566 217 573"
        "C230 580 232 593 225 600C238 607 240 620 232 627C244 634 244 648 236 653C240 664 234 676 223 675"
        "C216 684 202 682 198 673C186 675 177 667 178 657C166 656 158 647 161 637C149 635 142 625 146 615"
        "C134 613 127 604 131 594C117 594 106 586 104 574Z"
    )
    for path, shade in ((left, 0.0), (mirrored(left, 257), 0.2)):
        canvas.fill(path, "#1c0e08", 0.5, 7)
        canvas.fill(path, Linear((120, 490), (220, 660), [(0, "#fbf0da"), (0.55, "#ecd8b4"), (1, "#c29f76")]))
        canvas.fill(path, "#8a5a3c", shade)
    for x, y in (
        (140, 528),
        (162, 508),
        (186, 508),
        (128, 556),
        (152, 550),
        (176, 534),
        (196, 530),
        (124, 578),
        (148, 576),
        (172, 560),
        (194, 556),
        (146, 598),
        (168, 586),
        (190, 580),
        (208, 584),
        (164, 616),
        (186, 606),
        (208, 608),
        (182, 634),
        (206, 632),
        (224, 634),
        (198, 656),
        (220, 656),
    ):
        for centre, turn in ((x, 1), (514 - x, -1)):
            left_end, right_end = centre - 8 * turn, centre + 8 * turn
            canvas.brush(
                f"M{left_end} {y + 4}C{left_end} {y - 7} {right_end} {y - 8} {right_end} {y + 2}"
                f"C{right_end} {y + 8} {centre} {y + 9} {centre - turn} {y + 3}",
                "#ad8b62",
                2.4,
                (0.2, 1, 0.8, 0.2),
                0.7,
            )
            canvas.brush(
                f"M{left_end} {y}C{centre - 6 * turn} {y - 8} {centre + 4 * turn} {y - 9} {centre + 7 * turn} {y - 3}",
                "#fffaf0",
                2.2,
                (0, 1, 0),
                0.8,
            )


def _patch(canvas: Canvas) -> None:
    canvas.fill("M340 672L400 664L408 716L348 724Z", "#1c0e08", 0.4, 3)
    canvas.fill("M338 668L398 660L406 712L346 720Z", Linear((340, 664), (400, 720), [(0, "#a07a48"), (1, "#775526")]))
    for x0, y0, x1, y1 in ((342, 672, 394, 665), (400, 668, 404, 706), (398, 710, 350, 716), (346, 712, 341, 676)):
        for step in range(6):
            a, b = step / 6 + 0.03, step / 6 + 0.11
            stitch = f"M{x0 + (x1 - x0) * a} {y0 + (y1 - y0) * a}L{x0 + (x1 - x0) * b} {y0 + (y1 - y0) * b}"
            canvas.brush(stitch, "#f0d9a4", 2.2, (1, 1))


def _head(canvas: Canvas) -> None:
    # Ears.
    for x in (163, 349):
        canvas.fill(ellipse(x, 346, 15, 27), "#cf8a69")
        canvas.fill(ellipse(x + (3 if x < 256 else -3), 348, 7, 16), _SHADOW, 0.45, 2)
    canvas.fill(_FACE, _SKIN)
    with canvas.clipped(_FACE):
        canvas.fill("M352 190C330 270 332 360 322 420C312 456 286 486 250 500H380V190Z", _SHADOW, 0.33, 9)
        canvas.fill("M150 200H360V262C310 244 204 246 150 280Z", _SHADOW, 0.45, 8)
        canvas.fill(ellipse(204, 396, 34, 22), "#d9694f", 0.32, 9)
        canvas.fill(ellipse(310, 396, 32, 22), "#c4523f", 0.3, 9)
        canvas.fill("M160 300C160 360 172 420 204 456C186 410 178 360 180 300Z", "#ffe0b8", 0.6, 4)
        canvas.fill("M226 470C246 480 270 480 290 468C280 486 240 488 226 470Z", _SHADOW, 0.3, 4)
    _eyes(canvas)
    _nose_and_mouth(canvas)
    _hair(canvas)
    _goggles(canvas)


def _eyes(canvas: Canvas) -> None:
    """Grey eyes under heavy lids, brows drawn together, the left one cut by the scar."""
    for side, eye in (
        (-1, "M184 346C194 334 208 329 222 333C232 336 238 343 241 351C226 360 200 361 184 346Z"),
        (1, "M328 346C318 334 304 329 290 333C280 336 274 343 271 351C286 360 312 361 328 346Z"),
    ):
        centre = 256 + side * 43
        canvas.fill(ellipse(centre, 342, 38, 24), _SHADOW, 0.25, 6)
        canvas.fill(
            f"M{256 + side * 74} 345C{256 + side * 62} 326 {256 + side * 40} 321 {256 + side * 30} 326C{256 + side * 22} 330 {256 + side * 17} 340 {256 + side * 14} 351C{256 + side * 24} 340 {256 + side * 60} 336 {256 + side * 74} 345Z",
            "#d08f6c",
        )
        canvas.fill(eye, "#f6ece2")
        with canvas.clipped(eye):
            iris = centre + 1
            canvas.fill(
                ellipse(iris, 344, 13.5, 14),
                Radial((iris, 349), (14, 15), [(0, "#c3d3d8"), (0.6, "#7d97a6"), (1, "#34485a")]),
            )
            canvas.fill(ellipse(iris, 344, 6), "#141c26")
            canvas.fill(ellipse(iris - 5, 338.5, 3.6), "#ffffff", 0.95)
            canvas.fill(ellipse(iris + 5, 350, 2), "#ffffff", 0.6)
            canvas.fill("M176 318H340V340C300 330 220 330 176 344Z", _SHADOW, 0.4, 2)
        outer, inner = 256 + side * 76, 256 + side * 13
        canvas.brush(
            f"M{outer} 347C{256 + side * 64} 332 {256 + side * 48} 326 {256 + side * 34} 331C{256 + side * 24} 335 {256 + side * 18} 342 {inner} 353",
            "#34120f",
            5.5,
            (0.3, 1, 0.9, 0.3),
        )
        canvas.brush(
            f"M{outer - side * 2} 340C{256 + side * 62} 324 {256 + side * 44} 318 {256 + side * 26} 326",
            _SHADOW,
            2.6,
            opacity=0.75,
        )
        canvas.brush(
            f"M{256 + side * 66} 353C{256 + side * 52} 362 {256 + side * 32} 361 {256 + side * 18} 354",
            _SHADOW,
            2.2,
            opacity=0.7,
        )
        canvas.brush(
            f"M{256 + side * 62} 372C{256 + side * 50} 378 {256 + side * 34} 377 {256 + side * 24} 369",
            _SHADOW,
            2.4,
            opacity=0.4,
        )
        canvas.brush(
            f"M{256 + side * 82} 346L{256 + side * 90} 341M{256 + side * 82} 352L{256 + side * 91} 353",
            _SHADOW,
            2,
            opacity=0.45,
        )
    canvas.fill("M172 318C186 300 214 298 242 315C245 321 243 328 239 330C214 317 194 315 175 326Z", "#8a2b19")
    canvas.fill("M340 312C326 296 300 298 272 315C270 321 272 328 276 330C300 317 322 311 338 320Z", "#8a2b19")
    canvas.brush("M195 290C199 308 203 322 202 334", "#f9d8c2", 6, (0.3, 1, 0.8, 0.2))
    canvas.brush("M197 360C198 370 201 382 205 390", "#f6cdb2", 4, (0.2, 1, 0.2), 0.85)
    canvas.brush("M198 292C202 308 205 321 204 333", "#a85c48", 1.6, (0, 1, 0), 0.7)
    canvas.brush("M249 312C247 321 248 329 251 336", _SHADOW, 2.6, opacity=0.65)
    canvas.brush("M265 312C267 321 266 328 264 334", _SHADOW, 2.4, opacity=0.55)


def _nose_and_mouth(canvas: Canvas) -> None:
    canvas.fill("M262 330C266 362 280 384 282 398C276 410 262 412 254 410C264 396 262 362 262 330Z", _SHADOW, 0.35, 3)
    canvas.brush("M236 398C240 408 250 412 258 411C268 412 277 407 280 397", _SHADOW, 3.2, (0.2, 1, 0.8, 1, 0.2), 0.75)
    canvas.fill(ellipse(254, 392, 7, 6), "#ffe3c4", 0.6, 3)
    canvas.fill(
        "M222 436C236 430 248 428 257 432C266 428 278 428 296 430C286 440 272 444 258 444C244 444 232 442 222 436Z",
        "#a8473f",
    )
    canvas.fill("M226 438C244 444 274 444 292 434C286 452 272 460 258 460C244 460 234 452 226 438Z", "#c4645a")
    canvas.fill("M244 450C254 455 266 454 274 449C268 458 250 459 244 450Z", "#f0a494", 0.7, 1.5)
    canvas.brush("M218 437C234 441 246 439 257 441C270 439 286 438 300 428", "#5c1f20", 3.2, (0.3, 1, 1, 1, 0.3))
    canvas.brush("M300 424C305 428 306 433 304 438", _SHADOW, 2.4, opacity=0.6)
    canvas.brush("M238 470C250 475 264 475 276 469", _SHADOW, 2.6, opacity=0.4)


def _hair(canvas: Canvas) -> None:
    canvas.fill(
        "M156 352C136 290 144 224 184 188C226 152 302 146 340 186C368 216 374 286 358 350C354 326 350 306 338 288"
        "C326 272 314 262 306 246C296 262 268 274 236 270C246 262 252 254 254 246C230 264 202 272 180 286"
        "C168 304 160 328 156 352Z",
        _HAIR,
    )
    for path, colour, width, opacity in (
        ("M186 196C170 224 164 256 166 300", "#ef7a45", 7, 0.6),
        ("M214 172C190 196 178 230 176 262", "#ef7a45", 6, 0.55),
        ("M250 160C226 180 206 214 200 256", "#f08a52", 7, 0.6),
        ("M284 160C262 184 246 216 240 256", "#f08a52", 5, 0.45),
        ("M318 176C322 206 330 240 346 282", "#ef7a45", 6, 0.5),
        ("M300 166C300 200 308 226 326 262", "#8a2417", 5, 0.7),
        ("M232 168C214 190 194 226 190 266", "#8a2417", 4, 0.7),
        ("M268 160C250 186 236 220 226 262", "#8a2417", 4, 0.6),
        ("M200 180C182 206 170 240 170 280", "#e2d8ce", 3.5, 0.8),
        ("M330 184C342 214 350 250 354 300", "#e2d8ce", 3.5, 0.8),
    ):
        canvas.brush(path, colour, width, opacity=opacity)
    for path in (
        "M156 318C144 358 150 396 166 422C164 392 166 360 172 318Z",
        "M358 318C370 358 364 396 348 422C350 392 348 360 342 316Z",
    ):
        canvas.fill(path, _HAIR)
    canvas.brush("M160 340C154 368 156 390 164 410", "#ef7a45", 3.5, opacity=0.6)
    canvas.brush("M354 340C360 368 358 390 350 410", "#7a2217", 3.5, opacity=0.6)


def _goggles(canvas: Canvas) -> None:
    canvas.brush("M146 282C170 242 210 226 256 226C302 226 342 242 366 280", "#3a2013", 22, (1, 1, 1))
    canvas.brush("M148 276C172 237 210 220 256 220C302 220 340 237 364 274", "#8a5a35", 4, (1, 1, 1), 0.8)
    for x, tilt in ((207, -8), (305, 8)):
        with canvas.turned(tilt, (x, 232)):
            canvas.fill(ellipse(x, 238, 46, 38), "#2a140d", 0.5, 5)
            canvas.fill(ellipse(x, 232, 45, 37), _BRASS)
            canvas.fill(ellipse(x, 232, 37, 29), "#4a2f14")
            canvas.fill(
                ellipse(x, 232, 35, 27),
                Linear((x - 30, 206), (x + 30, 260), [(0, "#bfe9e4"), (0.4, "#4f9aa5"), (1, "#173e55")]),
            )
            with canvas.clipped(ellipse(x, 232, 35, 27)):
                canvas.fill(f"M{x - 40} 252L{x - 4} 200H{x + 14}L{x - 22} 262Z", "#ffffff", 0.35)
                canvas.fill(f"M{x + 4} 262L{x + 36} 210H{x + 44}L{x + 14} 264Z", "#ffffff", 0.18)
                canvas.fill(f"M{x - 40} 262C{x - 10} 244 {x + 10} 244 {x + 40} 262Z", "#f4a65a", 0.5, 2)
            canvas.brush(f"M{x - 38} 216C{x - 28} 200 {x + 2} 192 {x + 22} 202", "#fff4cf", 3.5, opacity=0.8)
            for dx, dy in ((-41, 0), (41, 0), (0, -33), (0, 33)):
                canvas.fill(ellipse(x + dx, 232 + dy, 2.6), "#6b4517")
    canvas.brush("M246 232C252 224 262 224 267 232", "#c8963c", 9, (1, 1, 1))
    canvas.brush("M247 229C253 222 261 222 266 229", "#f7dd8f", 3, (1, 1, 1), 0.8)
