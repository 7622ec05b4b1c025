"""The certification cases of OCPP 1.6 for a station, played by the whole agent on the bench's world in virtual time.

Everything is real but time and the wires: the agent as ``agent.app`` builds it, its journal on disk, the guard's
station with its own socket, the bench's world (vehicle, pilot, contactor, lock, meter) and the bench's CSMS, which
frames, checks schemas and answers with the `ocpp` package.
"""

import pytest

pytest.register_assert_rewrite(f"{__name__}.whole_station", f"{__name__}.csms_side")
