#!/usr/bin/env python3
"""Prints what the tests of src/measure/wording.rs expect, from NLTK's Witten-Bell model (pip install nltk).

NLTK counts and interpolates; what it lacks is the lowest level, where every byte has probability 1/256, so
that is put below its unigrams by the same formula.
"""

import math

from nltk.lm.counter import NgramCounter
from nltk.lm.models import WittenBellInterpolated
from nltk.lm.vocabulary import Vocabulary

ORDER = 4
EDGE = "edge"


def base(counts):
    """The lowest level: unigrams over 256 equally probable bytes."""
    unigrams = counts.unigrams
    return lambda byte: (unigrams[byte] + unigrams.B() / 256) / (unigrams.N() + unigrams.B())


def windows(text):
    """Every byte behind contexts of all lengths, the beginning of the text being one."""
    symbols = [EDGE] * ORDER + [str(byte) for byte in text.encode()]
    for end in range(ORDER, len(symbols)):
        for length in range(ORDER + 1):
            yield tuple(symbols[end - length : end + 1])


def reader(texts):
    counts = NgramCounter([[window for text in texts for window in windows(text)]])
    vocabulary = Vocabulary([EDGE, *map(str, range(256))])
    model = WittenBellInterpolated(ORDER + 1, vocabulary=vocabulary, counter=counts)
    model.estimator.unigram_score = base(counts)
    return model


def bits_per_byte(model, texts):
    whole = [window for text in texts for window in windows(text) if len(window) == ORDER + 1]
    costs = [-math.log2(model.unmasked_score(window[-1], window[:-1])) for window in whole]
    return sum(costs) / len(costs)


for read, written in [
    (["the cat sat", "the hat"], ["that cat"]),
    (["the cat sat", "the hat"], ["the cat sat", "xyz"]),
    (["aaaa"], ["\u00e9"]),
]:
    print(f"{bits_per_byte(reader(read), written)!r} for {written} read by {read}")
