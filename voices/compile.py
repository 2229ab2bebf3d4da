#!/usr/bin/env python3
"""Compiles the render part of a voice; `flowtts voice compile` calls it with all that it needs.

Runs the voice's exporter (a Python file with a function `export`, see the voice's README), holds
what it exports against the voice's own TorchScript module, compiles it with AOTInductor, and leaves
the package in a folder of the cache. One line of JSON on stdout tells of it; stderr has progress and
errors. Exit status: 0, 2 (the exporter is at fault), 3 (the environment is).

The folder's compiled.json is replaced last and names the package, so that a call that is killed
leaves the former package in force. A lock lets calls for the same folder work one after another; the
system drops it with the process.
"""

import argparse
import ctypes
import fcntl
import glob
import importlib.util
import json
import logging
import os
import shutil
import signal
import sys
import sysconfig
import time
import uuid
import warnings

# What torch's Python half, its exporter and its compiler import. Triton makes kernels for GPUs.
MODULES = ("typing_extensions", "filelock", "sympy", "mpmath", "networkx", "jinja2", "markupsafe",
           "fsspec", "setuptools")
# How far the exported module's spectrum may be from the voice's, as a share of its level: a check of
# the exporter, not of a precision. An exporter for another voice is as far away as the voice is loud.
MOST_SPECTRAL_ERROR = 0.25


class Refused(Exception):
    """Ends the call with a message and an exit status."""

    def __init__(self, message, status=3):
        super().__init__(message)
        self.status = status


def say(text):
    print(f"flowtts: {text}", file=sys.stderr, flush=True)


def base_version(version):
    """2.11.0 of 2.11.0+cu130."""
    return version.split("+")[0]


def torch_version_in(folder):
    """The version of the torch package in a folder of packages; None where there is none."""
    path = os.path.join(folder, "torch", "version.py")
    try:
        with open(path, encoding="utf-8") as file:
            names = {}
            exec(file.read(), names)  # two assignments, as torch's build writes them
            return base_version(names["__version__"])
    except (OSError, KeyError, SyntaxError):
        return None


def choose_torch(version, site):
    """Makes `import torch` find that version: Python's own, or the one FlowTTS uses."""
    spec = importlib.util.find_spec("torch")
    if spec and spec.origin:
        own = os.path.dirname(os.path.dirname(spec.origin))
        if torch_version_in(own) == version:
            return
    tag = f"{sys.version_info.major}{sys.version_info.minor}"
    python = f"{sys.executable} (Python {sys.version_info.major}.{sys.version_info.minor})"
    if torch_version_in(site) != version or not os.path.exists(f"{site}/torch/__init__.py"):
        raise Refused(
            f"{python} has no torch {version}, and {site} has not all of it. "
            f"`./flowtts voice compile` of a checkout fetches it; or name a Python that has it in "
            f"FLOWTTS_PYTHON")
    found = glob.glob(f"{site}/torch/_C.cpython-*.so")
    if not any(f"cpython-{tag}-" in name for name in found):
        made_for = ", ".join(os.path.basename(name).split("-")[1] for name in found) or "none"
        raise Refused(f"the torch in {site} is for CPython {made_for}, and this is {python}: name "
                      f"another Python in FLOWTTS_PYTHON")
    sys.path.insert(0, site)
    # The compiler's own processes find it too.
    os.environ["PYTHONPATH"] = os.pathsep.join(
        [site, *filter(None, [os.environ.get("PYTHONPATH")])])


