"""The demo bank: settings and secrets made on first start, kept afterwards, all in the data directory."""

import secrets
import string
import tomllib
from collections.abc import Callable, Mapping
from importlib.resources import files
from pathlib import Path
from typing import Any

from config.keys import make_private_file

PLACE = "@DEMO@"
"""Stands in the examples for the folder of the demo bank."""


def _draw_aes_key() -> str:
    """43 characters that are 32 bytes of base64 without its `=`: the last one may carry only two bits."""
    return "".join(secrets.choice(string.ascii_letters + string.digits) for _ in range(42)) + "A"


SECRETS: Mapping[str, Callable[[], str]] = {
    "hotline.key": lambda: secrets.token_urlsafe(24),
    "guestbook.key": lambda: secrets.token_urlsafe(24),
    "wechat.token": lambda: secrets.token_hex(16),
    "wechat.aes_key": _draw_aes_key,
}


def make_demo(data_dir: Path) -> Path:
    """Returns the settings file of the demo bank. What exists is kept as it is, so it may be edited."""
    # Absolute, so that commands find the files from any working directory.
    folder = data_dir.resolve() / "demo"
    folder.mkdir(parents=True, exist_ok=True)
    for name, draw in SECRETS.items():
        if not (folder / name).exists():
            make_private_file(folder / name, draw())
    examples = files("config").joinpath("examples")
    for name in ("demo.toml", "branches.csv"):
        if not (folder / name).exists():
            text = examples.joinpath(name).read_text("utf-8")
            make_private_file(folder / name, text.replace(PLACE, str(folder)).removesuffix("\n"))
    return folder / "demo.toml"


def lend_channel(party: str) -> dict[str, Any]:
    """The demo bank's settings of this party, with secrets drawn for the moment: for dry runs, which let nobody in.

    Empty if the demo bank has no such channel.
    """
    demo = tomllib.loads(files("config").joinpath("examples/demo.toml").read_text("utf-8"))
    entry: dict[str, Any] = next((entry for entry in demo["channels"].values() if entry["adapter"] == party), {})
    lent = {}
    for key, value in entry.items():
        target = key.removesuffix("_file")
        lent[target] = value if target == key else [SECRETS[value.removeprefix(f"{PLACE}/")]()]
    return lent
