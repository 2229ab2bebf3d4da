"""VITS in the two parts that FlowTTS's TorchScript voices have, and its exporter for AOTInductor.

The layers are those of a transformers VitsModel, with its weights; what runs them is written for
batches on any device: everything is masked by each sentence's length, what is random is drawn from
each sentence's own seed, no shape depends on values, and no device is named.

export_vits.py scripts a `Voice`, and puts this file beside it as the voice's exporter: `export` makes
of the TorchScript file alone what `flowtts voice compile` compiles. So it imports nothing but torch.
"""

import math
from typing import Optional

import torch
from torch import Tensor, nn
from torch.nn import functional as F


def mix(x: Tensor) -> Tensor:
    """A hash of 32 bits to 32 bits, in int64; the factors keep the products within 63 bits."""
    x = ((x ^ (x >> 16)) * 0x21F0AAAD) & 0xFFFFFFFF
    x = ((x ^ (x >> 15)) * 0x735A2D97) & 0xFFFFFFFF
    return x ^ (x >> 15)


def draw_normal(seed: Tensor, stream: int, channels: int, length: int) -> Tensor:
    """Gaussian numbers [B, channels, length], each a function of seed, stream, channel and time.

    So a sentence has the same ones in every batch, and whatever its row is padded to.
    """
    time = torch.arange(length, device=seed.device).view(1, 1, -1)
    place = (time * channels + torch.arange(channels, device=seed.device).view(1, -1, 1)) * 2
    low = mix((seed ^ (stream * 0x5851F42D)) & 0xFFFFFFFF).view(-1, 1, 1)
    high = mix((seed >> 32) ^ 0x3C6EF372).view(-1, 1, 1)
    first = mix(mix((place & 0xFFFFFFFF) ^ low) ^ high)
    second = mix(mix(((place + 1) & 0xFFFFFFFF) ^ low) ^ high)
    # 24 bits are what a float32 holds; half a step keeps the logarithm from 0.
    radius = torch.sqrt(-2.0 * torch.log(((first >> 8).float() + 0.5) / 16777216.0))
    return radius * torch.cos((second >> 8).float() * (2.0 * math.pi / 16777216.0))


def seed_channels(seed: Tensor, length: int) -> Tensor:
    """A seed's 8 bytes as float32 [B, 8, length]: channels of h, in which `plan` hands it to `render`.

    Bytes are exact in every precision.
    """
    shifts = torch.arange(8, device=seed.device) * 8
    parts = (seed.unsqueeze(1) >> shifts.unsqueeze(0)) & 0xFF
    return parts.float().unsqueeze(2).expand(-1, -1, length)


def seed_of_channels(channels: Tensor) -> Tensor:
    """The seed that `seed_channels` has spread."""
    shifts = torch.arange(8, device=channels.device) * 8
    return (channels[:, :, 0].round().long() << shifts.unsqueeze(0)).sum(1)


def length_mask(lengths: Tensor, length: int) -> Tensor:
    """float32 [B, 1, length]: 1 within each row's length, 0 beyond."""
    places = torch.arange(length, device=lengths.device)
    return (places.unsqueeze(0) < lengths.unsqueeze(1)).float().unsqueeze(1)


