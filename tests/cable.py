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
        self._break_at = b""
        self._delivers_first = False
        self.port = 0
        self.breaks = 0
        """Connections that `tear_after` and `break_at` ended."""
        self.refused = 0

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

    def break_at(self, words: bytes, *, deliver_first: bool) -> None:
        """The next connection that carries these bytes to the far end breaks: the answer never comes. `deliver_first`:
        but they arrive.
        """
        self._break_at, self._delivers_first = words, deliver_first

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
            self.refused += 1
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
            await asyncio.gather(self._pump(reader, far_writer, back=writer), self._pump(far_reader, writer))
        except OSError:
            pass
        finally:
            self._writers -= ends
            for end in ends:
                end.close()

    async def _pump(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, back: asyncio.StreamWriter | None = None
    ) -> None:
        while data := await reader.read(65_536):
            await self._flowing.wait()
            left = self._find_tear(len(data))
            if back is not None and self._break_at and self._break_at in data:
                # The way back is gone before the far end can use it.
                back.transport.abort()
                left = len(data) if self._delivers_first else 0
                self._break_at = b""
            writer.write(data[:left])
            with suppress(OSError):
                await writer.drain()
            if left is not None:
                self.breaks += 1
                raise ConnectionResetError
        if writer.can_write_eof():
            writer.write_eof()

    def _find_tear(self, size: int) -> int | None:
        """After how many of these bytes the connection breaks; None: not here."""
        if self._tear_after is None:
            return None
        left, self._tear_after = self._tear_after, self._tear_after - size
        if left >= size:
            return None
        self._tear_after = None
        return left