def check_environment(device):
    modules = MODULES + (("triton",) if device.startswith("cuda") else ())
    missing = [name for name in modules if importlib.util.find_spec(name) is None]
    if missing:
        raise Refused(
            f"{sys.executable} has not all that torch compiles with; missing: "
            f"{', '.join(missing)}. `./flowtts voice compile` of a checkout fetches it; elsewhere "
            f"pip installs it under these names")
    compiler = os.environ.get("CXX", "g++")
    if shutil.which(compiler) is None:
        raise Refused(f"there is no C++ compiler '{compiler}', which torch compiles with: install "
                      f"g++, or name one in CXX")
    headers = sysconfig.get_paths()["include"]
    if device.startswith("cuda") and not os.path.exists(os.path.join(headers, "Python.h")):
        raise Refused(f"{headers} has no Python.h, which triton compiles with: install python3-dev")


def find_cuda(torch):
    """Names CUDA's headers where torch would not find them: those beside it, of its own version."""
    if "CUDA_HOME" in os.environ or shutil.which("nvcc") or os.path.exists("/usr/local/cuda"):
        return
    major = torch.version.cuda.split(".")[0]
    beside = os.path.join(os.path.dirname(os.path.dirname(torch.__file__)), "nvidia", f"cu{major}")
    if os.path.exists(os.path.join(beside, "include", "cuda.h")):
        os.environ["CUDA_HOME"] = beside


def import_torch():
    try:
        import torch
    except (ImportError, OSError) as error:
        raise Refused(f"torch cannot be imported: {error}. Its Python half needs the CUDA "
                      f"libraries that it was made with, even without a GPU") from error
    # TF32 turns small errors of pitch into a drift of phase.
    torch.backends.cuda.matmul.allow_tf32 = False
    torch.backends.cudnn.allow_tf32 = False
    return torch


def open_device(torch, name, card):
    """Checks the device; returns its compute capability, "" for a CPU."""
    if name == "cpu":
        return ""
    device = torch.device(name)
    if not torch.cuda.is_available():
        raise Refused("torch cannot use a GPU here: no driver, or a torch without CUDA")
    if device.index >= torch.cuda.device_count():
        raise Refused(f"torch sees {torch.cuda.device_count()} GPUs, and no {name}")
    found = torch.cuda.get_device_name(device)
    if found != card:
        raise Refused(f"{name} is '{found}' for torch and '{card}' for FlowTTS")
    torch.cuda.set_device(device)
    find_cuda(torch)
    return "{}.{}".format(*torch.cuda.get_device_capability(device))


def load_exporter(path):
    spec = importlib.util.spec_from_file_location("voice_exporter", path)
    exporter = importlib.util.module_from_spec(spec)
    sys.dont_write_bytecode = True  # the voice's folder stays as it is
    try:
        spec.loader.exec_module(exporter)
    except Exception as error:
        raise Refused(f"{path}: {type(error).__name__}: {error}", 2) from error
    finally:
        sys.dont_write_bytecode = False
    if not callable(getattr(exporter, "export", None)):
        raise Refused(f"{path}: there is no function export(model_path, precision, device)", 2)
    return exporter


def run_exporter(torch, arguments):
    exporter = load_exporter(arguments.exporter)
    try:
        made = exporter.export(arguments.model, arguments.precision, arguments.device)
        module, inputs, shapes = made
    except Exception as error:
        raise Refused(f"{arguments.exporter}: export: {type(error).__name__}: {error}",
                      2) from error
    if not isinstance(module, torch.nn.Module):
        raise Refused(f"{arguments.exporter}: export returned {type(module).__name__} where a "
                      f"torch.nn.Module is expected", 2)
    # Compiled code takes the strides of these for granted; FlowTTS gives it contiguous tensors.
    return module.eval().requires_grad_(False), tuple(x.contiguous() for x in inputs), shapes


def spectrum(torch, audio):
    """Magnitudes, which do not change where the phase has drifted a little."""
    audio = torch.nn.functional.pad(audio, (0, 512))  # may be shorter than the window
    window = torch.hann_window(512, dtype=audio.dtype, device=audio.device)
    return torch.stft(audio, 512, hop_length=128, window=window, return_complex=True).abs()


