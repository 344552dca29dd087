"""Renders text as the networks of PP-OCR take it, values from -1 to 1. Needs numpy and Pillow.

render_text.py KIND WORDS.txt OUT.npz TRUTH.json SEED COUNT

KIND is `lines`, (3, 48, 320) with the texts; `turned`, lines of (3, 48, 192) of which every other one is upside down, with
labels; `pages`, (3, 320, 320) with the boxes of their lines as left, top, right, bottom.
"""

import json
import random
import sys

import numpy
from PIL import Image, ImageDraw, ImageFont

FONTS = [
    "/usr/share/fonts/truetype/dejavu/" + name
    for name in ("DejaVuSans.ttf", "DejaVuSerif.ttf", "DejaVuSansMono.ttf", "DejaVuSerif-Bold.ttf")
]
HEIGHT, PAGE = 48, 320

kind, words_file, out, truth_file, seed, count = sys.argv[1:]
chance = random.Random(int(seed))
noise = numpy.random.default_rng(int(seed))
words = sorted(set(open(words_file, encoding="utf8").read().split()))


def as_input(picture, deviation):
    grey = numpy.asarray(picture, numpy.float32)
    grey = grey + noise.normal(0, deviation, grey.shape)
    return numpy.repeat((numpy.clip(grey, 0, 255) / 127.5 - 1)[None], 3, 0)


def line(width, most):
    """A line of text that fits, and its text; nothing where it does not."""
    text = " ".join(chance.choice(words) for _ in range(chance.randint(1, most)))
    font = ImageFont.truetype(chance.choice(FONTS), chance.randint(20, 32))
    if font.getlength(text) > width - 16:
        return None
    paper, ink = chance.randint(170, 255), chance.randint(0, 90)
    picture = Image.new("L", (width, HEIGHT), paper)
    ImageDraw.Draw(picture).text((8, HEIGHT / 2), text, fill=ink, font=font, anchor="lm")
    picture = picture.rotate(chance.uniform(-1.5, 1.5), fillcolor=paper, resample=Image.BILINEAR)
    return picture, text, chance.uniform(0, 14)


def page():
    """Lines of several sizes between shades and rules, and the boxes of the lines."""
    paper = chance.randint(170, 255)
    picture = Image.new("L", (PAGE, PAGE), paper)
    draw = ImageDraw.Draw(picture)
    for _ in range(chance.randint(0, 3)):
        x, y = chance.randint(0, PAGE), chance.randint(0, PAGE)
        size = (x, y, x + chance.randint(20, 160), y + chance.randint(20, 160))
        draw.rectangle(size, fill=max(0, paper - chance.randint(5, 45)))
    boxes, top = [], chance.randint(6, 40)
    while top < PAGE - 40:
        size = chance.randint(14, 30)
        font = ImageFont.truetype(chance.choice(FONTS), size)
        text = " ".join(chance.choice(words) for _ in range(chance.randint(1, 4)))
        left = chance.randint(6, 90)
        if left + font.getlength(text) > PAGE - 6:
            continue
        draw.text((left, top), text, fill=chance.randint(0, 90), font=font, anchor="lt")
        boxes.append(draw.textbbox((left, top), text, font=font, anchor="lt"))
        top = boxes[-1][3] + chance.randint(14, 40)
        if chance.random() < 0.15 and top < PAGE - 60:
            draw.line((10, top, PAGE - 10, top), fill=chance.randint(60, 140), width=2)
            top += chance.randint(14, 24)
    return picture, boxes, chance.uniform(0, 14)


inputs, truth = [], []
while len(truth) < int(count):
    made = page() if kind == "pages" else line(320, 4) if kind == "lines" else line(192, 2)
    if made is None:
        continue
    picture, known, deviation = made
    if kind == "turned":
        known = len(truth) % 2
        picture = picture.rotate(180 * known)
    inputs.append(as_input(picture, deviation))
    truth.append(known)
arrays = {"labels": numpy.asarray(truth, numpy.int64)} if kind == "turned" else {}
numpy.savez(out, x=numpy.asarray(inputs, numpy.float32), **arrays)
json.dump(truth, open(truth_file, "w", encoding="utf8"))
