"""The README's table of settings is the code's: name, default and meaning of each."""

from pathlib import Path
from typing import Any

from pydantic import BaseModel
from pydantic_core import PydanticUndefined

from service.settings import KeySettings, ProviderSettings, RouteSettings, RungSettings, Settings

README = Path(__file__).parents[2] / "README.md"
REPEATED: dict[str, type[BaseModel]] = {
    "providers.NAME.": ProviderSettings,
    "routes.ALIAS.": RouteSettings,
    "routes.ALIAS.rungs.": RungSettings,
    "keys.": KeySettings,
}


def rows(model: type[BaseModel], prefix: str = "", values: BaseModel | None = None) -> list[str]:
    """One table row per setting, sections flattened."""
    found = []
    for name, field in model.model_fields.items():
        default = field.default if values is None else getattr(values, name)
        if isinstance(default, BaseModel):
            found += rows(type(default), f"{prefix}{name}.", default)
        elif name not in ("providers", "routes"):
            assert field.description, f"{prefix}{name} has no description"
            found.append(f"| `{prefix}{name}` | {_shown(default)} | {field.description} |")
    return found


def _shown(value: Any) -> str:
    if value is PydanticUndefined:
        return "required"
    if isinstance(value, tuple):
        return f"`{', '.join(map(str, value))}`" if value else "none"
    return "not set" if value is None else f"`{value}`"


def table() -> list[str]:
    """All rows."""
    return rows(Settings) + [row for prefix, model in REPEATED.items() for row in rows(model, prefix)]


def test_the_readme_lists_every_setting_with_its_default() -> None:
    text = README.read_text("utf-8")
    missing = [row for row in table() if row not in text]
    assert not missing, "the README's table of settings lacks:\n" + "\n".join(missing)
