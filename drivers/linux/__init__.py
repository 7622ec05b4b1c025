"""Pilot and proximity by the kernel of the board: hardware PWM, an ADC, nothing but the standard library.

What lives here: the sysfs PWM and its rules, ADCs by IIO and by spidev, what a burst of samples says about a square
wave, dividers and calibration, and the power path made of them. What must not: on/off lines (``drivers.gpio``), any
decision. Who may import it: the driver registry (lazily); it is loaded into the guard.
"""
