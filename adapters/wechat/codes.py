"""Printed codes of the official account, one per branch, good for ever.

Source: developers.weixin.qq.com/doc/service/api/qrcode/qrcodes/api_createqrcode.md. An account has 100,000 of them; asking
for the same scene again gives the same code.
"""

import re
from collections.abc import Sequence
from pathlib import Path

from adapters.wechat.calling import Client
from gateway.contract.errors import Rejected

PATH = "/cgi-bin/qrcode/create"
_SCALE = 16
_BORDER = 4


async def create_code(client: Client, scene: str) -> str:
    """The address to print for this scene. Raises Rejected where WeChat gives none."""
    wanted = {"action_name": "QR_LIMIT_STR_SCENE", "action_info": {"scene": {"scene_str": scene}}}
    address = (await client.call(PATH, wanted)).get("url")
    if not isinstance(address, str) or not address.startswith(("http://", "https://")):
        raise Rejected("wechat_no_code", "WeChat gave no address for the code.")
    return address


def write_code(address: str, branch: str, folder: Path, formats: Sequence[str]) -> Sequence[Path]:
    """One file per format, `<branch>.wechat.<format>`: svg, png or pdf of the code alone."""
    import segno

    code = segno.make(address, error="m", micro=False)
    name = re.sub(r"[^\w.-]", "_", branch)
    paths = [folder / f"{name}.wechat.{ending}" for ending in formats]
    for path in paths:
        code.save(str(path), scale=_SCALE, border=_BORDER)
    return paths
