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

Further options: fp16, load_jit (versions 1, 2), load_trt, load_vllm (2, 3) and trt_concurrent go to
the model; normalise (true): numbers and the like are written out by CosyVoice's own front end; split
(false): whether CosyVoice may cut a sentence again, which FlowTTS has cut already; markers (false):
whether marks such as [laughter] or <strong> in a text are read as versions 2 and 3 read them; verbose
(false): its log. With load_vllm the tokens are drawn by vLLM, which no seed of a sentence reaches.

What would go wrong otherwise, and does not here: the model has one card, since the process sees one;
the seed of each sentence is set before each call, whatever its configuration has seeded; generators
are run to their end, or the model would keep what it holds for a request; its segments are joined;
marks such as <|endoftext|> in a text are not taken for control tokens; an error in the thread of the
language model, after which CosyVoice speaks the tokens made so far, is the sentence's error; and
versions 2 and 3 are right with a transformers newer than the 4.51 that CosyVoice asks for as well.
"""

import logging
import os
import sys

import flowtts_worker

_MODES = ("sft", "zero_shot", "cross_lingual", "instruct", "instruct2")
_END_OF_PROMPT = "<|endofprompt|>"
_ASSISTANT = "You are a helpful assistant."  # what version 3 was trained with
_FLAGS = {1: ("fp16", "load_jit", "load_trt", "trt_concurrent"),
          2: ("fp16", "load_jit", "load_trt", "load_vllm", "trt_concurrent"),
          3: ("fp16", "load_trt", "load_vllm", "trt_concurrent")}
_WANTS = {"zero_shot": ("wav", "text"), "cross_lingual": ("wav",), "instruct2": ("wav", "instruct")}


def version_of(folder):
    """Of a model's folder, by the file that CosyVoice itself goes by; None where it is yet to come."""
    for name, version in (("cosyvoice", 1), ("cosyvoice2", 2), ("cosyvoice3", 3)):
        if os.path.exists(os.path.join(folder, name + ".yaml")):
            return version
    if os.path.isdir(folder):
        raise ValueError("'%s' has no cosyvoice.yaml, cosyvoice2.yaml or cosyvoice3.yaml: it is no "
                         "model of CosyVoice" % folder)
    return None  # a name that modelscope knows


def _keep_language_model_right():
    """Versions 2 and 3 were written for transformers 4.51. Newer ones take the mask of one step for
    that of all steps, so that each token sees the first one alone (4.53), and load Qwen2 in the
    bfloat16 that its folder names (5)."""
    from cosyvoice.llm.llm import Qwen2Encoder

    make, step = Qwen2Encoder.__init__, Qwen2Encoder.forward_one_step

    def make_float32(self, pretrain_path):
        make(self, pretrain_path)
        self.model.float()  # before its weights come, from llm.pt

    def step_with_whole_mask(self, xs, masks, cache=None):
        if cache is not None:
            masks = masks.new_ones((xs.shape[0], 1, cache.get_seq_length() + xs.shape[1]))
        return step(self, xs, masks, cache)

    Qwen2Encoder.__init__, Qwen2Encoder.forward_one_step = make_float32, step_with_whole_mask


