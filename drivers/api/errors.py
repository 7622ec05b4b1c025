"""What a driver raises. Anything else that leaves a driver is a bug in it."""


class DriverError(Exception):
    """A device did not do what was asked. The text says what, which value, and what was expected."""


class DriverUnavailable(DriverError):
    """The device, its port or its bus is not there. The caller may try again later."""


class DriverTimeout(DriverError):
    """The device is there but did not answer in time."""


class DriverProtocolError(DriverError):
    """The device answered with something that its protocol does not allow (wrong unit, length, checksum)."""


class DriverRejected(DriverError):
    """The device understood and refused (a Modbus exception answer, for example).

    Attributes:
        code: the protocol's own number for why, 0 where it has none.
    """

    def __init__(self, text: str, code: int = 0) -> None:
        super().__init__(text)
        self.code = code
