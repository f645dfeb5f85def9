"""From a Python function of tensors to native code: traced, compiled once per machine, called without guards.

`make_fx` runs the function once and records every operation of torch, those of the backward pass included, so nothing
of SB3 has to be written again. For the CPU, AOTInductor makes a library of it, which is kept beside torch's own
compilation cache and found again by later processes. For a GPU, inductor makes kernels, which torch keeps in that
cache, and a CUDA graph plays them.
"""

from __future__ import annotations

import hashlib
import logging
import os
import platform
import tempfile
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from types import MappingProxyType
from typing import Any, cast

import torch as th
from torch._inductor.runtime.cache_dir_utils import cache_dir
from torch.fx import GraphModule
from torch.fx.experimental.proxy_tensor import make_fx
from torch.fx.experimental.symbolic_shapes import GuardOnDataDependentSymNode

from sb3_ppo_variants.compiled.contents import put_back
from sb3_ppo_variants.compiled.cuda_graph import CudaGraph
from sb3_ppo_variants.compiled.decompositions import DECOMPOSITIONS
from sb3_ppo_variants.compiled.effects import without_effects
from sb3_ppo_variants.compiled.unsupported import Ended, Unsupported
from sb3_ppo_variants.loop.faster import without_validation

# Draws from torch's own generator, as in eager mode.
CONFIGURATION: Mapping[str, bool] = MappingProxyType({"fallback_random": True})
# Of a library for the CPU: `decompositions` knows better where channels lie last.
LIBRARY: Mapping[str, bool] = MappingProxyType({**CONFIGURATION, "layout_optimization": False})
# Of the libraries in the cache: another number, and those of before are not found again.
FORMAT = 2
# The name under which a library keeps the fingerprint of its function.
MADE_FOR = "sb3_ppo_variants"
Function = Callable[[Sequence[th.Tensor]], Sequence[th.Tensor]]
# A function to be traced: its tensors, and whatever describes them.
Described = Callable[[Sequence[th.Tensor]], tuple[Sequence[th.Tensor], Any]]


def native(
    function: Described, example: Sequence[th.Tensor], roots: Mapping[str, Any], fixed: int
) -> tuple[Function, Any]:
    """Native code for a function.

    The function may change its inputs in place. What it does must follow from the shapes of its inputs alone, and every
    tensor that may change from call to call must be an input: other numbers become constants.

    :param function: of a list of tensors, to a list of tensors and their description
    :param example: inputs of the shapes, strides, types and device that it will be called with
    :param roots: everything that the function sees, as in :class:`.Snapshot`, the policy among them
    :param fixed: number of inputs, from the first, that nearly every call finds at the same address; on a GPU, the
        caller sees changes of these alone
    :return: a function that does the same, without a look at the shapes, and the description. On a GPU the function is
        a :class:`.CudaGraph`
    :raises Unsupported: when it reads a tensor that is no input or changes what it sees, or for a device that is
        neither a CPU nor CUDA
    :raises Exception: whatever torch or the C++ compiler raise when they cannot
    """
    inputs = tuple(tensor.clone() for tensor in example)
    device = inputs[0].device
    if device.type not in ("cpu", "cuda"):
        raise Unsupported(f"device={str(device)!r}: native code is made for 'cpu' and 'cuda'")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch's own deprecations
        graph, description = traced(function, example, roots)
        _check_constants(graph)
        run = _library(graph, inputs) if device.type == "cpu" else CudaGraph(kernels(graph, inputs), fixed)
    return run, description


def traced(function: Described, example: Sequence[th.Tensor], roots: Mapping[str, Any]) -> tuple[GraphModule, Any]:
    """Every operation of torch that a function runs, in a graph that torch can run again.

    :param function: as in :func:`native`
    :param example: as in :func:`native`
    :param roots: as in :func:`native`
    :raises Unsupported: when what it does depends on the numbers in its tensors
    :raises Ended: when it changes what it sees; that is put back
    """
    descriptions: list[Any] = []

    def run(*tensors: th.Tensor) -> Sequence[th.Tensor]:
        outputs, description = function(tensors)
        descriptions.append(description)
        return outputs

    with without_validation(roots["policy"]), without_effects(roots):
        table = DECOMPOSITIONS if example[0].device.type == "cpu" else None
        graph = make_fx(run, table, tracing_mode="fake", _allow_non_fake_inputs=True)
        try:
            return graph(*(tensor.clone() for tensor in example)), descriptions[-1]
        except GuardOnDataDependentSymNode as error:
            raise Unsupported(
                "it branches on the numbers in a tensor, as do sb3-contrib's LSTM policies and distributions of torch "
                "that check their arguments"
            ) from error


def _check_constants(graph: GraphModule) -> None:
    """Refuse a tensor that was there before: it may change, and the library would not know. Literals are constants."""
    literal = th.ops.aten.lift_fresh_copy.default
    for node in graph.graph.nodes:
        if node.op == "get_attr" and any(user.target is not literal for user in node.users):
            shape = tuple(getattr(graph, node.target).shape)
            raise Unsupported(f"a tensor of shape {shape} is read that is neither a parameter nor an input")