def compare(torch, module, inputs, arguments):
    """The largest difference of a sample between the exported module and the voice itself, and the
    difference of their spectra as a share of the level."""
    voice = torch.jit.load(arguments.model, map_location=arguments.device).float().eval()
    wanted = getattr(voice, arguments.render)(*inputs).float()
    made = module(*inputs).float()
    if made.shape != wanted.shape:
        raise Refused(f"{arguments.exporter}: the exported module makes {list(made.shape)} where "
                      f"the voice's '{arguments.render}' makes {list(wanted.shape)}", 2)
    largest = float((made - wanted).abs().max())
    of_voice = spectrum(torch, wanted)
    spectral = float((spectrum(torch, made) - of_voice).norm() / of_voice.norm().clamp(min=1e-12))
    say(f"the exported module and the voice itself differ by at most {largest:.1e} in a sample, "
        f"and by {spectral:.1e} of the level in the spectrum")
    if not spectral <= MOST_SPECTRAL_ERROR:  # also where it is not a number
        raise Refused(f"{arguments.exporter}: what it exports does not speak as "
                      f"{arguments.model} does: {spectral:.1e} of the level apart in the spectrum, "
                      f"where {MOST_SPECTRAL_ERROR} is allowed", 2)
    return largest, spectral


def compile_package(torch, module, inputs, shapes, path, device):
    import torch._inductor
    from torch._inductor import cpu_vec_isa
    # Asked now, and remembered: the library that it tries out must be linked against LibTorch.
    cpu_vec_isa.valid_vec_isa_list()
    program = torch.export.export(module, inputs, dynamic_shapes=shapes)
    options = {
        # The number of CPU threads is the calling thread's, not that of the machine compiled on.
        "cpp.dynamic_threads": True,
        # The package finds LibTorch's functions in the process that loads it: libtorch.so itself
        # needs all of CUDA's libraries, with or without a GPU.
        "aot_inductor.link_libtorch": False,
        # Takes longer than it saves for the few files of one voice.
        "aot_inductor.precompile_headers": False,
        "cpp_cache_precompile_headers": False,
    }
    if device.startswith("cuda"):
        # One kernel for a matrix product, whatever the number of rows, so that a sentence has the
        # same bits in every batch; cuBLAS is free to take another one, with other roundings. Which
        # one is tried out here, which takes most of the time.
        options["max_autotune_gemm"] = True
        options["max_autotune_gemm_backends"] = "TRITON"
    torch._inductor.aoti_compile_and_package(program, package_path=path, inductor_configs=options)
    if not os.path.exists(path):
        raise Refused("torch has compiled without an error, and there is no package")


def read_json(path):
    try:
        with open(path, encoding="utf-8") as file:
            return json.load(file)
    except (OSError, ValueError):
        return None


def is_current(made, arguments):
    """Whether a call that held the lock before has made the very thing."""
    if not made or made.get("exporter_hash") != arguments.exporter_hash:
        return False
    try:
        package = os.path.join(arguments.folder, made["package"])
        return os.path.getsize(package) == made["bytes"]
    except (OSError, KeyError):
        return False


