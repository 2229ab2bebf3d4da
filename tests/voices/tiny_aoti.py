"""Writes tiny voices of random weights, each as TorchScript (.pt) and as an AOTInductor package for
the CPU (.pt2): `one` in one part, with inputs and outputs of its own names, and `two` in two parts.

    python3 tiny_aoti.py SITE FOLDER      # SITE: a folder with torch, where Python has none
"""

import os
import sys
import warnings
from typing import Dict, NamedTuple

site, folder = sys.argv[1:]
sys.path.append(site)
os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, [os.environ.get("PYTHONPATH"), site]))
os.environ["TORCHINDUCTOR_CACHE_DIR"] = os.path.join(folder, "inductor")
os.environ["TORCHINDUCTOR_VEC_ISA_OK"] = "0"  # what the CPU can do is tried out by compiling
warnings.filterwarnings("ignore")

import torch  # noqa: E402
import torch._inductor  # noqa: E402
from torch._inductor.package import package_aoti  # noqa: E402

HOP = 10
OPTIONS = {"cpp.dynamic_threads": True, "aot_inductor.link_libtorch": False,
           "aot_inductor.precompile_headers": False, "cpp_cache_precompile_headers": False,
           "aot_inductor.compile_wrapper_opt_level": "O0"}


class One(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.table = torch.nn.Embedding(50, 4)

    def forward(self, x, x_lengths, sid, scales, seed) -> Dict[str, torch.Tensor]:
        level = (self.table(x).sum(-1) * scales[0]).repeat_interleave(10, 1)
        noise = (seed % 7).to(torch.float32).unsqueeze(1) * 0.001
        audio = (level + sid.unsqueeze(1) * 0.01 + noise) / scales[1]
        return {"frames": torch.clamp(x_lengths, min=1), "wav": audio.unsqueeze(1)}


class Spoken(NamedTuple):
    frames: torch.Tensor
    wav: torch.Tensor


class Named(torch.nn.Module):
    """`One` with fields in place of keys."""

    def __init__(self, one: One):
        super().__init__()
        self.one = one

    def forward(self, x, x_lengths, sid, scales, seed) -> Spoken:
        made = self.one(x, x_lengths, sid, scales, seed)
        return Spoken(made["frames"], made["wav"])


class Plan(torch.nn.Module):
    def forward(self, tokens, token_lengths, speaker, speed):
        x = tokens.to(torch.float32)
        h = torch.stack([torch.sin(x), torch.cos(x) * speed.unsqueeze(1)], 1)
        return h, torch.ones_like(h[:, 0]), token_lengths * 2


class Render(torch.nn.Module):
    def forward(self, h, durations, token_lengths, speaker, frame_lengths, frames):
        n = torch.arange(10 * frames.size(0), device=h.device)
        level = (h[:, 0] - 2 * h[:, 1]).sum(1) / token_lengths + 0.1 * speaker
        inside = n.unsqueeze(0) < (10 * frame_lengths).unsqueeze(1)
        return level.unsqueeze(1) * torch.cos(0.3 * n) * inside


class Two(torch.nn.Module):
    """Both parts as TorchScript has them: methods of one module."""

    def __init__(self):
        super().__init__()
        self.planner = Plan()
        self.renderer = Render()

    @torch.jit.export
    def plan(self, tokens, token_lengths, speaker, speed):
        return self.planner(tokens, token_lengths, speaker, speed)

    @torch.jit.export
    def render(self, h, durations, token_lengths, speaker, frame_lengths, frames):
        return self.renderer(h, durations, token_lengths, speaker, frame_lengths, frames)


def compiled(module, arguments, shapes, by_name=()):
    """The files of a package's model. Names of inputs are kept of keyword arguments alone."""
    named = dict(zip(by_name, arguments))
    program = torch.export.export(module, () if named else arguments, named or None,
                                  dynamic_shapes=dict(zip(by_name, shapes)) if named else shapes)
    return torch._inductor.aot_compile(program.module(), () if named else arguments, named or None,
                                       options={**OPTIONS, "aot_inductor.package": True})


def main():
    torch.manual_seed(1)
    batch, tokens, frames = (torch.export.Dim(name, min=2, max=4096) for name in "btf")
    x = torch.randint(1, 40, (3, 7))
    lengths, speaker, speed = torch.tensor([7, 3, 5]), torch.tensor([0, 1, 0]), torch.ones(3)
    with torch.no_grad():
        one = One().eval()
        torch.jit.script(one).save(os.path.join(folder, "one.pt"))
        torch.jit.script(Named(one)).save(os.path.join(folder, "named.pt"))
        torch.jit.script(Two()).save(os.path.join(folder, "two.pt"))
        files = compiled(one, (x, lengths, speaker, torch.ones(2), lengths.clone()),
                         ({0: batch, 1: tokens}, {0: batch}, {0: batch}, None, {0: batch}),
                         ("x", "x_lengths", "sid", "scales", "seed"))
        package_aoti(os.path.join(folder, "one.pt2"), {"model": files})
        plan = compiled(Plan(), (x, lengths, speaker, speed),
                        ({0: batch, 1: tokens}, {0: batch}, {0: batch}, {0: batch}))
        # A tensor that is given twice is taken for one input.
        inputs = (torch.rand(3, 2, 7), torch.ones(3, 7), lengths, speaker, lengths * 2,
                  torch.zeros(9))
        render = compiled(Render(), inputs,
                          ({0: batch, 2: tokens}, {0: batch, 1: tokens}, {0: batch}, {0: batch},
                           {0: batch}, {0: frames}))
        package_aoti(os.path.join(folder, "two.pt2"), {"plan": plan, "render": render})


main()
