"""Pure: the log of a choice of provider in words, for explanations and for staff."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

CRITERIA_TITLES: Final = {
    "success_rate": "success",
    "cost": "cost",
    "latency": "latency",
    "features": "features",
    "load": "load",
}


def evidence(route: Mapping[str, Any]) -> tuple[tuple[str, str], ...]:
    """Return why a provider was chosen, as label and words; nothing where no choice was made."""
    if not route:
        return ()
    lines = [("why this provider", f"{route['provider']}: {route.get('why', '')}")]
    others = [row for row in route.get("candidates", []) if row["provider"] != route["provider"]]
    if others:
        lines.append(("candidates", ", ".join(_scored(row) for row in route["candidates"])))
    if excluded := route.get("excluded"):
        lines.append(("not candidates", "; ".join(f"{name}: {why}" for name, why in excluded.items())))
    lines.append(("decided by", _basis(route)))
    return tuple(lines)


def rows(route: Mapping[str, Any]) -> list[Sequence[str]]:
    """Return the candidates in their order: name, score, each criterion, remark; then who could not."""
    found: list[Sequence[str]] = [
        [
            row["provider"],
            str(row["score"]),
            *(str(row["parts"][name]) for name in CRITERIA_TITLES),
            row.get("down", ""),
        ]
        for row in route.get("candidates", [])
    ]
    blank = [""] * (len(CRITERIA_TITLES) + 1)
    return [*found, *([name, *blank, why] for name, why in route.get("excluded", {}).items())]


def note(route: Mapping[str, Any]) -> str:
    """Return one sentence on a choice."""
    return f"{route['provider']}: {route.get('why', '')}; {_basis(route)}" if route else ""


def _scored(row: Mapping[str, Any]) -> str:
    return f"{row['provider']} {row['score']}" + (f" ({row['down']})" if row.get("down") else "")


def _basis(route: Mapping[str, Any]) -> str:
    weights = " ".join(f"{name} {percent}" for name, percent in route.get("weights", {}).items())
    parts = [f"policy version {route.get('policy_version', 0)}", f"weights {weights}"]
    if route.get("arm"):
        parts.append(f"experiment {route['arm']}")
    if route.get("health") != "shared":
        parts.append("without figures of the last hour")
    return ", ".join(parts)
