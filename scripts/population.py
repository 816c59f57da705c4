#!/usr/bin/env python3
"""Writes the lineage file of a population: `scripts/population.py population > models/population/lineage.toml`,
and likewise for `confirmation`.

A population is crossed: several sources, one for each real text, and in every one of them the same teachers,
students and non-students. A source is named after its text. Its models are prefixed with its name:

  t1 t2 t3     teachers alike in all but the seed: siblings; t3 has no student
  u            a fourth, which no panel lists: the teacher nobody has seen
  base base-x  what students start from, trained on the next source's text; base-x with the other tokenizer
  NAME-of-T    students of T: logits, text (into the base), scratch, cross (into base-x), dose-50 to
               dose-3 (percent of sequences that T wrote, the rest real text of the source), para (T's
               text rewritten by the base), grand (of the text student), two (half by T, half by the
               next source's t1)
  text-of-t1-* the text student trained further, quantised, pruned, merged with a non-student
  t1-*         the teacher trained further, quantised
  real-1 ..    non-students: a student's base on as much real text of the source

Which sources are fitted on and which are tested on stands in split.toml, not here.
"""

import sys

# Source, tokenizer, shape, the source whose text bases are trained on. Neighbours in the population belong to
# different parts, so that one half made is half of each.
POPULATIONS = {
    "population": [
        ("gcide", "a", "64x3", "wordnet"),
        ("anarchism", "a", "64x3", "fortunes"),
        ("wordnet", "a", "48x4", "kjv"),
        ("fortunes", "b", "48x4", "perldoc"),
        ("kjv", "b", "64x3", "gcide"),
        ("perldoc", "b", "64x3", "anarchism"),
    ],
    "confirmation": [
        ("vim", "b", "64x3", "sqlite"),
        ("sqlite", "a", "48x4", "handbuch"),
        ("handbuch", "a", "64x3", "vim"),
    ],
}
# Where the seeds of each begin, in units of SEEDS a source: no two sources share one.
FIRST = {"population": 1, "confirmation": 7}
SEEDS = 10_000
OTHER = {"a": "b", "b": "a"}
# From nothing, and into something: steps and the highest rate.
WHOLE, INTO, FURTHER = (600, "8e-3"), (480, "5e-3"), (200, "2e-3")
TOKENS = 480_000


