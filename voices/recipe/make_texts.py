#!/usr/bin/env python3
"""Writes train.txt (about 40,000 lines) and test.txt (100 lines), the texts of the voice.

Sentences come from WordNet's usage examples and glosses (Debian package wordnet-base) and from
templates in the manner of questions about pictures. The order of the random draws is part of the
recipe: any change here changes every text after it.
"""

import argparse
import random
import re
from pathlib import Path

SEED = 7
TEMPLATE_SENTENCES = 9000
TRAINING_EXAMPLES = 19000
TRAINING_GLOSSES = 7500
SINGLE_WORDS = 1500
WORD_PAIRS = 1000
JOINED_LINES = 2500
TEST_QUESTIONS = 40
TEST_EXAMPLES = 60

MONTHS = ("January February March April May June July August September October November "
          "December").split()

LISTS = {
    "person": "man|woman|boy|girl|child|person|lady|guy|player|skier|surfer|baby|chef|batter|"
              "cyclist|farmer|police officer|tourist|waiter|dancer",
    "color": "red|blue|green|yellow|white|black|brown|orange|purple|pink|gray|beige|dark|"
             "light blue|golden|silver|striped|plaid",
    "thing": "shirt|hat|jacket|umbrella|car|truck|bus|train|bicycle|motorcycle|boat|airplane|"
             "kite|skateboard|surfboard|frisbee|ball|bat|racket|glove|helmet|backpack|handbag|"
             "suitcase|bottle|cup|glass|bowl|plate|fork|knife|spoon|sandwich|pizza|donut|cake|"
             "apple|banana|carrot|broccoli|hot dog|chair|couch|bed|table|desk|laptop|keyboard|"
             "mouse|remote|phone|microwave|oven|toaster|sink|refrigerator|book|clock|vase|"
             "scissors|teddy bear|toothbrush|mirror|window|door|lamp|curtain|rug|pillow|blanket|"
             "tree|flower|bush|fence|sign|street light|traffic light|fire hydrant|bench|building|"
             "bridge|tower|road|sidewalk|beach|mountain|river|lake|cloud|dress|shoes|glasses|"
             "watch|necklace|tie|jeans|shorts|scarf|sweater|wheel|mirror|basket|candle|statue|"
             "poster|painting|newspaper|cabinet|drawer|counter|stove|towel|toilet|bathtub|shower|"
             "wall|ceiling|floor",
    "animal": "dog|cat|horse|cow|sheep|elephant|bear|zebra|giraffe|bird|duck|goat|lion|monkey|"
              "rabbit|squirrel|parrot|penguin",
    "place": "on the left|on the right|in the background|in the foreground|near the window|"
             "next to the fence|behind the table|in front of the building|under the tree|"
             "on top of the counter|at the beach|in the street|beside the river|on the grass|"
             "in the middle of the picture|at the bottom of the image",
    "doing": "holding|wearing|riding|eating|looking at|carrying|pointing at|sitting on|"
             "standing next to|playing with|throwing|catching|reading|pushing|pulling|cooking|"
             "cutting|watching|feeding|touching",
    "number": "one|two|three|four|five|six|seven|eight|nine|ten|eleven|twelve|fifteen|twenty|"
              "thirty one|a hundred",
    "name": "John|Mary|Peter|Susan|David|Linda|James|Emma|Michael|Olivia|Robert|Sophia|Thomas|"
            "Charlotte|George|Alice|Henry|Julia|Samuel|Hannah|London|Paris|Chicago|Boston|Tokyo|"
            "Berlin|Madrid|Sydney|Canada|Japan|Brazil|Scotland|Germany|India",
}
LISTS = {name: words.split("|") for name, words in LISTS.items()}

# A slot {x} is drawn from the list x; {X} is the same with a capital; {1-99} is a number.
TEMPLATES = [
    "What color is the {thing} {place}?",
    "What is the {person} in the {color} {thing} {doing}?",
    "How many {animal}s are {place}?",
    "Is there a {some thing} {place}?",
    "Is the {animal} {place} {color} or {color}?",
    "Who is {doing} the {some thing}?",
    "Where is the {some thing}?",
    "Which {thing} is closer to the {person}, the {color} one or the {color} one?",
    "Are there any {animal}s next to the {some thing}?",
    "Does the {person} have a {some thing}?",
    "Why is the {person} {doing} the {some thing}?",
    "What kind of {thing} is the {person} {doing}?",
    "Can you see the {some thing} behind the {person}?",
    "What is {place}?",
    "What does the sign next to the {some thing} say?",
    "What time is shown on the {some thing}?",
    "The {person} is {doing} a {some thing}.",
    "Yes, the {animal} is {place}.",
    "No, there is no {some thing} {place}.",
    "There are {number} {animal}s and {number} {person}s {place}.",
    "It is {color}.",
    "{Color} and {color}.",
    "Yes.",
    "No.",
    "{Number}.",
    "A {some thing}.",
    "The {some thing} is {place}, and the {some thing} is {place}.",
    "I think the {person} is {doing} the {animal}!",
    "{name} and {name} are {doing} a {some thing}.",
    "{name} lives in {name}, doesn't he?",
    "There are {2-999} of them.",
    "It costs ${1-99}.{10-99}.",
    "The bus number is {1-9999}.",
    "It is {1-12}:{10-59} in the afternoon.",
    "On {month} {1-28}, {1900-2030}, {name} was {doing} a {some thing}.",
    "{Thing}, {thing}, {thing}, and {thing}.",
    "The letters on the {thing} are {letters}.",
]


