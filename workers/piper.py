"""Speaks with a Piper voice, by Piper's own package (pip install piper-tts: GPL, beside FlowTTS in a
process of its own; each voice has a licence of its own).

    format: worker
    command: [python3, ../../workers/piper.py]
    model: /voices/en_US-lessac-medium.onnx   # with en_US-lessac-medium.onnx.json beside it
    sample_rate: 22050                        # what that file says: 16000 or 22050
    languages: [en]
    front_end: {type: text}                   # Piper makes the phonemes, by espeak-ng
    speakers: [lessac]                        # any name; of a voice with several, its own
    options: {noise_scale: 0, noise_w_scale: 0}

options, all optional: noise_scale, noise_w_scale and length_scale, which are the voice's own otherwise;
normalize_audio (true): whether each sentence is brought to full scale.

The noise is drawn inside the model, where no seed reaches it. With both scales at 0 a sentence has
the same samples in every run; otherwise it does not, and `flowtts voice check` says so.
"""

import flowtts_worker

import numpy
from piper import PiperVoice, SynthesisConfig


class Piper(flowtts_worker.Worker):
    def load(self, device):
        self.piper = PiperVoice.load(self.voice["model"], use_cuda=device != "cpu")
        config = self.piper.config
        self.sample_rate = config.sample_rate
        self.speakers = list(config.speaker_id_map) if config.num_speakers > 1 else ()
        providers = self.piper.session.get_providers()
        self.device_used = "cpu" if providers == ["CPUExecutionProvider"] else device
        self.numerics = "piper, %s" % providers[0]

    def synthesize(self, items):
        for item in items:
            yield self._speak(item)

    def _speak(self, item):
        config, options = self.piper.config, self.options
        how = SynthesisConfig(
            speaker_id=config.speaker_id_map[item.speaker] if config.num_speakers > 1 else None,
            length_scale=options.get("length_scale", config.length_scale) / item.speed,
            noise_scale=options.get("noise_scale", config.noise_scale),
            noise_w_scale=options.get("noise_w_scale", config.noise_w_scale),
            normalize_audio=options.get("normalize_audio", True))
        text = item.text.replace("[[", "[ [")  # would be phonemes
        parts = [part.audio_float_array for part in self.piper.synthesize(text, syn_config=how)]
        if not parts:
            raise flowtts_worker.Unspeakable()
        return numpy.concatenate(parts)


if __name__ == "__main__":
    flowtts_worker.run(Piper)
