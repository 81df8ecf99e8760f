"""The demo bank: settings and secrets made on first start, kept afterwards, all in the data directory."""

import secrets
import string
from collections.abc import Callable, Mapping
from importlib.resources import files
from pathlib import Path

from config.keys import make_private_file


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
    folder = data_dir / "demo"
    folder.mkdir(parents=True, exist_ok=True)
    for name, draw in SECRETS.items():
        if not (folder / name).exists():
            make_private_file(folder / name, draw())
    examples = files("config").joinpath("examples")
    for name in ("demo.toml", "branches.csv"):
        if not (folder / name).exists():
            text = examples.joinpath(name).read_text("utf-8")
            (folder / name).write_text(text.replace("@DEMO@", str(folder)), "utf-8")
    return folder / "demo.toml"