def draw_slot(slot):
    """One random filling of a template's slot."""
    if slot == "some thing":
        color = random.choice(LISTS["color"]) + " " if random.random() < 0.5 else ""
        return color + random.choice(LISTS["thing"])
    if slot == "month":
        return random.choice(MONTHS)
    if slot == "letters":
        alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
        return " ".join(random.choice(alphabet) for _ in range(random.randint(2, 5)))
    if slot[0].isdigit():
        low, high = slot.split("-")
        return str(random.randint(int(low), int(high)))
    word = random.choice(LISTS[slot.lower()])
    return word.capitalize() if slot[0].isupper() else word


def template_sentence():
    return re.sub(r"\{([^}]+)\}", lambda match: draw_slot(match[1]), random.choice(TEMPLATES))


def tidy(text):
    """A gloss or example as a sentence of 3 to 30 words, or None where it cannot be one."""
    text = text.strip().rstrip(";").strip()
    text = re.sub(r"\([^)]*\)", "", text)
    text = re.sub(r"\s+", " ", text).replace(" ,", ",").strip()
    if not re.fullmatch(r"[A-Za-z0-9 ,.;:'!?$%-]+", text):
        return None
    if not 3 <= len(text.split()) <= 30:
        return None
    text = text[0].upper() + text[1:]
    return text if text[-1] in ".?!" else text + "."


def read_wordnet(folder):
    """WordNet's usage examples, and its glosses as (word, definition)."""
    examples, glosses = [], []
    for part in ("noun", "verb", "adj", "adv"):
        for line in (folder / f"data.{part}").read_text("latin1").splitlines():
            if line.startswith("  ") or "|" not in line:
                continue
            synset, gloss = line.split("|", 1)
            gloss = gloss.strip()
            examples += re.findall(r'"([^"]+)"', gloss)
            word = synset.split()[4].replace("_", " ")
            glosses.append((word, re.split(r'; ?"', gloss)[0].strip()))
    return examples, glosses


def as_sentences(examples, glosses):
    """Both lists tidied, without duplicates, shuffled."""
    example_sentences = sorted({s for s in map(tidy, examples) if s})
    candidates = (tidy(f"{word} is {text}") if random.random() < 0.5 else tidy(text)
                  for word, text in glosses)
    gloss_sentences = sorted({s for s in candidates if s})
    random.shuffle(example_sentences)
    random.shuffle(gloss_sentences)
    return example_sentences, gloss_sentences


def template_sentences():
    sentences = set()
    while len(sentences) < TEMPLATE_SENTENCES:
        sentences.add(template_sentence())
    sentences = sorted(sentences)
    random.shuffle(sentences)
    return sentences


def held_out(templated, examples):
    """100 sentences without digits for the test: questions and examples in turn, then examples."""
    questions = [s for s in templated
                 if s[-1] == "?" and len(s.split()) > 5 and not re.search(r"\d", s)]
    plain = [s for s in examples
             if 6 <= len(s.split()) <= 14 and not re.search(r"[\d$%]", s)]
    return questions[:TEST_QUESTIONS], plain[:TEST_EXAMPLES]


def words_alone(examples):
    """Lines of one and of two words: a dataset is full of such answers."""
    words = sorted({word for s in examples for word in re.findall(r"[a-z]{3,}", s)})
    random.shuffle(words)
    ends = [".", "?", ".", "!"]
    single = [word.capitalize() + random.choice(ends) for word in words[:SINGLE_WORDS]]
    pairs = words[SINGLE_WORDS:SINGLE_WORDS + 2 * WORD_PAIRS]
    return single + [f"{a} {b}".capitalize() + "." for a, b in zip(pairs[::2], pairs[1::2])]


def joined_lines(lines):
    """Two or three lines in one, 8 to 40 words: pauses inside an utterance."""
    joined = []
    while len(joined) < JOINED_LINES:
        line = " ".join(random.choice(lines) for _ in range(random.choice([2, 2, 3])))
        if 8 <= len(line.split()) <= 40:
            joined.append(line)
    return joined


def make(wordnet):
    random.seed(SEED)
    examples, glosses = as_sentences(*read_wordnet(wordnet))
    templated = template_sentences()
    questions, plain = held_out(templated, examples)
    test = [s for pair in zip(questions, plain) for s in pair] + plain[len(questions):]
    train = [s for s in templated if s not in set(test)]
    train += [s for s in examples if s not in set(test)][:TRAINING_EXAMPLES]
    train += glosses[:TRAINING_GLOSSES]
    train += words_alone(examples)
    train += joined_lines(train)
    random.shuffle(train)
    return train, test


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--wordnet", type=Path, default=Path("/usr/share/wordnet"))
    parser.add_argument("--out", type=Path, required=True, help="folder for train.txt, test.txt")
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    train, test = make(options.wordnet)
    for name, lines in (("train", train), ("test", test)):
        (options.out / f"{name}.txt").write_text("\n".join(lines) + "\n")
        print(f"{name}.txt: {len(lines)} lines, {sum(len(s.split()) for s in lines)} words")


if __name__ == "__main__":
    main()
