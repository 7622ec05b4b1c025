"""The tables of ``docs/bench-protocol.md``, made from the verbs.

``python -m hil.verb_table docs/bench-protocol.md`` writes them between the file's markers.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from hil.all_verbs import describe_all
from hil.csms_parameters import PARAMETERS
from hil.csms_verbs import CsmsVerbs


def bench_table() -> str:
    """Return the table of the bench's verbs, Markdown."""
    return _table((verb["name"], verb["summary"], verb["parameters"]) for verb in describe_all())


def csms_table() -> str:
    """Return the table of the CSMS's verbs, Markdown."""
    return _table(
        (
            name,
            (getattr(CsmsVerbs, name).__doc__ or "").partition("\n")[0].rstrip("."),
            [parameter.describe() for parameter in parameters],
        )
        for name, parameters in PARAMETERS.items()
    )


def _table(verbs: Any) -> str:
    rows = ["| verb | what it does | parameters |", "|---|---|---|"]
    for name, summary, parameters in verbs:
        rows.append(f"| `{name}` | {_cell(summary)} | {'<br>'.join(_parameter(each) for each in parameters) or '-'} |")
    return "\n".join(rows) + "\n"


def _parameter(parameter: dict[str, Any]) -> str:
    kind = parameter["type"]
    if "choices" in parameter:
        kind = ", ".join(str(choice) for choice in parameter["choices"])
    elif "minimum" in parameter and "maximum" in parameter:
        kind += f" {parameter['minimum']:.10g}-{parameter['maximum']:.10g}"
    elif "minimum" in parameter:
        kind += f" from {parameter['minimum']:.10g}"
    unit = f" {parameter['unit']}" if "unit" in parameter else ""
    if parameter.get("required"):
        default = "required"
    else:
        default = "optional" if parameter["default"] is None else f"default {json.dumps(parameter['default'])}"
    return _cell(f"`{parameter['name']}` ({kind}{unit}; {default}): {parameter['help']}")


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


def with_tables(document: str) -> str:
    """Return the document with the tables between ``<!-- NAME -->`` and ``<!-- /NAME -->`` made anew."""
    for name, table in (("bench verbs", bench_table()), ("csms verbs", csms_table())):
        before, start, rest = document.partition(f"<!-- {name} -->\n")
        _, end, after = rest.partition(f"<!-- /{name} -->")
        if not start or not end:
            raise ValueError(f"the document has no place between <!-- {name} --> and <!-- /{name} -->")
        document = before + start + table + end + after
    return document


if __name__ == "__main__":
    path = Path(sys.argv[1])
    path.write_text(with_tables(path.read_text(encoding="utf-8")), encoding="utf-8")
