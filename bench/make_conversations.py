#!/usr/bin/env python3
"""Writes a LLaVA-style file of any size with realistic lengths, as fast as the disk allows.

The same arguments give the same bytes. On average a record has 1.55 kB and 4 rounds, like the large
public mixes; ids repeat, since they are ids of images; 6% of the records have no image. A million
records are 1.55 GB and take half a minute. The text is made of prepared rounds in random
combinations: it reads like conversations, but nobody should train on it.
"""

import argparse
import json
import random
import sys

PREPARED_ROUNDS = 20000
RECORDS_AT_ONCE = 1000
SHORT_ANSWER = "\nAnswer the question using a single word or phrase."
WITHOUT_IMAGE = 0.06
DIFFERENT_IDS = 0.75  # as a share of the records

ROUNDS = [1, 2, 3, 4, 5, 6, 8, 10, 14]
ROUNDS_WEIGHTS = [24, 13, 20, 11, 8, 8, 8, 6, 2]

WORDS = {
    "thing": "red umbrella|wooden chair|old bicycle|glass bottle|blue suitcase|paper lantern|"
             "garden hose|silver kettle|striped towel|stone bench|traffic light|folded map|"
             "coffee cup|leather bag|brass lamp|fishing net|toy train|straw hat|iron gate|clock",
    "who": "man in the gray coat|woman at the counter|child on the swing|cyclist|old fisherman|"
           "street musician|person behind the window|tall player|cook|girl with the camera|"
           "tourist|gardener|bus driver|baker|runner in front|dog|cat on the roof|horse",
    "place": "in front of the station|near the window|on the left side of the picture|at the beach|"
             "under the bridge|next to the fountain|in the background|behind the fence|"
             "on the kitchen table|at the edge of the forest|in the middle of the square|"
             "beside the river|on the upper shelf|at the end of the street",
    "doing": "waiting for someone|reading a newspaper|carrying a box|looking at the sky|"
             "talking on the phone|repairing something|feeding the birds|taking a photograph|"
             "running toward the camera|eating an apple|holding a rope|drawing on a large sheet",
    "quality": "bright|old|quiet|crowded|well kept|unusual|simple|colorful|heavy|small|clean|"
               "worn|modern|peaceful|narrow|freshly painted",
    "reason": "the light comes from the side|the ground is still wet|the shop has just opened|"
              "it is early in the morning|many people are walking in the same direction|"
              "the shadows are very long|the leaves have already turned yellow|"
              "there is a sign on the wall|the doors are wide open|the wind is strong",
    "topic": "a short history of the lighthouse|how bread is baked|the water cycle|"
             "why leaves change their color|how a bicycle stays upright|the rules of chess|"
             "what makes a good photograph|how to plan a small garden|the phases of the moon|"
             "how an old clock works|the difference between weather and climate",
    "short": "Yes|No|Two|Three|Seven|Red|Green|Wooden|On the left|On the right|A dog|Winter|"
             "A boat|In the kitchen|Sunny|12|Bread|Tennis|A|B|C|The second one|Nobody|White",
}
WORDS = {name: words.split("|") for name, words in WORDS.items()}

QUESTIONS = [
    "What is the {who} {place} doing?",
    "Where is the {thing}?",
    "How many people are {doing} {place}?",
    "Is the {thing} {place} larger than the {thing} {place}?",
    "What can you say about the {thing} {place}, and what does it tell us about the season?",
    "Why could the {who} be {doing}?",
    "Which object is closer to the {who}, the {thing} or the {thing}?",
    "Describe the {quality} scene {place} in detail.",
    "Can you explain {topic} to a child of ten years?",
    "What would happen if the {who} stopped {doing}?",
    "I have to write a short text about {topic}. What should I mention first?",
    "Does the {thing} look {quality} or {quality}?",
]
SENTENCES = [
    "The {who} is {doing} {place}.",
    "It looks {quality}, since {reason}.",
    "There is also a {thing} {place}, which makes the scene look {quality}.",
    "In the picture, the {who} stands {place} and seems to be {doing}.",
    "Because {reason}, it is likely that the {who} has been {doing} for some time.",
    "One {quality} {thing} can be seen {place}, and a second one is partly hidden.",
    "To understand {topic}, it helps to begin with an example from everyday life.",
    "Overall, the place appears {quality} and {quality}.",
    "If {reason}, then the {thing} {place} may belong to the {who}.",
    "Another detail is the {thing}: it is {quality}, although {reason}.",
]
SPECIAL = [
    "[0.12, 0.34, 0.56, 0.78]",
    "```python\nfor name in names:\n    print(name)\n```\nThe loop prints one name a line.",
    "By Pythagoras, $c = \\sqrt{a^2 + b^2}$, and so $c = 5$.",
    "| Year | Count |\n|---|---|\n| 2019 | 41 |\n| 2020 | 19 |",
    "1. **Measure** the wall.\n2. Mark the holes.\n3. Drill slowly, without pressure.",
    "这张照片里有一位老人坐在河边钓鱼，天气看起来很好。",
]


