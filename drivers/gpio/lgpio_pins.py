"""gpiozero's lgpio pins, corrected for outputs that switch mains: no glitch at the start, level kept at the end."""

from __future__ import annotations

import importlib
from typing import Any

# Imported by name: lgpio's module cannot be type-checked (it imports its C part as a relative of no package).
lgpio: Any = importlib.import_module("lgpio")
_gpiozero: Any = importlib.import_module("gpiozero.pins.lgpio")
PIN_ERROR: type[Exception] = lgpio.error


class SteadyLgpioPin(_gpiozero.LGPIOPin):  # type: ignore[misc]  # the base is Any, see above
    """An lgpio pin that becomes an output with its value, and that close leaves alone.

    gpiozero 2.0.1 claims an output low and only then writes its value (``Pin.output_with_state`` is not overridden),
    which pulses an active-low relay; and it turns an output into an input when it is closed.
    """

    def output_with_state(self, state: bool) -> None:
        """Claim the line as an output that starts at ``state``: one request to the kernel."""
        lgpio.gpio_claim_output(self.factory._handle, self._number, int(bool(state)))

    def close(self) -> None:
        """Leave an output as it is; closing the factory frees it, and the kernel decides what becomes of its level."""
        if self._callback is not None:  # an input that was watched
            self.when_changed = None


class SteadyLgpioFactory(_gpiozero.LGPIOFactory):  # type: ignore[misc]  # the base is Any, see above
    """An lgpio factory of such pins."""

    def __init__(self, chip: int | None = None) -> None:
        """Open a gpiochip. Raises ``PIN_ERROR`` and ``gpiozero.PinUnknownPi``."""
        super().__init__(chip)
        self.pin_class = SteadyLgpioPin