def kernels(graph: GraphModule, inputs: Sequence[th.Tensor]) -> Function:
    """Kernels of inductor, called one by one from Python of its making.

    :param graph: of :func:`traced`
    :param inputs: of its shapes
    """
    run = th._inductor.compile(graph, list(inputs), options=dict(CONFIGURATION))

    def call(tensors: Sequence[th.Tensor]) -> Sequence[th.Tensor]:
        with th.no_grad():
            return cast(Sequence[th.Tensor], run(*tensors))

    return call


def _library(graph: GraphModule, inputs: tuple[th.Tensor, ...]) -> Function:
    fingerprint = _fingerprint(graph, inputs)
    package = Path(cache_dir()) / "sb3_ppo_variants" / f"{fingerprint}.pt2"
    if not package.exists():
        _compile(graph, inputs, package)
    try:
        loader: Any = th._inductor.aoti_load_package(str(package)).loader
        made_for = loader.get_metadata().get(MADE_FOR)
    except Exception as error:
        raise Unsupported(f"{package} cannot be loaded; remove it: {error}") from error
    if made_for != fingerprint:
        raise Unsupported(f"{package} is the library of another function; remove it")
    # `.loader.run` is what the package itself calls, once it has sorted its arguments for a third of the time.
    return cast(Function, loader.run)


def _compile(graph: GraphModule, inputs: tuple[th.Tensor, ...], package: Path) -> None:
    package.parent.mkdir(parents=True, exist_ok=True)
    exported = th.export.export(graph, inputs, strict=False)
    with tempfile.TemporaryDirectory(dir=package.parent) as folder, _without_fallback_lines():
        made = th._inductor.aoti_compile_and_package(
            exported,
            package_path=str(Path(folder) / "new.pt2"),
            inductor_configs={**LIBRARY, "aot_inductor.metadata": {MADE_FOR: package.stem}},
        )
        os.replace(made, package)  # atomic: another process may compile the same


@contextmanager
def _without_fallback_lines() -> Iterator[None]:
    """Keep from the log that an operation "is missing a c-shim implementation": it runs all the same."""
    logger = logging.getLogger("torch._inductor.ir")

    def is_other(record: logging.LogRecord) -> bool:
        return "c-shim" not in record.getMessage()

    logger.addFilter(is_other)
    try:
        yield
    finally:
        logger.removeFilter(is_other)


def _fingerprint(graph: GraphModule, inputs: tuple[th.Tensor, ...]) -> str:
    """What the library depends on: operations, constants, shapes, versions and the machine."""
    codes = [module.code for module in graph.modules() if isinstance(module, GraphModule)]
    constants = [*graph.named_parameters(), *graph.named_buffers()]
    parts = [
        *codes,
        *(repr((tensor.shape, tensor.stride(), tensor.dtype, tensor.device)) for tensor in inputs),
        *(repr((name, tensor.dtype, tensor.device, tensor.tolist())) for name, tensor in constants),
        repr((FORMAT, dict(LIBRARY), th.__version__, th.get_num_threads(), _machine())),
    ]
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:32]


@cache
def _machine() -> tuple[str, ...]:
    """The processor, as far as code made for it depends on it."""
    flags = ""
    if Path("/proc/cpuinfo").exists():
        flags = next((line for line in Path("/proc/cpuinfo").read_text().splitlines() if line.startswith("flags")), "")
    return platform.system(), platform.machine(), th.backends.cpu.get_cpu_capability(), flags


@contextmanager
def in_place_of(policy: th.nn.Module, tensors: Mapping[str, th.Tensor]) -> Iterator[None]:
    """Put other tensors in the place of the policy's own within the block.

    `torch.func.functional_call` does not put them back where modules are shared, as SB3's features extractors are.

    :param policy: whose modules look for them
    :param tensors: by the name of the parameter or buffer
    :raises Ended: when the block assigns others; in place is how a buffer changes
    """
    named = dict(policy.named_parameters()) | dict(policy.named_buffers())
    others = {id(tensor): tensors[name] for name, tensor in named.items()}
    modules = list(policy.modules())
    places: list[dict[str, Any]] = [entries for m in modules for entries in (m._parameters, m._buffers)]
    kept = [dict(entries) for entries in places]
    placed = [{name: None if t is None else others[id(t)] for name, t in own.items()} for own in kept]
    try:
        for entries, new in zip(places, placed, strict=True):
            entries.update(new)
        yield
        for entries, new in zip(places, placed, strict=True):
            assigned = [name for name in entries if entries[name] is not new.get(name)]
            if assigned:
                raise Ended(
                    f"the forward pass assigns {assigned[0]!r}, which is followed only where it changes in place"
                )
    finally:
        for entries, own in zip(places, kept, strict=True):
            put_back(entries, own)
