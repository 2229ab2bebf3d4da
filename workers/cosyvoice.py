"""Speaks with CosyVoice 1, 2 or 3, by its own code (github.com/FunAudioLLM/CosyVoice).

    format: worker
    command: [python3, ../../workers/cosyvoice.py]
    model: /models/CosyVoice-300M-SFT      # its version is seen from the files in it
    sample_rate: 22050                     # 22050 for version 1, 24000 for 2 and 3
    speakers: [英文女, 英文男]              # for sft the model's own; otherwise the names of `prompts`
    options:
      code: /src/CosyVoice                 # with third_party/Matcha-TTS; or $FLOWTTS_COSYVOICE_DIR
      mode: sft                            # sft, zero_shot, cross_lingual, instruct, instruct2

For zero_shot, cross_lingual and instruct2 a speaker is a recording, read once when it is loaded:

    speakers: [anna]
    options:
      mode: zero_shot
      prompts:
        anna: {wav: anna.wav, text: "What is said in the recording."}
        # instruct2: {wav: anna.wav, instruct: "Speak slowly."}

instruct (version 1) speaks with the model's speakers: instruct: "A calm narrator." for all.

Further options: fp16, load_jit, load_trt, load_vllm, trt_concurrent go to the model; normalise
(true): numbers and the like are written out by CosyVoice's own front end; split (false): whether
CosyVoice may cut a sentence again, which FlowTTS has cut already; verbose (false): its log.

What would go wrong otherwise, and does not here: the model has one card, since the process sees one;
the seed of each sentence is set before each call, whatever its configuration has seeded; generators
are run to their end, or the model would keep what it holds for a request; its segments are joined;
marks such as <|endoftext|> in a text are not taken for control tokens.
"""

import logging
import os
import sys

import flowtts_worker

_MODES = ("sft", "zero_shot", "cross_lingual", "instruct", "instruct2")
_END_OF_PROMPT = "<|endofprompt|>"
_ASSISTANT = "You are a helpful assistant."  # what version 3 was trained with
_FLAGS = ("fp16", "load_jit", "load_trt", "load_vllm", "trt_concurrent")


class CosyVoice(flowtts_worker.Worker):
    def load(self, device):
        options = self.options
        self.mode = options.get("mode", "sft")
        if self.mode not in _MODES:
            raise ValueError("options: mode: '%s' is not known; allowed is %s"
                             % (self.mode, ", ".join(_MODES)))
        code = options.get("code") or os.environ.get("FLOWTTS_COSYVOICE_DIR", "")
        if not os.path.isdir(os.path.join(code, "cosyvoice")):
            raise ValueError("there is no CosyVoice in '%s': options: code (or FLOWTTS_COSYVOICE_DIR) "
                             "is the folder of its sources, fetched with its submodules" % code)
        code = os.path.abspath(code)
        sys.path[:0] = [code, os.path.join(code, "third_party", "Matcha-TTS")]
        os.environ.setdefault("TQDM_DISABLE", "1")
        from cosyvoice.cli.cosyvoice import AutoModel

        if not options.get("verbose", False):
            logging.getLogger().setLevel(logging.WARNING)
        flags = {name: options[name] for name in _FLAGS if name in options}
        self.model = AutoModel(model_dir=self.voice["model"] or options["model_dir"], **flags)
        self.sample_rate = self.model.sample_rate
        self.version = {"CosyVoice2": 2, "CosyVoice3": 3}.get(type(self.model).__name__, 1)
        self.numerics = "CosyVoice %d, %s" % (self.version,
                                              "float16" if flags.get("fp16") else "float32")
        if self.mode in ("sft", "instruct"):
            self.speakers = self.model.list_available_spks()
        else:
            self.speakers = self._read_prompts(options.get("prompts") or {})
        self._check_mode()

    def _check_mode(self):
        if self.mode == "instruct2" and self.version == 1:
            raise ValueError("instruct2 is for CosyVoice 2 and 3; this model is version 1")
        if self.mode == "instruct" and self.version != 1:
            raise ValueError("instruct is for CosyVoice 1; instruct2 for this model")
        if not self.speakers:
            raise ValueError("the model has no speakers of its own: it is for zero_shot, "
                             "cross_lingual or instruct2" if self.mode in ("sft", "instruct")
                             else "options: prompts: there is none")

    def _read_prompts(self, prompts):
        """Has the model take in each recording once, under its speaker's name."""
        for name, prompt in prompts.items():
            if self.mode == "zero_shot":
                text = self._prompt(self.model.frontend.text_normalize(prompt["text"], split=False))
            elif self.mode == "instruct2":
                # With a speaker that is known the model takes the instruction from there.
                text = self._instruction(prompt["instruct"])
            else:
                text = ""
            self.model.add_zero_shot_spk(text, prompt["wav"], name)
        return list(prompts)

    def _prompt(self, text):
        if self.version == 3 and _END_OF_PROMPT not in text:
            return _ASSISTANT + _END_OF_PROMPT + text
        return text

    def _instruction(self, text):
        if _END_OF_PROMPT in text:
            return text
        return (_ASSISTANT + " " if self.version == 3 else "") + text + _END_OF_PROMPT

    def synthesize(self, items):
        for item in items:
            yield self._speak(item)

    def _speak(self, item):
        import torch

        text = item.text.replace("<|", "<").replace("|>", ">")
        split = self.options.get("split", False)
        normalise = self.options.get("normalise", True)
        if normalise and not split:
            text = self.model.frontend.text_normalize(text, split=False)
        if not any(character.isalnum() for character in text):
            raise flowtts_worker.Unspeakable()
        if self.mode == "cross_lingual":
            text = self._prompt(text)
        more = {"stream": False, "speed": item.speed, "text_frontend": normalise and split}
        if self.mode == "sft":
            parts = self.model.inference_sft(text, item.speaker, **more)
        elif self.mode == "instruct":
            instruction = self._instruction(self.options.get("instruct", ""))
            parts = self.model.inference_instruct(text, item.speaker, instruction, **more)
        elif self.mode == "zero_shot":
            parts = self.model.inference_zero_shot(text, "", "", item.speaker, **more)
        elif self.mode == "cross_lingual":
            parts = self.model.inference_cross_lingual(text, "", item.speaker, **more)
        else:
            parts = self.model.inference_instruct2(text, "", "", item.speaker, **more)
        audio = [part["tts_speech"] for part in parts]  # to the end
        if not audio:
            raise flowtts_worker.Unspeakable()
        return torch.cat(audio, dim=1)


if __name__ == "__main__":
    flowtts_worker.run(CosyVoice)
