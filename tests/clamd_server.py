"""A real clamd for the tests: a process of its own on a free port and a socket, with signatures that we write."""

import getpass
import os
import shutil
import socket
import subprocess
import tempfile
import time
from pathlib import Path

STREAM_LIMIT_BYTES = 1_048_576
SIGNATURE = "Huiyin.Eicar-Test"
START_S = 60.0


def make_eicar() -> bytes:
    """The EICAR test file, put together here: written out in full, scanners would take away this very file."""
    return ("X5O!P%@AP[4" + "\\PZX54(P^)7CC)7}$" + "EICAR-STANDARD-ANTI" + "VIRUS-TEST-FILE!$H+H*").encode()


def find_clamd() -> str:
    path = shutil.which("clamd", path=f"{os.environ.get('PATH', '')}:/usr/sbin")
    if path is None:
        raise RuntimeError("clamd is missing: run .ci/install-clamd.sh")
    return path


class ClamdServer:
    """`address` and `tcp_address` are those of the settings. It keeps both over `stop` and `start`."""

    def __init__(self) -> None:
        # A path of its own, because that of a socket must be short.
        self._folder = Path(tempfile.mkdtemp(prefix="clamd-"))
        signatures = self._folder / "signatures"
        signatures.mkdir()
        (signatures / "huiyin.ndb").write_text(f"{SIGNATURE}:0:*:{make_eicar().hex()}\n")
        with socket.create_server(("127.0.0.1", 0)) as free:
            port = free.getsockname()[1]
        self._socket = self._folder / "clamd.sock"
        self._config = self._folder / "clamd.conf"
        self._config.write_text(
            f"DatabaseDirectory {signatures}\nLocalSocket {self._socket}\nTCPSocket {port}\nTCPAddr 127.0.0.1\n"
            f"StreamMaxLength {STREAM_LIMIT_BYTES}\nForeground yes\nUser {getpass.getuser()}\n"
            f"TemporaryDirectory {self._folder}\n"
        )
        self.address = f"unix://{self._socket}"
        self.tcp_address = f"tcp://127.0.0.1:{port}"
        self._process: subprocess.Popen[bytes] | None = None
        self.start()

    def start(self) -> None:
        log = self._folder / "log"
        with log.open("wb") as out:
            self._process = subprocess.Popen(
                [find_clamd(), "--config-file", str(self._config)], stdout=out, stderr=subprocess.STDOUT
            )
        until = time.monotonic() + START_S
        while not self.is_up():
            if self._process.poll() is not None or time.monotonic() > until:
                raise RuntimeError(f"clamd did not start: {log.read_text('utf-8', 'replace')}")
            time.sleep(0.1)

    def stop(self) -> None:
        if self._process is not None:
            self._process.terminate()
            self._process.wait(30)
            self._process = None

    def remove(self) -> None:
        self.stop()
        shutil.rmtree(self._folder)

    def is_up(self) -> bool:
        try:
            with socket.socket(socket.AF_UNIX) as line:
                line.connect(str(self._socket))
                line.sendall(b"zPING\0")
                return line.recv(16) == b"PONG\0"
        except OSError:
            return False
