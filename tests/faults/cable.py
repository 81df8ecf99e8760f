"""A network between a node and what it talks to, which can be cut, go silent, or break in the middle of a frame."""

import asyncio
from contextlib import suppress


class Cable:
    """Carries connections to 127.0.0.1:`target`. `lay` one, `close` it after use."""

    def __init__(self, target: int) -> None:
        self._target = target
        self._writers: set[asyncio.StreamWriter] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._flowing = asyncio.Event()
        self._flowing.set()
        self._refusing = False
        self._tear_after: int | None = None
        self.port = 0
        self.cuts = 0

    @classmethod
    async def lay(cls, target: int) -> "Cable":
        cable = cls(target)
        cable._listener = await asyncio.start_server(cable._accept, "127.0.0.1", 0)
        cable.port = cable._listener.sockets[0].getsockname()[1]
        return cable

    async def close(self) -> None:
        self._listener.close()
        self.cut()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def cut(self) -> None:
        """Every connection is gone; new ones come through."""
        self.cuts += len(self._writers)
        for writer in tuple(self._writers):
            writer.transport.abort()

    def refuse(self) -> None:
        """As `cut`, and nobody gets through until `mend`."""
        self._refusing = True
        self.cut()

    def silence(self) -> None:
        """Connections stay, and nothing arrives, until `mend` or `cut`."""
        self._flowing.clear()

    def tear_after(self, count: int) -> None:
        """After so many more bytes, in either direction, the connection that carries them breaks: mostly inside a frame."""
        self._tear_after = count

    def mend(self) -> None:
        self._refusing = False
        self._tear_after = None
        self._flowing.set()

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.get_running_loop().create_task(self._carry(reader, writer))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self._refusing:
            writer.transport.abort()
            return
        try:
            far_reader, far_writer = await asyncio.open_connection("127.0.0.1", self._target)
        except OSError:
            writer.transport.abort()
            return
        ends = {writer, far_writer}
        self._writers |= ends
        try:
            await asyncio.gather(self._pump(reader, far_writer), self._pump(far_reader, writer))
        except OSError:
            pass
        finally:
            self._writers -= ends
            for end in ends:
                end.transport.abort()

    async def _pump(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(65_536):
            await self._flowing.wait()
            if self._tear_after is not None:
                left = self._tear_after
                self._tear_after = max(0, left - len(data))
                if len(data) > left:
                    self._tear_after = None
                    self.cuts += 1
                    writer.write(data[:left])
                    with suppress(OSError):
                        await writer.drain()
                    raise ConnectionResetError
            writer.write(data)
            await writer.drain()
        if writer.can_write_eof():
            writer.write_eof()
