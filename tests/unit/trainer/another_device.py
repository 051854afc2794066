"""A GPU to test with where there is none: tensors that lie "on cuda" and are computed on the CPU.

An operation that takes tensors of both places fails, as it does on a GPU; what makes the CPU wait for the device is counted by
`Device.waits`; algorithms that are not deterministic on CUDA are refused. What it cannot tell: speed, rounding, memory.

torch's wrapper tensors do the work: each carries the label of a device without memory and an ordinary tensor inside.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_flatten, tree_map

__all__ = ["Device", "DeviceTensor", "MixedError", "NotDeterministicError"]

NAME = "a GPU that is not there"
CPU, CUDA, LABEL = torch.device("cpu"), torch.device("cuda", 0), torch.device("meta")
GENERATOR = torch.Generator
"""torch's own, which cannot be made for a GPU that is not there."""
TO_ANOTHER = frozenset({"copy_", "_to_copy"})
WAITING = frozenset(
    {"_local_scalar_dense", "nonzero", "_unique2", "unique_dim", "unique_consecutive", "masked_select", "equal"}
)
"""Operations whose result's size or value the CPU has to know."""
WAITED = "waited"
ANY_ORDER = frozenset({"kthvalue", "histc", "put_", "median", "resize_", "cummax", "cummin"})
"""Refused on CUDA under deterministic algorithms, beside running sums of floats and weighed counts."""


class MixedError(AssertionError):
    """An operation takes tensors of both places."""


class NotDeterministicError(AssertionError):
    """An operation that CUDA refuses under deterministic algorithms."""


class DeviceTensor(Tensor):
    """Lies on the GPU."""

    inner: Tensor

    @staticmethod
    def __new__(cls, inner: Tensor) -> "DeviceTensor":
        made = Tensor._make_wrapper_subclass(  # type: ignore[attr-defined]
            cls, inner.size(), strides=inner.stride(), storage_offset=inner.storage_offset(), dtype=inner.dtype, device=LABEL
        )  # fmt: skip
        made.inner = inner
        return made  # type: ignore[no-any-return]

    def __repr__(self, **_: Any) -> str:
        return f"DeviceTensor({self.inner})"

    @property
    def device(self) -> torch.device:  # type: ignore[override]
        return CUDA

    @property
    def is_cuda(self) -> bool:  # type: ignore[override]
        return True

    @property
    def is_meta(self) -> bool:  # type: ignore[override]
        return False

    @classmethod
    def __torch_dispatch__(
        cls, func: Any, types: Any, args: Iterable[Any] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        return computed(func, args, kwargs or {}, Counter())


def computed(func: Any, args: Iterable[Any], kwargs: Mapping[str, Any], counts: Counter[str]) -> Any:
    """What an operation gives, where it gives it."""
    name, values = func.overloadpacket.__name__, tree_flatten((args, kwargs))[0]
    there = [each for each in values if isinstance(each, DeviceTensor)]
    here = [each for each in values if isinstance(each, Tensor) and not isinstance(each, DeviceTensor)]
    asked = kwargs.get("device")
    if there:
        counts[name] += 1
        counts[WAITED] += waits(name, values[0], asked, kwargs)
        refuse(func, name, there, here)
    if asked is not None:
        kwargs = {**kwargs, "device": CPU}
    given = [
        tree_map(lambda each: each.inner if isinstance(each, DeviceTensor) else each, part) for part in (args, kwargs)
    ]
    found = func(*given[0], **given[1])
    if not (asked.type == LABEL.type if asked is not None else there and (name != "copy_" or there[0] is values[0])):
        return found
    known = {id(each.inner): each for each in there}
    return tree_map(lambda each: known[id(each)] if id(each) in known else wrapped(each), found)


def wrapped(value: Any) -> Any:
    """On the device, if it is a tensor."""
    return DeviceTensor(value) if isinstance(value, Tensor) else value


def waits(name: str, target: Any, asked: torch.device | None, kwargs: Mapping[str, Any]) -> bool:
    """Whether the CPU waits until the device has come so far."""
    to_cpu = (asked is not None and asked.type == CPU.type) or (
        name == "copy_" and not isinstance(target, DeviceTensor)
    )
    unknown_size = name == "repeat_interleave" and kwargs.get("output_size") is None
    return name in WAITING or unknown_size or (name in TO_ANOTHER and to_cpu)


def refuse(func: Any, name: str, there: list[DeviceTensor], here: list[Tensor]) -> None:
    """What fails on a GPU. A scalar may come from anywhere."""
    if name not in TO_ANOTHER and any(each.dim() for each in here):
        raise MixedError(
            f"{func}: {[tuple(each.shape) for each in there]} on the GPU, {[tuple(each.shape) for each in here]} not"
        )
    summed = name in ("cumsum", "cumsum_", "cumprod") and there[0].dtype.is_floating_point
    if torch.are_deterministic_algorithms_enabled() and (name in ANY_ORDER or summed):
        raise NotDeterministicError(str(func))


class _Factories(TorchDispatchMode):
    """Tensors that are made for the device lie there."""

    def __init__(self, counts: Counter[str]) -> None:
        super().__init__()
        self._counts = counts

    def __torch_dispatch__(
        self, func: Any, types: Any, args: Iterable[Any] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        return computed(func, args, kwargs or {}, self._counts)


class _Names(TorchFunctionMode):
    """ "cuda" means this device: torch would start its driver."""

    def __torch_function__(
        self, func: Any, types: Any, args: Iterable[Any] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        named = {key: labelled(value) for key, value in (kwargs or {}).items()}
        if func in (torch.tensor, torch.as_tensor) and named.get("device") == LABEL:
            return func(*args, **{key: value for key, value in named.items() if key != "device"}).to(LABEL)
        return func(*(labelled(each) for each in args), **named)


def labelled(value: Any) -> Any:
    """Another name for the device."""
    if isinstance(value, torch.device):
        return LABEL if value.type == CUDA.type else value
    return LABEL if isinstance(value, str) and value in ("cuda", "cuda:0") else value


class _Generator(torch.Generator):
    """Draws on the CPU whatever device it is for."""

    def __new__(cls, device: Any = "cpu") -> "_Generator":
        return GENERATOR.__new__(cls)

    def __init__(self, device: Any = "cpu") -> None:
        super().__init__()


class Device:
    """The machine has this GPU from `with` to its end.

    Args:
        set_attribute: of an object, for as long as the test runs (pytest's `monkeypatch.setattr`).
    """

    def __init__(self, set_attribute: Callable[[object, str, object], None]) -> None:
        self._counts: Counter[str] = Counter()
        self._modes = _Names(), _Factories(self._counts)
        there: dict[str, object] = {
            "is_available": True, "device_count": 1, "get_device_name": NAME, "mem_get_info": (2**36, 2**36),
            "is_current_stream_capturing": False,
        }  # fmt: skip
        for name, value in there.items():
            set_attribute(torch.cuda, name, lambda *_, value=value: value)
        set_attribute(torch.accelerator, "current_accelerator", lambda **_: None)  # whether it records a graph
        set_attribute(torch, "Generator", _Generator)

    def __enter__(self) -> "Device":
        for mode in self._modes:
            mode.__enter__()
        return self

    def __exit__(self, *error: Any) -> None:
        for mode in reversed(self._modes):
            mode.__exit__(*error)

    @property
    def waits(self) -> int:
        """How often the CPU had to wait for the device."""
        return self._counts[WAITED]
