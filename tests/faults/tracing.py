"""strace, to do something to a running process at a chosen call to the kernel. It must be allowed to trace: root, or
CAP_SYS_PTRACE, or /proc/sys/kernel/yama/ptrace_scope 0.
"""

import asyncio
import shutil
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path


@asynccontextmanager
async def inject(pid: int, calls: str, what: str, paths: Sequence[Path] = ()) -> AsyncIterator[None]:
    """`calls` with commas, `what` as in strace(1): `signal=KILL:when=3` (counted per thread), `error=EIO`. With `paths`
    only calls on these files. Afterwards the process goes on untraced.
    """
    program = shutil.which("strace")
    assert program, "strace is not installed: run .ci/install-fault-tools.sh"
    chosen = [part for path in paths for part in ("-P", str(path))]
    tracer = await asyncio.create_subprocess_exec(
        *(program, "-f", "-o", "/dev/null", *chosen, "-e", f"trace={calls}", "-e", f"inject={calls}:{what}"),
        *("-p", str(pid)),
        stderr=asyncio.subprocess.PIPE,
    )
    assert tracer.stderr
    said = ""
    while "attached" not in said:
        line = (await tracer.stderr.readline()).decode()
        said += line
        assert line, f"strace may not trace here: {said}"
    draining = asyncio.create_task(tracer.stderr.read())
    try:
        yield
    finally:
        if tracer.returncode is None:
            tracer.terminate()
        await draining
        await tracer.wait()
