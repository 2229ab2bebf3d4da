"""Reads what a run wrote: the sentences of an output folder's manifest.jsonl."""

import json
from pathlib import Path
from typing import Iterator, NamedTuple


class Sentence(NamedTuple):
    record: str       # the record's id
    text: str         # what was spoken
    path: Path        # the audio file
    sample_rate: int  # hertz, by the manifest
    samples: int      # by the manifest
    speaker: str


def read_sentences(folder: Path) -> Iterator[Sentence]:
    """Every sentence of every written record, in the manifest's order."""
    with open(folder / "manifest.jsonl", encoding="utf-8") as manifest:
        for line in manifest:
            if not line.strip():
                continue
            record = json.loads(line)
            for turn in record.get("conversations") or ():
                for sentence in turn.get("sentences") or ():
                    if sentence.get("audio"):
                        yield Sentence(str(record.get("id")), sentence["spoken"],
                                       folder / sentence["audio"], sentence["sample_rate"],
                                       sentence["samples"], str(sentence.get("speaker", "")))
