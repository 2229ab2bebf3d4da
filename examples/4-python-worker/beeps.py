"""A voice in Python: a beep for each word, as long as the word. docs/workers.md goes through it."""

import math

import flowtts_worker


class Beeps(flowtts_worker.Worker):
    sample_rate = 16000

    def load(self, device):  # "cuda:0" or "cpu"; called once
        self.hertz = self.options.get("hertz", 440)

    def synthesize(self, items):  # one audio for each item, in order
        for item in items:
            audio = []
            for word in item.text.split():
                audio += self.tone(0.06 * len(word) / item.speed) + [0.0] * 800
            yield audio

    def tone(self, seconds):
        step = 2 * math.pi * self.hertz / self.sample_rate
        return [0.2 * math.sin(step * n) for n in range(int(seconds * self.sample_rate))]


flowtts_worker.run(Beeps)