class Source:
    """Prints the models of one source."""

    def __init__(self, number, name, tokenizer, shape, other):
        self.seed = SEEDS * number
        self.name, self.tokenizer, self.shape, self.other = name, tokenizer, shape, other
        self.models = []

    def course(self, length, tokenizer=None):
        self.seed += 1
        steps, rate = length
        return (f'{{ tokenizer = "{tokenizer or self.tokenizer}", shape = "{self.shape}", seed = {self.seed}, '
                f"steps = {steps}, batch = 8, length = 128, learning_rate = {rate} }}")

    def writing(self):
        self.seed += 1
        return f"{{ tokens = {TOKENS}, temperature = 1.0, seed = {self.seed} }}"

    def model(self, name, kind, recipe, base=None, parents=(), data=None, group=False, file=None,
              dose=None):
        lines = []
        print = lines.append
        full = lambda other: other if "/" in other else f"{self.name}-{other}"
        listed = lambda names: "[" + ", ".join(f'"{full(n).replace("/", "-")}"' for n in names) + "]"
        print(f'\n[[model]]\nid = "{full(name)}"')
        print(f'path = "{full(name)}{f"/{file}" if file else ""}"\nkind = "{kind}"')
        if base:
            print(f'base = "{full(base)}"')
        if parents:
            print(f"parents = {listed(parents)}")
        if data:
            print(f'data = ["{data}"]')
        if dose is not None:
            print(f"dose = {dose}")
        if group:
            print(f'group = "{self.name}"')
        print(f'source = "{self.name}"\n[model.recipe]')
        for key, value in recipe.items():
            print(f"{key} = {value}")
        self.models.append((name, "\n".join(lines)))

    def real(self, name, kind, data, length=WHOLE, base=None, tokenizer=None, group=False):
        recipe = {"method": '"real"', "course": self.course(length, tokenizer)}
        self.model(name, kind, recipe, base=base, data=data, group=group)

    def student(self, name, kind, parents, base=None, method="text", tokenizer=None, dose=None, by=None):
        recipe = {"method": f'"{method}"', "course": self.course(INTO if base else WHOLE, tokenizer),
                  "text": self.writing()}
        if dose:
            recipe["dose"] = dose / 100
        if by:
            recipe["rewritten"] = f'{{ by = "{self.name}-{by}", rate = 0.3 }}'
        # Of rewritten text and of two teachers' it is not known what share is the teacher's.
        known = None if by or len(parents) > 1 else dose / 100 if dose else 1.0
        self.model(name, kind, recipe, base=base, parents=parents, data=self.name if dose else None, dose=known)

    def founders(self):
        for name in ("t1", "t2", "t3", "u"):
            self.real(name, "teacher", self.name, group=name != "u")
        self.real("base", "base", self.other)
        self.real("base-x", "base", self.other, tokenizer=OTHER[self.tokenizer])
        for number in (1, 2):
            self.real(f"real-{number}", "real text", self.name, INTO, base="base")
        self.real("real-x", "real text", self.name, INTO, base="base-x", tokenizer=OTHER[self.tokenizer])

    def descendants(self, next_teacher):
        for teacher in ("t1", "t2", "u"):
            self.student(f"logits-of-{teacher}", "logits", [teacher], method="logits")
            self.student(f"text-of-{teacher}", "text", [teacher], base="base")
        self.student("scratch-of-t1", "scratch", ["t1"])
        self.student("cross-of-t1", "cross tokenizer", ["t1"], base="base-x", tokenizer=OTHER[self.tokenizer])
        for teacher, doses in (("t1", (50, 20, 10, 3)), ("t2", (10,))):
            for dose in doses:
                self.student(f"dose-{dose}-of-{teacher}", f"dose {dose} %", [teacher], base="base", dose=dose)
        self.student("para-of-t1", "paraphrase", ["t1"], base="base", by="base")
        self.student("two-of-t1", "two teachers", ["t1", next_teacher], base="base")
        self.student("grand-of-t1", "student of a student", ["text-of-t1"], base="base")
        self.real("text-of-t1-further", "trained further", self.other, FURTHER, base="text-of-t1")
        # Blocks of 32 weights: the narrower shape has no Q4_0 form.
        whole_blocks = int(self.shape.split("x")[0]) % 32 == 0
        if whole_blocks:
            self.model("text-of-t1-q4", "quantised", {"method": '"quantise"', "quantisation": '"q4_0"'},
                       base="text-of-t1", file="model-q4_0.gguf")
        self.model("text-of-t1-pruned", "pruned", {"method": '"prune"', "share": 0.3}, base="text-of-t1")
        self.model("text-of-t1-merged", "merged", {"method": '"merge"', "with": f'"{self.name}-real-1"'},
                   base="text-of-t1")
        self.real("t1-further", "teacher trained further", self.other, FURTHER, base="t1")
        if whole_blocks:
            self.model("t1-q4", "teacher quantised", {"method": '"quantise"', "quantisation": '"q4_0"'},
                       base="t1", file="model-q4_0.gguf")


# What is trained last, so that a population half made still has the main kinds from every source.
LATE = [
    {"dose-50-of-t1", "dose-20-of-t1", "dose-3-of-t1", "t1-further"},
    {"para-of-t1", "two-of-t1", "grand-of-t1", "dose-10-of-t2"},
    {"base-x", "real-x", "cross-of-t1"},
]
# Laid out, and left out of the population for the processor time that they take.
LEFT_OUT = {"real-2", "logits-of-u"}


def main():
    name = sys.argv[1]
    print(f"# The {name}: written by scripts/population.py, which says what the names mean.")
    print(f'\nschema = 1\nname = "{name}"')
    sources = [Source(number, *facts) for number, facts in enumerate(POPULATIONS[name], FIRST[name])]
    for source in sources:
        source.founders()
    for source in sources:
        source.descendants(f"{source.other}/t1")
    late = set().union(LEFT_OUT, *LATE)
    for wanted in [lambda name: name not in late, *(group.__contains__ for group in LATE)]:
        for source in sources:
            for name, text in source.models:
                if wanted(name):
                    print(text)


main()