class Attention(nn.Module):
    """Self-attention that knows how far apart two tokens are, up to a window."""

    def __init__(self, source):
        super().__init__()
        self.q_proj, self.k_proj = source.q_proj, source.k_proj
        self.v_proj, self.out_proj = source.v_proj, source.out_proj
        self.heads: int = source.num_heads
        self.size: int = source.head_dim
        self.window: int = source.window_size or 0
        self.emb_rel_k = source.emb_rel_k if self.window else None
        self.emb_rel_v = source.emb_rel_v if self.window else None

    def split(self, x: Tensor) -> Tensor:
        return x.view(x.size(0), x.size(1), self.heads, self.size).transpose(1, 2)

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        length = x.size(1)
        query = self.split(self.q_proj(x)) * self.size**-0.5
        key, value = self.split(self.k_proj(x)), self.split(self.v_proj(x))
        scores = torch.matmul(query, key.transpose(2, 3))
        places = torch.arange(length, device=x.device)
        if self.emb_rel_k is not None:
            # From how far to the left or right each token looks, the score of that distance.
            distance = places.unsqueeze(0) - places.unsqueeze(1)
            # In floating point: on GPUs TorchScript's fuser writes `fabs` for whole numbers as well.
            near = (distance.to(x.dtype).abs() <= self.window).to(x.dtype)
            index = (distance.clamp(-self.window, self.window) + self.window).expand_as(scores)
            by_distance = torch.matmul(query, self.emb_rel_k.transpose(1, 2))
            scores = scores + by_distance.gather(3, index) * near
        scores = scores.masked_fill(mask.unsqueeze(1) == 0, -3.4028234663852886e38)
        weights = torch.softmax(scores, 3)
        mixed = torch.matmul(weights, value)
        if self.emb_rel_v is not None:
            steps = torch.arange(-self.window, self.window + 1, device=x.device)
            at = places.unsqueeze(1) + steps.unsqueeze(0)
            within = ((at >= 0) & (at < length)).to(x.dtype)
            index = at.clamp(0, length - 1).expand(x.size(0), self.heads, length, steps.size(0))
            mixed = mixed + torch.matmul(weights.gather(3, index) * within, self.emb_rel_v)
        return self.out_proj(mixed.transpose(1, 2).reshape(x.size(0), length, -1))


class FeedForward(nn.Module):
    def __init__(self, source):
        super().__init__()
        self.conv_1, self.conv_2, self.act = source.conv_1, source.conv_2, source.act_fn
        kernel = source.conv_1.kernel_size[0]
        self.left: int = (kernel - 1) // 2
        self.right: int = kernel // 2

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        x = F.pad(x.transpose(1, 2) * mask, [self.left, self.right])
        x = F.pad(self.act(self.conv_1(x)) * mask, [self.left, self.right])
        return (self.conv_2(x) * mask).transpose(1, 2)


class EncoderLayer(nn.Module):
    def __init__(self, source):
        super().__init__()
        self.attention = Attention(source.attention)
        self.feed_forward = FeedForward(source.feed_forward)
        self.layer_norm, self.final_layer_norm = source.layer_norm, source.final_layer_norm

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        x = self.layer_norm(x + self.attention(x, mask))
        return self.final_layer_norm(x + self.feed_forward(x, mask))