class Lock:
    """The folder's lock, waited for."""

    def __init__(self, folder):
        self.file = open(os.path.join(folder, "lock"), "w", encoding="utf-8")
        self.waited = False
        try:
            fcntl.flock(self.file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say("another call compiles this voice for this card: waiting for it")
            fcntl.flock(self.file, fcntl.LOCK_EX)
            self.waited = True


def write_json(folder, name, content):
    path = os.path.join(folder, name)
    with open(path + ".part", "w", encoding="utf-8") as file:
        json.dump(content, file)
        file.write("\n")
        file.flush()
        os.fsync(file.fileno())
    os.replace(path + ".part", path)


def put_into_place(folder, package, made):
    """The package under a name of its own, then the JSON that names it, then the old ones go."""
    name = f"render-{uuid.uuid4().hex[:8]}.pt2"
    with open(package, "rb") as file:
        os.fsync(file.fileno())
    os.replace(package, os.path.join(folder, name))
    made["package"] = name
    write_json(folder, "compiled.json", made)
    for old in glob.glob(os.path.join(glob.escape(folder), "render-*.pt2")):
        if os.path.basename(old) != name:
            os.unlink(old)
    return made


def make(arguments, work):
    start = time.monotonic()
    os.environ["TORCHINDUCTOR_CACHE_DIR"] = os.path.join(work, "inductor")
    torch = import_torch()
    capability = open_device(torch, arguments.device, arguments.card)
    say(f"exporting {arguments.voice} in {arguments.precision} for {arguments.card}")
    with torch.no_grad():
        module, inputs, shapes = run_exporter(torch, arguments)
        largest, spectral = compare(torch, module, inputs, arguments)
        say("compiling, which takes one to five minutes")
        package = os.path.join(work, "render.pt2")
        try:
            compile_package(torch, module, inputs, shapes, package, arguments.device)
        except Refused:
            raise
        except Exception as error:
            raise Refused(f"torch cannot compile it: {type(error).__name__}: {error}") from error
    return put_into_place(arguments.folder, package, {
        "format": arguments.format, "voice": arguments.voice, "voice_hash": arguments.voice_hash,
        "exporter_hash": arguments.exporter_hash, "card": arguments.card,
        "compute_capability": capability, "torch": base_version(torch.__version__),
        "torch_build": torch.__version__, "precision": arguments.precision,
        "bytes": os.path.getsize(package), "compile_seconds": round(time.monotonic() - start, 1),
        "largest_difference": largest, "spectral_error": spectral})


def compile_voice(arguments):
    os.makedirs(arguments.folder, exist_ok=True)
    lock = Lock(arguments.folder)
    for left in glob.glob(os.path.join(glob.escape(arguments.folder), "work-*")):
        shutil.rmtree(left, ignore_errors=True)  # of a call that was killed
    made = read_json(os.path.join(arguments.folder, "compiled.json"))
    if lock.waited and is_current(made, arguments):
        return made
    choose_torch(arguments.torch_version, arguments.torch_site)
    check_environment(arguments.device)
    work = os.path.join(arguments.folder, f"work-{os.getpid()}")
    os.makedirs(work)
    try:
        return make(arguments, work)
    finally:
        shutil.rmtree(work, ignore_errors=True)


def parse(words):
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--format", type=int, required=True, help="of the cache")
    for name, doc in (
            ("voice", "the voice's name"), ("voice-hash", "what it is known by"),
            ("model", "its TorchScript file"), ("render", "the method that is compiled"),
            ("exporter", "the Python file that exports it"), ("exporter-hash", "of that file"),
            ("precision", "float32, float16 or bfloat16"), ("device", "cpu or cuda:N"),
            ("card", "the device's name"), ("torch-version", "that FlowTTS runs with"),
            ("torch-site", "the folder that has FlowTTS's torch"), ("folder", "of the cache")):
        parser.add_argument("--" + name, required=True, help=doc)
    return parser.parse_args(words)


def end_with_caller():
    """The caller's end is this process's end, and both end cleanly."""
    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(128 + number))
    parent_death_signal = 1
    ctypes.CDLL(None).prctl(parent_death_signal, signal.SIGTERM)


def main():
    arguments = parse(sys.argv[1:])
    end_with_caller()
    # Whatever torch or the exporter prints is no result.
    result = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    warnings.filterwarnings("ignore")
    logging.disable(logging.WARNING)
    try:
        made = compile_voice(arguments)
    except Refused as refused:
        say(f"voice compile: {refused}")
        sys.exit(refused.status)
    except OSError as error:
        say(f"voice compile: {error}")
        sys.exit(3)
    except KeyboardInterrupt:
        sys.exit(130)
    print(json.dumps(made), file=result, flush=True)


if __name__ == "__main__":
    main()
