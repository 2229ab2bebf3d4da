#!/usr/bin/env python3
"""Is the audio what the text says? Word error rate of an output folder by pocketsphinx.

Needs the Debian packages pocketsphinx, pocketsphinx-en-us and, for audio that is not 16 kHz mono
wav, sox. The recogniser is old and weak: it gets about a fifth of the words of clear synthetic
speech wrong. Audio that does not belong to its text gives 90% and more.
"""

import argparse
import json
import random
import re
import shutil
import subprocess
import sys
import tempfile
import wave
from pathlib import Path

from output_folder import read_sentences

MODEL = Path("/usr/share/pocketsphinx/model/en-us")
RATE = 16000
# Figures, abbreviations and symbols are read out in several ways: only words that have one count.
PLAIN = re.compile(r"[A-Za-z'’]+(?:[,;:]?[ -][A-Za-z'’]+)*[.?!]*")
ABBREVIATION = re.compile(r"\b(?:[A-Z]{2,}|[B-HJ-Z]|Mr|Mrs|Ms|Dr|St|vs|etc)\b")


def is_plain(text, least_words):
    return (PLAIN.fullmatch(text) is not None and not ABBREVIATION.search(text)
            and len(text.split()) >= least_words)


def words(text):
    text = text.lower().replace("’", "'").replace("-", " ")
    return re.sub(r"[^a-z' ]", "", text).split()


def word_errors(reference, heard):
    """Least number of insertions, deletions and substitutions (Levenshtein)."""
    row = list(range(len(heard) + 1))
    for i, expected in enumerate(reference, 1):
        diagonal, row[0] = row[0], i
        for j, word in enumerate(heard, 1):
            best = min(row[j] + 1, row[j - 1] + 1, diagonal + (expected != word))
            diagonal, row[j] = row[j], best
    return row[-1]


def choose(sentences, count, seed):
    """`count` of the sentences, the same for the same seed, in their order."""
    if len(sentences) <= count:
        return sentences
    chosen = sorted(random.Random(seed).sample(range(len(sentences)), count))
    return [sentences[i] for i in chosen]


def is_recogniser_wav(path):
    try:
        with wave.open(str(path)) as file:
            return file.getparams()[:3] == (1, 2, RATE)
    except (wave.Error, EOFError):
        return False


def prepare(sentences, folder):
    """Numbered 16 kHz mono 16-bit files for the recogniser."""
    for number, sentence in enumerate(sentences):
        target = folder / f"{number:06d}.wav"
        if is_recogniser_wav(sentence.path):
            shutil.copyfile(sentence.path, target)
        elif shutil.which("sox"):
            subprocess.run(["sox", sentence.path, "-r", str(RATE), "-c", "1", "-b", "16",
                            "-e", "signed-integer", target], check=True)
        else:
            sys.exit(f"asr_wer: {sentence.path} is not 16 kHz mono: install Debian's package sox")


def start_recogniser(folder, job, numbers):
    control = folder / f"job{job}"
    control.with_suffix(".ctl").write_text("".join(f"{number:06d}\n" for number in numbers))
    return subprocess.Popen([
        "pocketsphinx_batch", "-hmm", MODEL / "en-us", "-lm", MODEL / "en-us.lm.bin",
        "-dict", MODEL / "cmudict-en-us.dict", "-adcin", "yes", "-adchdr", "44",
        "-cepdir", folder, "-cepext", ".wav", "-ctl", control.with_suffix(".ctl"),
        "-hyp", control.with_suffix(".hyp"), "-logfn", control.with_suffix(".log")])


def recognise(count, folder, jobs):
    """What was heard, by number of the file."""
    started = [start_recogniser(folder, job, range(job, count, jobs))
               for job in range(min(jobs, count))]
    if any([process.wait() for process in started]):  # the list: wait for all of them
        log = (folder / "job0.log").read_text(errors="replace")
        sys.exit("asr_wer: pocketsphinx failed:\n" + log[-2000:])
    heard = {}
    for hypotheses in folder.glob("job*.hyp"):
        for line in hypotheses.read_text().splitlines():
            match = re.fullmatch(r"(.*?) ?\((\d+) -?\d+\)", line)
            heard[int(match[2])] = match[1]
    return heard


def summarise(rows):
    """One figure for rows of (sentence, heard, errors)."""
    total = sum(len(words(sentence.text)) for sentence, _, _ in rows)
    errors = sum(errors for _, _, errors in rows)
    return {"sentences": len(rows), "words": total, "errors": errors,
            "wer": round(errors / total, 4)}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path, help="a run's output folder")
    parser.add_argument("--sentences", type=int, default=100, help="how many (default 100)")
    parser.add_argument("--least-words", type=int, default=3)
    parser.add_argument("--seed", type=int, default=0, help="which sentences are taken")
    parser.add_argument("--jobs", type=int, default=2, help="recognisers at a time")
    parser.add_argument("--by-speaker", action="store_true", help="one line a speaker as well")
    parser.add_argument("--show", action="store_true", help="print sentences and what was heard")
    parser.add_argument("--max-wer", type=float, default=1.0, metavar="SHARE",
                        help="exit 1 above it, such as 0.35")
    options = parser.parse_args()
    if not shutil.which("pocketsphinx_batch") or not MODEL.is_dir():
        sys.exit("asr_wer: install Debian's packages pocketsphinx and pocketsphinx-en-us")
    plain = [s for s in read_sentences(options.folder) if is_plain(s.text, options.least_words)]
    if not plain:
        sys.exit("asr_wer: no sentence of plain words in the manifest")
    chosen = choose(plain, options.sentences, options.seed)

    with tempfile.TemporaryDirectory() as name:
        prepare(chosen, Path(name))
        heard = recognise(len(chosen), Path(name), options.jobs)
    rows = [(sentence, heard.get(number, ""),
             word_errors(words(sentence.text), words(heard.get(number, ""))))
            for number, sentence in enumerate(chosen)]
    if options.show:
        for sentence, text, errors in rows:
            print(f"{errors:3d}  {sentence.text}\n     {text}", file=sys.stderr)
    if options.by_speaker:
        for speaker in sorted({row[0].speaker for row in rows}):
            print(json.dumps({"speaker": speaker,
                              **summarise([row for row in rows if row[0].speaker == speaker])}))
    result = {"plain_sentences_in_manifest": len(plain), **summarise(rows)}
    print(json.dumps(result))
    return 1 if result["wer"] > options.max_wer else 0


if __name__ == "__main__":
    sys.exit(main())
