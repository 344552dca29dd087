"""Renders lines of text as a recogniser of PP-OCR takes them: (3, 48, 320), from -1 to 1. Needs numpy and Pillow.

render_text.py WORDS.txt OUT.npz TEXTS.json SEED COUNT
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
HEIGHT, WIDTH = 48, 320

words_file, out, texts_file, seed, count = sys.argv[1:]
chance = random.Random(int(seed))
noise = numpy.random.default_rng(int(seed))
words = sorted(set(open(words_file, encoding="utf8").read().split()))
pictures, texts = [], []
while len(texts) < int(count):
    text = " ".join(chance.choice(words) for _ in range(chance.randint(1, 4)))
    font = ImageFont.truetype(chance.choice(FONTS), chance.randint(20, 32))
    if font.getlength(text) > WIDTH - 16:
        continue
    paper, ink = chance.randint(170, 255), chance.randint(0, 90)
    picture = Image.new("L", (WIDTH, HEIGHT), paper)
    ImageDraw.Draw(picture).text((8, HEIGHT / 2), text, fill=ink, font=font, anchor="lm")
    picture = picture.rotate(chance.uniform(-1.5, 1.5), fillcolor=paper, resample=Image.BILINEAR)
    grey = numpy.asarray(picture, numpy.float32) + noise.normal(0, chance.uniform(0, 14), (HEIGHT, WIDTH))
    pictures.append(numpy.repeat((numpy.clip(grey, 0, 255) / 127.5 - 1)[None], 3, 0))
    texts.append(text)
numpy.savez(out, x=numpy.asarray(pictures, numpy.float32))
json.dump(texts, open(texts_file, "w", encoding="utf8"))
