"""Pictures as a trained network takes them."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from ._errors import Error


class Transform:
    """Makes pictures ready for a network: `(byte / 255 - mean) / deviation` by channel, as they were in training.

    Args:
        mean: Of each channel, of pixels from 0 to 1.
        deviation: Of each channel.
        size: Height and width of the run's pictures.
        class_names: Of the classes, in the order of the logits.
    """

    def __init__(
        self, mean: list[float], deviation: list[float], size: tuple[int, int], class_names: tuple[str, ...] = ()
    ) -> None:
        self.mean, self.deviation, self.size, self.class_names = mean, deviation, size, class_names

    def __repr__(self) -> str:
        height, width = self.size
        return f"Transform({len(self.mean)}x{height}x{width}, mean={self.mean}, deviation={self.deviation})"

    def __call__(self, pictures: Any) -> Tensor:
        """Normalises a picture or several.

        Args:
            pictures: A tensor `[C, H, W]` or `[N, C, H, W]` of bytes (uint8), or of floats from 0 to 1; a numpy array of
                that shape, or `[H, W, C]`, `[N, H, W, C]`, or `[H, W]` of grey pictures; or a PIL image, which is taken
                as grey or RGB as the run's pictures are.

        Returns:
            float32 `[C, H, W]` or `[N, C, H, W]`, on the device of the tensor given.

        Raises:
            Error: Pictures of another size or number of channels, or numbers that are no pixels.
        """
        channels, (height, width) = len(self.mean), self.size
        if isinstance(pictures, Tensor):
            x = pictures
        elif hasattr(pictures, "tobytes") and hasattr(pictures, "getbands"):
            x = _of_image(pictures, channels)
        elif hasattr(pictures, "__array_interface__"):
            x = torch.tensor(pictures)
            if tuple(x.shape) == (height, width) and channels == 1:
                x = x.unsqueeze(0)
            elif tuple(x.shape[-3:]) != (channels, height, width) and tuple(x.shape[-3:]) == (height, width, channels):
                x = x.movedim(-1, -3)
        else:
            raise Error(f"pictures are a tensor, a numpy array or a PIL image, not a {type(pictures).__name__}")
        if x.dim() not in (3, 4) or tuple(x.shape[-3:]) != (channels, height, width):
            raise Error(
                f"the network was trained on pictures [{channels}, {height}, {width}], alone or [N, …]; "
                f"these are {list(x.shape)}"
            )
        if x.dtype == torch.uint8:
            x = x.to(torch.float32) / 255
        elif x.is_floating_point():
            x = x.to(torch.float32)
            if x.numel() > 0 and not (x.amin() >= 0 and x.amax() <= 1):
                raise Error(
                    f"pixels that are floats go from 0 to 1; these from {x.amin().item():g} to {x.amax().item():g} "
                    "(pass bytes as uint8)"
                )
        else:
            raise Error(f"pixels are bytes (uint8) or floats from 0 to 1, not {x.dtype}")
        mean, deviation = (x.new_tensor(v).reshape(-1, 1, 1) for v in (self.mean, self.deviation))
        return (x - mean) / deviation


def _of_image(image: Any, channels: int) -> Tensor:
    """A PIL image as bytes `[C, H, W]`."""
    modes = {1: "L", 3: "RGB"}
    if channels not in modes:
        raise Error(f"a PIL image has 1 or 3 channels, but the network takes {channels}")
    image = image.convert(modes[channels])
    width, height = image.size
    pixels = torch.frombuffer(bytearray(image.tobytes()), dtype=torch.uint8)
    return pixels.reshape(height, width, channels).permute(2, 0, 1)
