#!/usr/bin/env python3
"""tests/fuzz/make_seeds.py FOLDER: what the fuzzers start from, a folder for each, taken from the
cases of the other tests and from the example data."""
import json
import pathlib
import re
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
LARGEST = 6000  # bytes of a seed: a fuzzer works best with small ones


def conversation_reader():
    """The files in tests/stages/io/conversations.cases."""
    text = (ROOT / "tests/stages/io/conversations.cases").read_bytes()
    for file in re.findall(rb"^-- file\n(.*?)\n-- records", text, re.M | re.S):
        yield re.sub(rb"\{\{([0-9A-F ]+)\}\}", lambda m: bytes.fromhex(m[1].decode()), file)


def pipeline_file():
    """The files in tests/core/config/cases, each with its --set arguments behind a NUL byte."""
    for path in sorted((ROOT / "tests/core/config/cases").glob("*.yaml")):
        text = path.read_bytes()
        overrides = re.findall(rb"^# --set (.*)$", text, re.M)
        yield text + (b"\0" + b"\n".join(overrides) if overrides else b"")
    for path in sorted(ROOT.glob("pipelines/*.yaml")):
        yield path.read_bytes()


def voice_file():
    """The voices that there are, and one with all that a voice can have."""
    for path in sorted(ROOT.glob("configs/voices/*.yaml")):
        yield path.read_bytes()
    yield (b"flowtts_voice: 1\nname: all\nformat: torchscript\nmodel: v.yaml\nsample_rate: 22050\n"
           b"hop: 256\nlanguages: [en, de]\nfront_end: {type: flite_us}\nspeakers: [a, b]\n"
           b"limits: {max_tokens: 9}\nparts: {plan: p, render: r}\nprecision: float32\n"
           b"gate: {seconds_per_character: [0.03, 1.5]}\ncompile: {exporter: e.py}\n")
    yield (b"flowtts_voice: 1\nname: named\nformat: onnx\nmodel: v.yaml\nsample_rate: 22050\nhop: 256\n"
           b"front_end: {type: text}\nspeakers: [a, b]\npython: python3\n"
           b"inputs: {x: tokens, x_lengths: lengths, scales: [0.667, length_scale], 3: speaker}\n"
           b"outputs: {audio: 0, lengths: y, lengths_in: frames}\n"
           b"options: {threads: 2, blank: 0, providers: [CPUExecutionProvider]}\n")


def text():
    """Turns of the example data, and marks of every kind; the first byte chooses rules."""
    chats = json.loads(re.sub(r",\s*\]\s*$", "]", (ROOT / "examples/data/conversations.json")
                              .read_text("utf-8-sig")), strict=False)
    seen = set()
    for chat in chats:
        for turn in (chat if isinstance(chat, dict) else {}).get("conversations") or []:
            value = turn.get("value") if isinstance(turn, dict) else None
            kind = re.sub(r"\w+", "w", value)[:40] if isinstance(value, str) else None
            if kind and kind not in seen:
                seen.add(kind)
                yield bytes([len(value) % 256]) + value.encode("utf-8", "replace")
    marks = ["# Head\n\n* one\n* two\n\n| a | b |\n|---|---|\n| 1 | 2 |\n", "```py\nx = 1\n```\n",
             "$\\frac{1}{2}x^2$ and \\[a \\le b\\]", "A. cat\nB. dog\nAnswer:", "[0.1, 0.2, 0.3, 0.4]",
             "<b>x</b> &amp; <script>y</script>", "https://www.example.com/a?b=c and a@b.org",
             "Dr. Smith went. \u3053\u3093\u306b\u3061\u306f\u3002\u4f60\u597d\u3002 \u0e2a\u0e27\u0e31\u0e2a\u0e14\u0e35",
             "<image>\nWhat? Answer the question using a single word or phrase.", "a\u200bb\u202ec \U0001f600",
             "Reference OCR token: A, B\nWhat is it?", "word " * 100, "x" * 3000]
    for mark in marks:
        yield b"\x0f" + mark.encode()


def manifest_file():
    """A line that ends with ~ is sealed by the fuzzer."""
    line = '{"index":%d,"id":"%d","conversations":[],"status":"written"}~\n'
    yield b""
    yield "".join(line % (i, i) for i in range(5)).encode()
    yield "".join(line % (i, i) for i in (4, 2, 9, 0, 2, 18446744073709551615)).encode()
    yield "".join(line % (i, i) for i in (3, 1)).encode() + b'{"index":7,"id":"to'
    yield b'{"index":1}~\n{"id":"no index"}~\n{"index":2,"id":"not sealed"}\n'
    yield b"\n\n" + (line % (1, 1)).encode()


def journal():
    session = (b'{"session":%d,"journal":1,"started":"2026-01-02T03:04:05Z","directory":"/a",'
               b'"file":"f.yaml","config":{"flowtts":1,"stages":[]},"identity":[["version",'
               b'"flowtts","0.1.0"],["input","load","x"]]}~\n')
    record = (b'{"record":%d,"content":"00000000000000ff","status":"%s","written":2,"filtered":1,'
              b'"seconds":1.5,"filtered_by":{"unspeakable":1}}~\n')
    end = b'{"end":3,"filtered_records":{"sample":1}}~\n'
    yield b""
    yield session % 1 * 2 + record % (0, b"written") + record % (2, b"failed") + end
    yield session % 1 * 2 + record % (7, b"filtered") + b'{"redo":[7,8]}~\n' + session % 2 * 2
    yield session % 1 + record % (1, b"written") + (record % (2, b"written"))[:40]
    yield end + b'{"record":1,"content":"xyz","status":"odd"}~\n{"what":1}~\n\n\0\0\0\0\n'


def main():
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    for make in (conversation_reader, pipeline_file, voice_file, text, manifest_file, journal):
        folder = pathlib.Path(sys.argv[1]) / make.__name__
        folder.mkdir(parents=True, exist_ok=True)
        count = 0
        for seed in make():
            if len(seed) <= LARGEST:
                (folder / f"seed-{count:03}").write_bytes(seed)
                count += 1
        print(f"{count:4} seeds for {make.__name__}")


if __name__ == "__main__":
    main()
