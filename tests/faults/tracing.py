"""strace, to do something to a running process at a chosen call to the kernel."""

import asyncio
import shutil
import subprocess
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

from tests.faults.rights import AS_ROOT


@asynccontextmanager
async def inject(pid: int, calls: str, what: str, paths: Sequence[Path] = ()) -> AsyncIterator[None]:
    """`calls` with commas, `what` as in strace(1): `signal=KILL:when=3` (counted per thread), `error=EIO`. With `paths`
    only calls on these files. Afterwards the process goes on untraced.
    """
    program = shutil.which("strace")
    assert program, "strace is not installed: run .ci/install-fault-tools.sh"
    chosen = [part for path in paths for part in ("-P", str(path))]
    command = [
        *AS_ROOT,
        program,
        "-f",
        "-o",
        "/dev/null",
        *chosen,
        "-e",
        f"trace={calls}",
        "-e",
        f"inject={calls}:{what}",
    ]
    # Not of asyncio, which would watch over it beside the gateway's processes.
    with subprocess.Popen([*command, "-p", str(pid)], stderr=subprocess.PIPE, text=True) as tracer:  # noqa: ASYNC220
        assert tracer.stderr
        said = ""
        while "attached" not in said:
            line = await asyncio.to_thread(tracer.stderr.readline)
            said += line
            assert line, f"strace may not trace here; root or sudo may, outside of a sandbox: {said}"
        try:
            yield
        finally:
            tracer.terminate()
            await asyncio.to_thread(tracer.communicate)
