"""Which branch a scanned code of the official account stands for.

The scene string is ours (`branch:` and the branch's code), or one the bank printed before: a branch's code alone, or what
it names in `scenes`. WeChat sends it bare in SCAN, behind `qrscene_` in subscribe; `last_trade_no_...` (followed after a payment) is no scene.
"""

import re
from collections.abc import Container, Mapping

LENGTH_LIMIT = 64
_FOLLOWED_BY_SCAN = "qrscene_"
_CODE = re.compile(r"[^\x00-\x20\x7f]{1,64}")


def make_scene(branch: str, prefix: str) -> str:
    """Raises ValueError for a code that WeChat cannot carry."""
    scene = prefix + branch
    if not _CODE.fullmatch(branch) or len(scene) > LENGTH_LIMIT:
        raise ValueError(f"a scene has 1 to {LENGTH_LIMIT} characters without spaces")
    return scene


def find_branch(key: str, prefix: str, scenes: Mapping[str, str], branches: Container[str], *, following: bool) -> str:
    """The branch's code, empty for other scenes. Behind our prefix it need not be in the table: the bank printed it."""
    if following and not key.startswith(_FOLLOWED_BY_SCAN):
        return ""
    scene = key.removeprefix(_FOLLOWED_BY_SCAN) if following else key
    if scene in scenes:
        return scenes[scene]
    if scene in branches:
        return scene
    code = scene.removeprefix(prefix) if scene.startswith(prefix) else ""
    return code if _CODE.fullmatch(code) else ""
