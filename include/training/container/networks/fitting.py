"""Learning the weights of a network, epoch by epoch, so that it can be interrupted.

Every epoch, undisturbed or resumed, starts from the saved weights and moments with a seed derived from (seed,
name, epoch). On a CPU an interrupted job therefore leaves the same bytes as one that was not.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

import numpy as np
import safetensors.torch
import torch
from torch import nn

from include.training.container.checkpoints import Checkpoints, Progress
from include.training.container.models import Floats, Singles
from include.training.container.networks.architecture import Architecture, Batches
from include.training.container.networks.settings import NetworkSettings
from include.training.container.problem import JobProblem
from include.training.container.sets import RowNumbers
from include.training.container.settings import HORIZONS
from include.training.container.stopping import best_round, stopped

LONGEST_STEP = 1.0  # norm to which gradients are cut
EVALUATED = 4  # batches at once where no gradients are kept

Tensors = dict[str, torch.Tensor]


class Network(nn.Module):  # type: ignore[misc]  # torch has no types here
    """The layers, and what their standardised outputs are in units of s.

    Attributes:
        layers: of the architecture.
        spread: root mean square of what was learned, by horizon.
    """

    def __init__(self, layers: nn.Module) -> None:
        super().__init__()
        self.layers = layers
        self.register_buffer("spread", torch.ones(len(HORIZONS)))

    def forward(self, *inputs: torch.Tensor) -> torch.Tensor:
        """Standardised outputs."""
        return self.layers(*(each.to(self.spread.device) for each in inputs))


class Samples(NamedTuple):
    """Rows with what is learned of them.

    Attributes:
        batches: their inputs.
        outcome: outcome minus no-skill forecast in units of s, (rows, horizons).
    """

    batches: Batches
    outcome: Singles


class Learned(NamedTuple):
    """A network that is ready.

    Attributes:
        network: with the weights of its best epoch.
        weights: the same, as a safetensors file.
        epochs: up to the best one.
    """

    network: Network
    weights: bytes
    epochs: int


def prepare(nthread: int) -> torch.device:
    """Let torch compute in the same way every time; returns where."""
    torch.set_num_threads(nthread)
    torch.use_deterministic_algorithms(True, warn_only=True)
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def loaded(architecture: Architecture, weights: bytes, nthread: int) -> Network:
    """A network with its weights."""
    network = Network(architecture.layers())
    network.to(prepare(nthread))
    network.load_state_dict(safetensors.torch.load(weights))
    network.eval()
    return network


def fit(
    name: str,
    architecture: Architecture,
    settings: NetworkSettings,
    learned: Samples,
    watched: Samples | None,
    checkpoints: Checkpoints,
) -> Learned:
    """Fit a network, or go on where its checkpoint ends.

    Args:
        name: of the network: of its checkpoint, and part of its seeds.
        architecture: what is fitted.
        settings: of the job.
        learned: rows to learn from.
        watched: rows to stop by; None if there are too few.
        checkpoints: where progress is kept.

    Raises:
        JobProblem: learning diverges.
    """
    device = prepare(settings.nthread)
    progress = checkpoints.load(name)
    while not progress.finished:
        progress = _one_more(name, architecture, settings, (learned, watched), progress, device)
        checkpoints.save(name, progress)
    epochs = best_round(progress.history) + 1 if progress.history else progress.blocks
    return Learned(loaded(architecture, progress.state, settings.nthread), progress.state, epochs)


def in_batches(rows: int, size: int) -> Iterator[RowNumbers]:
    """The numbers of all rows, in order, so many at once."""
    for begin in range(0, rows, size):
        yield np.arange(begin, min(begin + size, rows))


def _one_more(
    name: str,
    architecture: Architecture,
    settings: NetworkSettings,
    samples: tuple[Samples, Samples | None],
    progress: Progress,
    device: torch.device,
) -> Progress:
    """One more epoch; after the last one the state is the weights of the best."""
    learned, watched = samples
    epoch = progress.blocks
    torch.manual_seed(settings.seed_of(name, "weights"))
    network = Network(architecture.layers())
    network.to(device)
    adam = torch.optim.Adam(network.parameters(), lr=settings.learning_rate)
    best: Tensors = {}
    if progress.state:
        best = _restore(progress.state, network, adam)
    else:
        network.spread.copy_(torch.from_numpy(_spread(learned.outcome)))
    seed = settings.seed_of(name, epoch)
    torch.manual_seed(seed)
    _learn(network, adam, architecture, learned, settings.batch_size, seed)
    now = _weights(network)
    history = progress.history
    if watched is not None:
        history += (_error(network, architecture, watched, EVALUATED * settings.batch_size),)
        print(f"{name} epoch {epoch + 1}: {history[-1]:.6f}", flush=True)
    if not history or best_round(history) == len(history) - 1:
        best = now
    last = stopped(history, settings.patience)
    if last is not None or epoch + 1 >= settings.epochs:
        return Progress(safetensors.torch.save(best), history, epoch + 1, finished=True)
    return Progress(_state(now, best, adam), history, epoch + 1)


def _learn(
    network: Network,
    adam: torch.optim.Adam,
    architecture: Architecture,
    learned: Samples,
    size: int,
    seed: int,
) -> None:
    network.train()
    order = np.random.default_rng(seed).permutation(len(learned.outcome))
    for numbers in in_batches(order.size, size):
        rows = order[numbers]
        adam.zero_grad()
        loss = architecture.loss(network(*learned.batches(rows)), _outcome(network, learned, rows))
        _finite(loss)
        loss.backward()
        nn.utils.clip_grad_norm_(network.parameters(), LONGEST_STEP)
        adam.step()


def _error(network: Network, architecture: Architecture, watched: Samples, size: int) -> float:
    network.eval()
    total = 0.0
    with torch.no_grad():
        for numbers in in_batches(len(watched.outcome), size):
            outputs = network(*watched.batches(numbers))
            loss = architecture.loss(outputs, _outcome(network, watched, numbers))
            total += _finite(loss) * numbers.size
    return total / len(watched.outcome)


def _finite(loss: torch.Tensor) -> float:
    value = float(loss.item())
    if not math.isfinite(value):
        raise JobProblem(
            "Learning diverged: the loss is not finite. Lower learning_rate. If that does not help, look for "
            "outcomes that are far too large for their scale s."
        )
    return value


def _outcome(network: Network, samples: Samples, numbers: RowNumbers) -> torch.Tensor:
    return torch.from_numpy(samples.outcome[numbers]).to(network.spread.device) / network.spread


def _spread(outcome: Singles) -> Singles:
    squares: Floats = np.mean(outcome.astype(np.float64) ** 2, axis=0)
    return np.maximum(np.sqrt(squares), 1e-6).astype(np.float32)


def _weights(network: Network) -> Tensors:
    """Copies, since some layers share theirs and safetensors saves none twice."""
    return {name: tensor.detach().cpu().clone() for name, tensor in network.state_dict().items()}


def _state(now: Mapping[str, Any], best: Mapping[str, Any], adam: torch.optim.Adam) -> bytes:
    moments = {
        f"adam.{number}.{name}": tensor.detach().cpu().clone()
        for number, state in adam.state_dict()["state"].items()
        for name, tensor in state.items()
    }
    tensors = {f"now.{name}": tensor for name, tensor in now.items()}
    tensors |= {f"best.{name}": tensor.clone() for name, tensor in best.items()}
    return bytes(safetensors.torch.save(tensors | moments))


def _restore(state: bytes, network: Network, adam: torch.optim.Adam) -> Tensors:
    """Set weights and moments; returns the weights of the best epoch."""
    parts: dict[str, Tensors] = {"now": {}, "best": {}, "adam": {}}
    for key, tensor in safetensors.torch.load(state).items():
        part, _, name = key.partition(".")
        parts[part][name] = tensor
    network.load_state_dict(parts["now"])
    moments: dict[int, Tensors] = {}
    for key, tensor in parts["adam"].items():
        number, _, name = key.partition(".")
        moments.setdefault(int(number), {})[name] = tensor
    adam.load_state_dict(adam.state_dict() | {"state": moments})
    return parts["best"]