def _read_recordings_with_soundfile():
    """As CosyVoice asks for, which torchaudio 2.9 and later do not heed: they want torchcodec."""
    import torchaudio

    if not hasattr(torchaudio, "load_with_torchcodec"):
        return
    import soundfile
    import torch

    def load(path, **_):
        samples, rate = soundfile.read(path, dtype="float32", always_2d=True)
        return torch.from_numpy(samples.T.copy()), rate

    torchaudio.load = load


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
        folder = self.voice["model"] or options["model_dir"]
        self.version = version_of(folder)
        flags = {name: options[name] for name in sorted(set().union(*_FLAGS.values()))
                 if name in options}
        if self.version:
            self._check_options(flags)
        _read_recordings_with_soundfile()
        from cosyvoice.cli.cosyvoice import AutoModel

        _keep_language_model_right()
        if not options.get("verbose", False):
            logging.getLogger().setLevel(logging.WARNING)
        self.model = AutoModel(model_dir=folder, **flags)
        self.sample_rate = self.model.sample_rate
        if not self.version:
            self.version = version_of(self.model.model_dir) or 1
            self._check_options(flags)
        self._catch_language_model_errors()
        self.numerics = ", ".join(["CosyVoice %d" % self.version,
                                   "float16" if self.model.model.fp16 else "float32"]
                                  + [name for name in ("load_jit", "load_trt", "load_vllm")
                                     if flags.get(name)])
        if self.mode in ("sft", "instruct"):
            self.speakers = self.model.list_available_spks()
        else:
            self.speakers = self._read_prompts(options.get("prompts") or {})
        if not self.speakers:
            raise ValueError("the model has no speakers of its own: it is for zero_shot, "
                             "cross_lingual or instruct2" if self.mode in ("sft", "instruct")
                             else "options: prompts: there is none")

    def _check_options(self, flags):
        """What this version cannot do, said before minutes of loading."""
        if self.mode == "instruct2" and self.version == 1:
            raise ValueError("instruct2 is for CosyVoice 2 and 3; this model is version 1")
        if self.mode == "instruct" and self.version != 1:
            raise ValueError("instruct is for CosyVoice 1, and this model is version %d: "
                             "it has instruct2" % self.version)
        for name in flags:
            if name not in _FLAGS[self.version]:
                raise ValueError("options: %s: CosyVoice %d does not have it; it has %s"
                                 % (name, self.version, ", ".join(_FLAGS[self.version])))
        for name, prompt in (self.options.get("prompts") or {}).items():
            for part in _WANTS.get(self.mode, ()):
                if part not in prompt:
                    raise ValueError("options: prompts: %s: '%s' is missing; %s wants %s"
                                     % (name, part, self.mode, " and ".join(_WANTS[self.mode])))

    def _catch_language_model_errors(self):
        """They end a thread of CosyVoice's, which goes on with the tokens that it has."""
        model, job = self.model.model, self.model.model.llm_job
        self.errors = []

        def guarded(*arguments):
            try:
                job(*arguments)
            except BaseException as error:
                self.errors.append(error)
                model.llm_end_dict[arguments[-1]] = True

        model.llm_job = guarded

    def _forget_requests(self):
        """CosyVoice does so at the end of one that goes well."""
        for name, held in vars(self.model.model).items():
            if name.endswith("_dict"):
                held.clear()

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

    def _without_marks(self, text):
        """What would be a control token is text, but for the markers where they are wanted."""
        text = text.replace("<|", "<").replace("|>", ">")
        if self.version == 1 or self.options.get("markers", False):
            return text
        for mark in self.model.frontend.tokenizer.special_tokens["additional_special_tokens"]:
            if mark in text:
                text = text.replace(mark, " " if mark[0] == "<" else mark[1:-1])
        return text

    def synthesize(self, items):
        for item in items:
            yield self._speak(item)

    def _speak(self, item):
        import torch

        text = self._without_marks(item.text)
        split = self.options.get("split", False)
        normalise = self.options.get("normalise", True)
        if normalise and not split:
            text = self.model.frontend.text_normalize(text, split=False)
        if not any(character.isalnum() for character in text):
            raise flowtts_worker.Unspeakable()
        if self.mode in ("sft", "cross_lingual"):
            text = self._prompt(text)  # the other modes have it in what the speaker was read with
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
        error = None
        try:
            audio = [part["tts_speech"] for part in parts]  # to the end
        except Exception as failed:
            error = failed
        if self.errors:
            error = self.errors.pop()  # what the other one comes of; kept, it would keep its tensors
        if error:
            self._forget_requests()
            raise error
        if not audio:
            raise flowtts_worker.Unspeakable()
        return torch.cat(audio, dim=1)


if __name__ == "__main__":
    flowtts_worker.run(CosyVoice)