class TextEncoder(nn.Module):
    """Tokens [B, T] to hidden states [B, H, T] and to the prior's means and deviations."""

    def __init__(self, source, config):
        super().__init__()
        self.embed_tokens, self.project = source.embed_tokens, source.project
        self.layers = nn.ModuleList([EncoderLayer(layer) for layer in source.encoder.layers])
        self.scale: float = math.sqrt(config.hidden_size)

    def forward(self, tokens: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
        x = self.embed_tokens(tokens) * self.scale * mask.transpose(1, 2)
        for layer in self.layers:
            x = layer(x, mask)
        x = x.transpose(1, 2) * mask
        return x, self.project(x) * mask


class DepthSeparableConv(nn.Module):
    def __init__(self, source):
        super().__init__()
        self.dilated, self.pointwise = source.convs_dilated, source.convs_pointwise
        self.norms_1, self.norms_2 = source.norms_1, source.norms_2

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        for dilated, norm_1, pointwise, norm_2 in zip(self.dilated, self.norms_1, self.pointwise,
                                                      self.norms_2):
            y = F.gelu(norm_1(dilated(x * mask).transpose(1, 2)).transpose(1, 2))
            y = F.gelu(norm_2(pointwise(y).transpose(1, 2)).transpose(1, 2))
            x = x + y
        return x * mask


def invert_spline(x: Tensor, widths: Tensor, heights: Tensor, slopes: Tensor, bound: float,
                  smallest: float = 1e-3) -> Tensor:
    """Where a monotonic rational-quadratic spline over [-bound, bound] takes the value x [..., T].

    widths, heights [..., T, bins] and slopes [..., T, bins - 1] as a network makes them. Values
    outside stay as they are.
    """
    bins = widths.size(-1)

    edges: list[Tensor] = []
    for raw in [widths, heights]:
        sizes = smallest + (1 - smallest * bins) * torch.softmax(raw, -1)
        inner = 2 * bound * torch.cumsum(sizes, -1)[..., :-1] - bound
        first = torch.full_like(x.unsqueeze(-1), -bound)
        edges.append(torch.cat([first, inner, -first], -1))
    x_edges, y_edges = edges[0], edges[1]
    x_sizes = x_edges[..., 1:] - x_edges[..., :-1]
    y_sizes = y_edges[..., 1:] - y_edges[..., :-1]
    # Slope 1 at both ends, where the spline meets the straight line outside.
    outer = torch.ones_like(x.unsqueeze(-1))
    slopes = torch.cat([outer, smallest + F.softplus(slopes), outer], -1)

    inside = (x >= -bound) & (x <= bound)
    y = x.clamp(-bound, bound)
    place = ((y.unsqueeze(-1) >= y_edges).sum(-1, keepdim=True) - 1).clamp(0, bins - 1)
    x_edge, x_size = x_edges.gather(-1, place).squeeze(-1), x_sizes.gather(-1, place).squeeze(-1)
    y_edge, y_size = y_edges.gather(-1, place).squeeze(-1), y_sizes.gather(-1, place).squeeze(-1)
    mean = (y_sizes / x_sizes).gather(-1, place).squeeze(-1)
    left = slopes.gather(-1, place).squeeze(-1)
    right = slopes.gather(-1, place + 1).squeeze(-1)

    above = y - y_edge
    bend = above * (left + right - 2 * mean)
    a = y_size * (mean - left) + bend
    b = y_size * left - bend
    c = -mean * above
    root = 2 * c / (-b - torch.sqrt((b * b - 4 * a * c).clamp_min(0)))
    return torch.where(inside, root * x_size + x_edge, x)


class SplineFlow(nn.Module):
    def __init__(self, source):
        super().__init__()
        self.conv_pre, self.conv_proj = source.conv_pre, source.conv_proj
        self.conv_dds = DepthSeparableConv(source.conv_dds)
        self.split: int = source.half_channels
        self.bins: int = source.num_bins
        self.bound: float = float(source.tail_bound)
        self.scale: float = 1 / math.sqrt(source.filter_channels)

    def forward(self, x: Tensor, mask: Tensor, condition: Tensor) -> Tensor:
        """Backwards through the flow."""
        first, second = x[:, :self.split], x[:, self.split:]
        y = self.conv_dds(self.conv_pre(first) + condition, mask)
        y = self.conv_proj(y) * mask
        y = y.view(y.size(0), self.split, -1, y.size(2)).transpose(2, 3)
        widths = y[..., :self.bins] * self.scale
        heights = y[..., self.bins:2 * self.bins] * self.scale
        second = invert_spline(second, widths, heights, y[..., 2 * self.bins:], self.bound)
        return torch.cat([first, second], 1) * mask


class StochasticDurations(nn.Module):
    """Draws the logarithm of how many frames each token has, [B, 1, T]."""

    def __init__(self, source, noise_scale):
        super().__init__()
        self.conv_pre, self.conv_proj = source.conv_pre, source.conv_proj
        self.conv_dds = DepthSeparableConv(source.conv_dds)
        self.cond = getattr(source, "cond", None)
        affine, splines = source.flows[0], source.flows[1:]
        # Backwards, and without the first spline, as the model is meant to be run.
        self.splines = nn.ModuleList([SplineFlow(flow) for flow in reversed(splines[1:])])
        self.translate, self.log_scale = affine.translate, affine.log_scale
        self.noise_scale: float = noise_scale

    def forward(self, x: Tensor, mask: Tensor, voice: Optional[Tensor], seed: Tensor) -> Tensor:
        x = self.conv_pre(x)
        if self.cond is not None and voice is not None:
            x = x + self.cond(voice)
        x = self.conv_proj(self.conv_dds(x, mask)) * mask
        latents = draw_normal(seed, 1, 2, x.size(2)) * self.noise_scale * mask
        for spline in self.splines:
            latents = spline(latents.flip([1]), mask, x)
        latents = (latents.flip([1]) - self.translate) * torch.exp(-self.log_scale) * mask
        return latents[:, :1]


class Durations(nn.Module):
    """Predicts the logarithm of how many frames each token has, [B, 1, T]."""

    def __init__(self, source):
        super().__init__()
        self.conv_1, self.norm_1 = source.conv_1, source.norm_1
        self.conv_2, self.norm_2 = source.conv_2, source.norm_2
        self.proj = source.proj
        self.cond = getattr(source, "cond", None)

    def forward(self, x: Tensor, mask: Tensor, voice: Optional[Tensor], seed: Tensor) -> Tensor:
        if self.cond is not None and voice is not None:
            x = x + self.cond(voice)
        x = self.norm_1(torch.relu(self.conv_1(x * mask)).transpose(1, 2)).transpose(1, 2)
        x = self.norm_2(torch.relu(self.conv_2(x * mask)).transpose(1, 2)).transpose(1, 2)
        return self.proj(x * mask) * mask


class WaveNet(nn.Module):
    def __init__(self, source):
        super().__init__()
        self.in_layers, self.res_skip_layers = source.in_layers, source.res_skip_layers
        self.cond_layer = getattr(source, "cond_layer", None)
        self.size: int = source.hidden_size

    def forward(self, x: Tensor, mask: Tensor, voice: Optional[Tensor]) -> Tensor:
        skipped = torch.zeros_like(x)
        condition: Optional[Tensor] = None
        if self.cond_layer is not None and voice is not None:
            condition = self.cond_layer(voice)
        for i, (in_layer, res_skip) in enumerate(zip(self.in_layers, self.res_skip_layers)):
            y = in_layer(x)
            if condition is not None:
                y = y + condition[:, 2 * self.size * i:2 * self.size * (i + 1)]
            y = res_skip(torch.tanh(y[:, :self.size]) * torch.sigmoid(y[:, self.size:]))
            if y.size(1) == self.size:  # the last layer has nothing to hand on
                skipped = skipped + y
            else:
                x = (x + y[:, :self.size]) * mask
                skipped = skipped + y[:, self.size:]
        return skipped * mask


class CouplingLayer(nn.Module):
    def __init__(self, source):
        super().__init__()
        self.conv_pre, self.conv_post = source.conv_pre, source.conv_post
        self.wavenet = WaveNet(source.wavenet)
        self.split: int = source.half_channels

    def forward(self, x: Tensor, mask: Tensor, voice: Optional[Tensor]) -> Tensor:
        """Backwards through the flow."""
        first, second = x[:, :self.split], x[:, self.split:]
        y = self.wavenet(self.conv_pre(first) * mask, mask, voice)
        second = (second - self.conv_post(y) * mask) * mask
        return torch.cat([first, second], 1)


class ResidualBlock(nn.Module):
    def __init__(self, source):
        super().__init__()
        self.convs1, self.convs2 = source.convs1, source.convs2
        self.slope: float = source.leaky_relu_slope

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        for conv1, conv2 in zip(self.convs1, self.convs2):
            y = conv1(F.leaky_relu(x, self.slope) * mask)
            x = x + conv2(F.leaky_relu(y, self.slope) * mask)
        return x


class UpsampleBlock(nn.Module):
    """One step of the vocoder: more samples, then the mean of residual blocks."""

    def __init__(self, upsampler, blocks, slope):
        super().__init__()
        self.upsampler = upsampler
        self.blocks = nn.ModuleList([ResidualBlock(block) for block in blocks])
        self.slope: float = slope

    def forward(self, x: Tensor, before: Tensor, after: Tensor) -> Tensor:
        x = self.upsampler(F.leaky_relu(x, self.slope) * before)
        mixed = torch.zeros_like(x)
        for block in self.blocks:
            mixed = mixed + block(x, after)
        return mixed / len(self.blocks)


class Vocoder(nn.Module):
    """Latents [B, C, F] to audio [B, N].

    Every convolution's input is masked, so that a sentence ends as if nothing was behind it.
    """

    def __init__(self, source, config):
        super().__init__()
        self.conv_pre, self.conv_post = source.conv_pre, source.conv_post
        self.cond = getattr(source, "cond", None)
        kernels = len(config.resblock_kernel_sizes)
        self.steps = nn.ModuleList([
            UpsampleBlock(upsampler, source.resblocks[i * kernels:(i + 1) * kernels],
                          config.leaky_relu_slope)
            for i, upsampler in enumerate(source.upsampler)])

    def forward(self, x: Tensor, lengths: Tensor, voice: Optional[Tensor]) -> Tensor:
        mask = length_mask(lengths, x.size(2)).to(x.dtype)
        x = self.conv_pre(x * mask)
        if self.cond is not None and voice is not None:
            x = x + self.cond(voice)
        for step in self.steps:
            rate: int = step.upsampler.stride[0]
            lengths = lengths * rate
            after = length_mask(lengths, mask.size(2) * rate).to(x.dtype)
            x = step(x, mask, after)
            mask = after
        x = self.conv_post(F.leaky_relu(x) * mask)
        return (torch.tanh(x) * mask).squeeze(1)


class Render(nn.Module):
    """From a plan to audio, float32 [B, N].

    Flow and vocoder compute in the precision of their weights; prior, noise and lengths are exact in
    any, since they are float32 and int64 always.
    """

    def __init__(self, model):
        super().__init__()
        config = model.config
        self.flow = nn.ModuleList([CouplingLayer(layer) for layer in reversed(model.flow.flows)])
        self.vocoder = Vocoder(model.decoder, config)
        self.embed_speaker = model.embed_speaker if config.num_speakers > 1 else None
        self.size: int = config.flow_size
        self.noise_scale: float = float(model.noise_scale)

    def forward(self, h: Tensor, durations: Tensor, token_lengths: Tensor, speaker: Tensor,
                frame_lengths: Tensor, frames: Tensor) -> Tensor:
        count = frames.size(0)
        mask = length_mask(frame_lengths, count)
        places = torch.arange(count, device=h.device, dtype=durations.dtype)
        ends = torch.cumsum(durations, 1)
        token = torch.searchsorted(ends, places.expand(h.size(0), -1).contiguous(), right=True)
        token = token.clamp_max(h.size(2) - 1).unsqueeze(1)
        prior = h[:, :2 * self.size]
        prior = prior.gather(2, token.expand(-1, prior.size(1), -1)) * mask
        noise = draw_normal(seed_of_channels(h[:, 2 * self.size:]), 2, self.size, count)
        deviation = torch.exp(prior[:, self.size:]) * self.noise_scale
        x = (prior[:, :self.size] + noise * deviation) * mask
        x = x.to(self.vocoder.conv_pre.weight.dtype)
        mask = mask.to(x.dtype)
        voice: Optional[Tensor] = None
        if self.embed_speaker is not None:
            voice = self.embed_speaker(speaker).unsqueeze(2)
        for layer in self.flow:
            x = layer(x.flip([1]), mask, voice)
        return self.vocoder(x * mask, frame_lengths, voice).float()


class Voice(nn.Module):
    """A VitsModel as FlowTTS calls it: `plan`, then `render`."""

    def __init__(self, model):
        super().__init__()
        config = model.config
        self.encoder = TextEncoder(model.text_encoder, config)
        if config.use_stochastic_duration_prediction:
            self.durations = StochasticDurations(model.duration_predictor,
                                                 float(model.noise_scale_duration))
        else:
            self.durations = Durations(model.duration_predictor)
        self.embed_speaker = model.embed_speaker if config.num_speakers > 1 else None
        self.renderer = Render(model)
        self.pace: float = float(model.speaking_rate)

    def voice(self, speaker: Tensor) -> Optional[Tensor]:
        if self.embed_speaker is None:
            return None
        return self.embed_speaker(speaker).unsqueeze(2)

    @torch.jit.export
    def plan(self, tokens: Tensor, token_lengths: Tensor, speaker: Tensor, speed: Tensor,
             seed: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        mask = length_mask(token_lengths, tokens.size(1))
        hidden, prior = self.encoder(tokens, mask)
        log_durations = self.durations(hidden, mask, self.voice(speaker), seed)
        pace = (1.0 / (self.pace * speed)).view(-1, 1)
        durations = torch.ceil((torch.exp(log_durations) * mask).squeeze(1) * pace)
        frame_lengths = durations.sum(1).clamp_min(1).long()
        h = torch.cat([prior, seed_channels(seed, tokens.size(1))], 1)
        return h, durations, frame_lengths

    @torch.jit.export
    def render(self, h: Tensor, durations: Tensor, token_lengths: Tensor, speaker: Tensor,
               frame_lengths: Tensor, frames: Tensor) -> Tensor:
        return self.renderer(h, durations, token_lengths, speaker, frame_lengths, frames)


PARTS = {kind.__name__: kind for kind in
         (Render, CouplingLayer, WaveNet, Vocoder, UpsampleBlock, ResidualBlock)}


def eager(script):
    """A part of a loaded TorchScript `Render` as a module of Python's again, on the same weights."""
    children = {name: eager(child) for name, child in script.named_children()}
    # A weight that had a norm is a buffer since that was folded in.
    weights = {**dict(script.named_parameters(recurse=False)),
               **dict(script.named_buffers(recurse=False))}
    kind = script.original_name
    if kind == "ModuleList":
        return nn.ModuleList(children.values())
    if kind == "Embedding":
        return nn.Embedding.from_pretrained(weights["weight"].detach())
    if kind in ("Conv1d", "ConvTranspose1d"):
        made = getattr(nn, kind)(
            script.in_channels, script.out_channels, script.kernel_size, script.stride,
            padding=script.padding, dilation=script.dilation, groups=script.groups,
            bias="bias" in weights, device="meta")
        for name, weight in weights.items():
            setattr(made, name, nn.Parameter(weight.detach(), requires_grad=False))
        return made
    made = PARTS[kind].__new__(PARTS[kind])
    nn.Module.__init__(made)
    for name in ("size", "split", "slope", "noise_scale"):
        if hasattr(script, name):
            setattr(made, name, getattr(script, name))
    for name in ("embed_speaker", "cond", "cond_layer"):  # which a model need not have
        setattr(made, name, None)
    for name, child in children.items():
        setattr(made, name, child)
    return made


def example(voice, device):
    """A batch of made-up sentences: the inputs of `render`. As large as batches are in a run, since
    the compiler chooses among its kernels by what is fast for this one."""
    rows, longest = (64, 56) if device.startswith("cuda") else (3, 12)
    weights = voice.state_dict()
    vocabulary = weights["encoder.embed_tokens.weight"].shape[0]
    voices = weights["embed_speaker.weight"].shape[0] if "embed_speaker.weight" in weights else 1
    places = torch.arange(rows * longest, device=device)
    tokens = (places * 7 % vocabulary).view(rows, longest)
    token_lengths = longest - torch.arange(rows, device=device) * 7 % (longest - 8)
    speaker = torch.arange(rows, device=device) % voices
    h, durations, _ = voice.plan(tokens, token_lengths, speaker,
                                 torch.ones(rows, device=device), torch.arange(rows, device=device))
    # Not as planned: weights of whatever model are not to decide how large the example is.
    durations = 4.0 * length_mask(token_lengths, longest).squeeze(1)
    frames = torch.zeros(4 * longest, device=device)
    return h, durations, token_lengths, speaker, 4 * token_lengths, frames


def export(model_path, precision, device):
    """What `flowtts voice compile` asks of an exporter.

    model_path: the voice's TorchScript file. precision: "float32", "float16" or "bfloat16".
    device: "cuda:0" or "cpu", where the module and the inputs are to lie.

    Returns the module to compile, example inputs for it (those of the voice's `render`), and
    torch.export's `dynamic_shapes` for them: the batch, the tokens and the frames.
    """
    voice = torch.jit.load(model_path, map_location=device).float().eval()
    render = eager(voice.renderer).to(getattr(torch, precision)).eval()
    batch = torch.export.Dim("batch", min=1, max=1024)
    tokens = torch.export.Dim("tokens", min=1, max=2048)
    frames = torch.export.Dim("frames", min=1, max=6000)
    shapes = ({0: batch, 2: tokens}, {0: batch, 1: tokens}, {0: batch}, {0: batch}, {0: batch},
              {0: frames})
    with torch.no_grad():
        return render, example(voice, device), shapes
