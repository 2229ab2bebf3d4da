"""Speaks with Kokoro, by its own package (pip install kokoro; Python 3.10 to 3.12).

    format: worker
    command: [python3, ../../workers/kokoro.py]
    model: /models/Kokoro-82M      # config.json, kokoro-v1_0.pth and voices/af_heart.pt, ...
    sample_rate: 24000
    languages: [en]
    front_end: {type: text}        # Kokoro makes the phonemes, by misaki
    speakers: [af_heart, am_adam]  # by the names of its voices

options, all optional: lang_code, Kokoro's letter for the language: a American, b British English, e
Spanish, f French, h Hindi, i Italian, j Japanese, p Brazilian Portuguese, z Chinese (otherwise from the
first of `languages`, English being American); repo_id, whose way with phonemes is meant, where it is
not hexgrad/Kokoro-82M.

English needs spaCy's en_core_web_sm, which misaki would otherwise fetch when it is loaded; Japanese
and Chinese need misaki[ja] and misaki[zh]. A voice is of one language: af_heart's is American English.
"""

import flowtts_worker

import glob
import os

from kokoro import KModel, KPipeline

_CODES = {"en": "a", "es": "e", "fr": "f", "hi": "h", "it": "i", "ja": "j", "pt": "p", "zh": "z"}
_MOST_PHONEMES = 510  # that Kokoro speaks at once; what comes after them it leaves out


class Kokoro(flowtts_worker.Worker):
    sample_rate = 24000

    def load(self, device):
        languages = self.voice["languages"] or ["en"]
        code = self.options.get("lang_code") or _CODES.get(languages[0])
        if not code:
            raise ValueError("Kokoro does not speak '%s'; it speaks %s"
                             % (languages[0], ", ".join(sorted(_CODES))))
        folder = self.voice["model"]
        weights = glob.glob(os.path.join(folder, "*.pth"))
        if len(weights) != 1:
            raise ValueError("'%s' has %d files *.pth; one is expected" % (folder, len(weights)))
        self.speakers = sorted(os.path.basename(path)[:-len(".pt")]
                               for path in glob.glob(os.path.join(folder, "voices", "*.pt")))
        name = self.options.get("repo_id", "hexgrad/Kokoro-82M")
        model = KModel(name, os.path.join(folder, "config.json"), weights[0]).to(device).eval()
        self.pipeline = KPipeline(code, name, model)

    def synthesize(self, items):
        for item in items:
            yield self._speak(item)

    def _speak(self, item):
        import torch

        text = item.text.replace("](", "] (").replace("\n", " ")  # [word](/phonemes/) is its own mark
        voice = os.path.join(self.voice["model"], "voices", item.speaker + ".pt")
        parts = []
        for part in self.pipeline(text, voice=voice, speed=item.speed):
            if self.pipeline.lang_code not in "ab" and len(part.phonemes) >= _MOST_PHONEMES:
                raise ValueError("the sentence has more than %d phonemes: limits: max_tokens keeps "
                                 "such from the model" % _MOST_PHONEMES)
            if part.audio is not None:
                parts.append(part.audio.reshape(-1))
        if not parts:
            raise flowtts_worker.Unspeakable()
        return torch.cat(parts)


if __name__ == "__main__":
    flowtts_worker.run(Kokoro)
