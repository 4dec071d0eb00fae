"""Draw the animated picture of how growbuf grows: docs/growing.svg.

    python benchmarks/animation.py [FOLDER]

Three parts, which repeat together: pages that move to a larger range of addresses, a
view that stays valid while rows are appended, and a window whose first pages are given
back. The picture needs no script: it is SVG with CSS animations. Where motion is not
wanted (prefers-reduced-motion) it shows the state at the end.
"""

import sys
from pathlib import Path

GRAY, OURS, NEW, VIEW = "#7d8590", "#2f81f7", "#4c9f45", "#d4761c"
WIDTH, PART, PAGE, STEP = 480, 132, 18, 21
SECONDS = 9
LEFT, TOP = 10, 42


class Picture:
    """Shapes, and the key frames with which they appear, vanish or move."""

    def __init__(self):
        self.shapes, self.rules = [], []

    def animate(self, frames):
        """Add key frames {percent: declarations}; return the class that runs them."""
        name = f"k{len(self.rules)}"
        steps = "".join(f"{percent}%{{{what}}}" for percent, what in frames.items())
        last = frames[max(frames)]
        self.rules.append(
            f".{name}{{animation:{name} {SECONDS}s infinite;{last}}}"
            f"@keyframes {name}{{{steps}}}"
        )
        return name

    def appear(self, start, end=100):
        """Return the class of a shape that is there from `start` to `end` percent."""
        if start <= 0:
            shown = {0: "opacity:1"}
        else:
            shown = {0: "opacity:0", start: "opacity:0", start + 3: "opacity:1"}
        if end < 100:
            shown |= {end: "opacity:1", end + 3: "opacity:0", 100: "opacity:0"}
        return self.animate(shown | ({100: "opacity:1"} if end >= 100 else {}))

    def page(self, x, y, color, names="", dashed=False):
        look = f"fill='none' stroke='{GRAY}' stroke-dasharray='3 3'"
        look = look if dashed else f"fill='{color}'"
        self.shapes.append(
            f"<rect class='{names}' x='{x}' y='{y}' width='{PAGE}' height='{PAGE}' "
            f"rx='3' {look}/>"
        )

    def text(self, x, y, content, names="", color=GRAY):
        self.shapes.append(
            f"<text class='{names}' x='{x}' y='{y}' fill='{color}'>{content}</text>"
        )

    def bracket(self, x, y, npages, text, names=""):
        width = npages * STEP - 4
        self.shapes.append(
            f"<g class='{names}'><path d='M{x} {y}v8h{width}v-8' fill='none' "
            f"stroke='{VIEW}' stroke-width='2'/></g>"
        )
        self.text(x, y + 24, text, names, VIEW)

    def svg(self, height):
        font = "font-family='system-ui, sans-serif' font-size='13'"
        head = (
            f"<svg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 {WIDTH} {height}' "
            f"width='{WIDTH}' height='{height}' {font}>"
        )
        still = "@media(prefers-reduced-motion:reduce){*{animation:none!important}}"
        style = f"<style>.b{{font-weight:bold}}{''.join(self.rules)}{still}</style>"
        return "\n".join([head, style, *self.shapes, "</svg>", ""])


def draw_moving(picture, top):
    """Four pages fill a range, move to a larger one, and four more follow."""
    y = top + TOP
    picture.text(LEFT, top + 22, "A GrowBuffer grows: its pages move", "b")
    far = LEFT + 9 * STEP
    for index in range(10):
        picture.page(far + index * STEP, y, "", picture.appear(28), dashed=True)
    for index in range(4):
        there = f"transform:translate({far - LEFT}px,0)"
        here = "transform:translate(0,0)"
        moves = {0: here, 35: here, 48: there, 100: there}
        name = f"{picture.appear(3 + 4 * index)} "
        inner = picture.animate(moves)
        picture.shapes.append(f"<g class='{inner}'>")
        picture.page(LEFT + index * STEP, y, OURS, name)
        picture.shapes.append("</g>")
    for index in range(4, 8):
        place = far + index * STEP
        picture.page(place, y, NEW, picture.appear(38 + 5 * index))
    picture.text(LEFT, y + 40, "four pages are full", picture.appear(18, 32))
    picture.text(
        LEFT,
        y + 40,
        "the kernel changes the page tables: no byte is copied",
        picture.appear(45),
    )


def draw_view(picture, top):
    """A range is reserved; a view of the first pages stays while others follow."""
    y = top + TOP
    picture.text(LEFT, top + 22, "A GrowArray grows under a view: nothing moves", "b")
    for index in range(16):
        picture.page(LEFT + index * STEP, y, "", dashed=True)
    for index in range(3):
        picture.page(LEFT + index * STEP, y, OURS)
    for index in range(3, 13):
        picture.page(LEFT + index * STEP, y, NEW, picture.appear(20 + 6 * index))
    view = picture.appear(10)
    picture.bracket(LEFT, y + 22, 3, "view = samples.array", view)
    picture.text(LEFT + 8 * STEP, y + 46, "later rows go to reserved addresses")


def draw_window(picture, top):
    """Pages are appended at the end, and given back at the front."""
    y = top + TOP
    picture.text(
        LEFT, top + 22, "A receive buffer: del buffer[:n] moves the start, no byte", "b"
    )
    npages, length = 20, 6
    for index in range(npages):
        start = 2 + 4.2 * (index - length)
        end = 6 + 4.2 * (index + 1) if index < npages - length else 100
        picture.page(LEFT + index * STEP, y, OURS, picture.appear(start, end))
    far = f"transform:translate({(npages - length) * STEP}px,0)"
    moves = {0: "transform:translate(0,0)", 6: "transform:translate(0,0)"}
    moves |= {6 + 4.2 * (npages - length): far, 100: far}
    names = picture.animate(moves) + " linear"
    picture.bracket(LEFT, y + 22, length, "the bytes in the buffer", names)


def draw():
    picture = Picture()
    for index, part in enumerate((draw_moving, draw_view, draw_window)):
        part(picture, index * PART)
    picture.rules.append(".linear{animation-timing-function:linear}")
    return picture.svg(3 * PART)


def main():
    folder = Path(sys.argv[1] if len(sys.argv) > 1 else "docs")
    (folder / "growing.svg").write_text(draw())


if __name__ == "__main__":
    main()
