"""Speaks with F5-TTS, by its own package (pip install f5-tts; its published weights are for
non-commercial use).

    format: worker
    command: [python3, ../../workers/f5.py]
    model: /models/F5TTS_v1_Base/model_1250000.safetensors
    sample_rate: 24000
    languages: [en, zh]
    front_end: {type: text}
    speakers: [anna]
    options:
      vocab: /models/F5TTS_v1_Base/vocab.txt     # otherwise the package's own
      vocoder: /models/vocos-mel-24khz           # otherwise fetched when it is loaded
      prompts: {anna: {wav: anna.wav, text: "What is said in the recording."}}

A speaker is a recording, of which at most 12 s are used. Further options: config (F5TTS_v1_Base), the
name of a configuration of the package; nfe_step (32), cfg_strength (2). On a GPU it works in float16.
"""

import flowtts_worker

import contextlib
import os

from f5_tts.api import F5TTS


class F5(flowtts_worker.Worker):
    sample_rate = 24000

    def load(self, device):
        options = self.options
        self.prompts = options.get("prompts") or {}
        for name, prompt in self.prompts.items():
            for part in ("wav", "text"):  # without its text, Whisper would be fetched to write it
                if not prompt.get(part):
                    raise ValueError("options: prompts: %s: '%s' is missing" % (name, part))
        if not self.prompts:
            raise ValueError("options: prompts: there is none; a speaker is a recording")
        self.speakers = list(self.prompts)
        self.f5 = F5TTS(options.get("config", "F5TTS_v1_Base"), self.voice["model"],
                        options.get("vocab", ""), vocoder_local_path=options.get("vocoder"),
                        device=device)
        self.numerics = "F5-TTS, %s" % next(self.f5.ema_model.parameters()).dtype

    def synthesize(self, items):
        for item in items:
            prompt = self.prompts[item.speaker]
            # It prints each text, and would draw a seed of its own.
            with open(os.devnull, "w") as nowhere, contextlib.redirect_stdout(nowhere):
                audio, _, _ = self.f5.infer(
                    prompt["wav"], prompt["text"], item.text, progress=None, speed=item.speed,
                    seed=item.seed % (1 << 32), nfe_step=self.options.get("nfe_step", 32),
                    cfg_strength=self.options.get("cfg_strength", 2))
            if audio is None:
                raise flowtts_worker.Unspeakable()
            yield audio


if __name__ == "__main__":
    flowtts_worker.run(F5)
