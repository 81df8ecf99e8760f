"""Reading the settings: shipped defaults, then one TOML file, then the environment, then the command line.

Every value remembers where it came from, so that `huiyin check` can say it. Secrets may stand in files: `key_file =
"path"` fills `key` (`HUIYIN__CHANNELS__95561__KEYS_FILE` works as well).
"""

import tomllib
import types
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any, TypeVar, Union, get_args, get_origin

from pydantic import BaseModel, ValidationError

from config.settings import Settings

ENVIRONMENT_PREFIX = "HUIYIN__"

Tree = dict[str, Any]
Model = TypeVar("Model", bound=BaseModel)


class SettingsError(Exception):
    """The settings cannot be used. The text names the key and what to do; never a secret."""


@dataclass(frozen=True, slots=True)
class Loaded:
    """`sources` maps a dotted key to where its value came from."""

    settings: Settings
    sources: Mapping[str, str]


def load(path: Path | None, environment: Mapping[str, str], overrides: Tree | None = None) -> Loaded:
    """Raises SettingsError. `overrides` are the command line's, e.g. `{"server": {"port": 0}}`."""
    merged: Tree = {}
    sources: dict[str, str] = {}
    _merge(merged, tomllib.loads(files("config").joinpath("default.toml").read_text("utf-8")), "default", sources)
    if path is not None:
        _merge(merged, _read_toml(path), f"file {path}", sources)
    for name, value in sorted(environment.items()):
        if name.startswith(ENVIRONMENT_PREFIX):
            _merge(merged, _from_environment(name, value, merged), f"environment {name}", sources)
    _merge(merged, overrides or {}, "command line", sources)
    return Loaded(validate(Settings, merged, ""), sources)


def validate(model: type[Model], values: Tree, where: str) -> Model:
    """Values -> typed settings. `where` is the dotted place for error texts. Raises SettingsError."""
    try:
        return model.model_validate(_fill_from_files(values, model, where))
    except ValidationError as error:
        # The input value is left out on purpose: it may be a secret.
        lines = [
            f"{'.'.join([*([where] if where else []), *map(str, problem['loc'])])}: {problem['msg']}"
            for problem in error.errors(include_input=False, include_url=False)
        ]
        raise SettingsError("settings: " + "; ".join(lines)) from None


def _read_toml(path: Path) -> Tree:
    try:
        return tomllib.loads(path.read_text("utf-8"))
    except FileNotFoundError:
        raise SettingsError(f"settings: there is no file {path}") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, OSError) as error:
        raise SettingsError(f"settings: {path} cannot be read: {error}") from None


def _merge(into: Tree, tree: Tree, source: str, sources: dict[str, str], prefix: str = "") -> None:
    for key, value in tree.items():
        dotted = f"{prefix}{key}"
        if isinstance(value, dict):
            below = into.setdefault(key, {})
            if not isinstance(below, dict):
                raise SettingsError(f"settings: {dotted} is a value in one place and a section in {source}")
            _merge(below, value, source, sources, f"{dotted}.")
        else:
            into[key] = value
            sources[dotted] = source


def _from_environment(name: str, value: str, known: Tree) -> Tree:
    """`HUIYIN__SERVER__PORT=8081` -> `{"server": {"port": "8081"}}`; lists and tables are written as in TOML."""
    parsed: Any = value
    if value[:1] in "[{":
        try:
            parsed = tomllib.loads(f"value = {value}")["value"]
        except tomllib.TOMLDecodeError:
            raise SettingsError(f"settings: {name} looks like a TOML list or table and is none") from None
    names = []
    here: Any = known
    for part in name[len(ENVIRONMENT_PREFIX) :].split("__"):
        # Shells fold names to upper case; instance names keep the spelling they have in the file.
        spelling = next((key for key in here if key.lower() == part.lower()), None) if isinstance(here, dict) else None
        names.append(spelling or part.lower())
        here = here.get(names[-1], {}) if isinstance(here, dict) else {}
    tree: Any = parsed
    for part in reversed(names):
        tree = {part: tree}
    return dict(tree)


def _fill_from_files(values: Tree, model: type[BaseModel], where: str) -> Tree:
    filled = dict(values)
    for key, target, many in _file_keys(values, model):
        if target in filled:
            raise SettingsError(f"settings: {where}.{key}: {target} is set as well; keep one of the two")
        path = Path(str(filled.pop(key)))
        try:
            text = path.read_text("utf-8").strip()
        except OSError as error:
            raise SettingsError(f"settings: {where}.{key}: {path} cannot be read ({error.strerror})") from None
        except UnicodeDecodeError:
            raise SettingsError(f"settings: {where}.{key}: {path} is no text in UTF-8") from None
        lines = [line.strip() for line in text.splitlines()]
        # An empty line must not become an empty secret that lets anybody in.
        filled[target] = [line for line in lines if line] if many else text
    for name, section in model.model_fields.items():
        below = filled.get(name)
        if (
            isinstance(below, dict)
            and isinstance(section.annotation, type)
            and issubclass(section.annotation, BaseModel)
        ):
            filled[name] = _fill_from_files(below, section.annotation, f"{where}.{name}" if where else name)
    return filled


def _file_keys(values: Tree, model: type[BaseModel]) -> Iterator[tuple[str, str, bool]]:
    for key in values:
        target = key.removesuffix("_file")
        if target != key and key not in model.model_fields and target in model.model_fields:
            yield key, target, _is_many(model.model_fields[target].annotation)


def _is_many(annotation: Any) -> bool:
    origin = get_origin(annotation)
    if origin in (Union, types.UnionType):
        return any(_is_many(part) for part in get_args(annotation))
    return origin in (list, tuple)