def fill(rng, template):
    """A template with every slot drawn."""
    pieces = template.split("{")
    out = [pieces[0]]
    for piece in pieces[1:]:
        slot, rest = piece.split("}", 1)
        out.append(rng.choice(WORDS[slot]) + rest)
    return "".join(out)


def question(rng):
    kind = rng.random()
    if kind < 0.03:  # somebody tells a story first
        story = " ".join(fill(rng, rng.choice(SENTENCES)) for _ in range(rng.randint(4, 9)))
        return f"{story} {fill(rng, rng.choice(QUESTIONS))}"
    text = fill(rng, rng.choice(QUESTIONS))
    if kind < 0.06:
        words = " ".join(rng.choice(WORDS["short"]).upper() for _ in range(rng.randint(3, 12)))
        return f"{text}\nReference OCR token: {words}"
    if kind < 0.10:
        options = "\n".join(f"{letter}. {rng.choice(WORDS['thing'])}" for letter in "ABCD")
        return (f"{text}\n{options}\n"
                "Answer with the option's letter from the given choices directly.")
    return text


def round_text(rng):
    """One question and its answer, as the JSON of two turns. A marker stands where the first
    question of a record has its image."""
    asked, kind = question(rng), rng.random()
    if kind < 0.33:
        asked, answer = asked + SHORT_ANSWER, rng.choice(WORDS["short"])
    elif kind < 0.36:
        answer = rng.choice(SPECIAL)
    else:
        count = rng.choices([1, 2, 3, 4, 6, 9, 14], [20, 22, 19, 15, 13, 8, 3])[0]
        sentences = [fill(rng, rng.choice(SENTENCES)) for _ in range(count)]
        answer = " ".join(sentences[:5])
        if count > 5:
            answer += "\n\n" + " ".join(sentences[5:])
    return (json.dumps(asked, ensure_ascii=False)[1:-1],
            json.dumps(answer, ensure_ascii=False))


class Maker:
    def __init__(self, seed, records, odd):
        self.rng = random.Random(seed)
        self.odd = odd
        self.ids = max(1, int(records * DIFFERENT_IDS))
        rounds = [round_text(self.rng) for _ in range(PREPARED_ROUNDS)]
        turns = '{{"from": "human", "value": "{}"}}, {{"from": "gpt", "value": {}}}'
        self.later = [turns.format(asked, answer) for asked, answer in rounds]
        self.first = [turns.format("<image>\\n" + asked, answer) for asked, answer in rounds[::2]]
        self.first += [turns.format(asked + "\\n<image>", answer) for asked, answer in rounds[1::2]]

    def record(self):
        rng = self.rng
        if self.odd and rng.random() < self.odd:
            return self.odd_record()
        number = int(rng.random() * self.ids)
        rounds = rng.choices(ROUNDS, ROUNDS_WEIGHTS)[0]
        turns = rng.choices(self.later, k=rounds)
        if rng.random() < WITHOUT_IMAGE:
            return f'{{"id": "{number:012d}", "conversations": [{", ".join(turns)}]}}'
        turns[0] = rng.choice(self.first)
        return (f'{{"id": "{number:012d}", "image": "photos/{number:012d}.jpg", '
                f'"conversations": [{", ".join(turns)}]}}')

    def odd_record(self):
        """Valid JSON, but not what the format promises."""
        number = int(self.rng.random() * self.ids)
        turn = self.rng.choice(self.later)
        return self.rng.choice([
            f'{{"id": {number}, "conversations": [{turn}]}}',
            f'{{"id": "../{number}/a", "conversations": [{turn}], "model": "", "tags": [1, {{}}]}}',
            f'{{"image": "", "conversations": [{turn}]}}',
            f'{{"id": "{number}", "conversations": []}}',
            f'{{"id": "{number}", "conversations": [{{"from": "human", "value": null}}]}}',
            f'{{"id": "{number}", "conversations": [{{"from": "gpt", "value": "Hi."}}, {turn}]}}',
            f'{{"id": "{number}", "image": null}}',
            f'{{"id": "{number}", "conversations": [{{"from": "human", "value": "\\ud83d"}}]}}',
            "null",
        ])


def write(out, maker, records, lines):
    """One array, or one record a line, a thousand records at a time."""
    separator = "\n" if lines else ",\n"
    if not lines:
        out.write("[\n")
    for start in range(0, records, RECORDS_AT_ONCE):
        count = min(RECORDS_AT_ONCE, records - start)
        out.write(separator.join([maker.record() for _ in range(count)]))
        out.write("\n" if lines or start + count == records else separator)
    if not lines:
        out.write("]\n")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("out", help="the file to write; - is standard output")
    parser.add_argument("--records", type=int, default=1000000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--lines", action="store_true", help="JSON lines instead of an array")
    parser.add_argument("--odd", type=float, default=0, metavar="SHARE",
                        help="share of records that break the format, such as 0.01")
    options = parser.parse_args()
    maker = Maker(options.seed, options.records, options.odd)
    if options.out == "-":
        write(sys.stdout, maker, options.records, options.lines)
        return
    with open(options.out, "w", encoding="utf-8", buffering=1 << 20) as out:
        write(out, maker, options.records, options.lines)


if __name__ == "__main__":
    main()
