"""moto's state on disk, so that the cloud survives a restart and kill -9.

After a write the services it touched are saved by a background thread, a tenth of a second later and all at once, or
later where that takes long: one pickle a service, renamed into place, with large blobs (code zips) in content-addressed
files beside it that are written once. Services that hold secrets are saved under `secrets/`. A file that cannot be read
is moved aside, with a warning.
"""

import contextlib
import hashlib
import importlib
import io
import logging
import marshal
import os
import pickle
import sys
import tempfile
import threading
import time
import types
import weakref
from collections.abc import Container, Iterable, Iterator
from functools import cached_property
from pathlib import Path
from typing import Any

import moto
from moto.core.base_backend import BaseBackend

from localcloud.aws.backends import backends_of, find, reference_of

logger = logging.getLogger(__name__)

PAUSE = 0.1
"""Seconds between a write and its save; writes in between are saved together."""
SHARE = 6
"""A save waits for so many times of what the one before it took."""
SECRET = frozenset({"iam", "kms", "lambda", "rds", "secretsmanager", "sns", "ssm", "sts"})
"""Services whose state holds passwords, keys, tokens or environment variables."""
TOUCHED_TOO: dict[str, tuple[str, ...]] = {"rds": ("secretsmanager",)}
"""RDS keeps the master passwords that it manages in a secret."""
NOT_SAVED = {"ec2": frozenset({"amis", "snapshots"})}
"""moto makes these anew, as large as all else together; nothing here boots a machine."""
VERSIONS = f"moto {moto.__version__} on Python {sys.version_info.major}.{sys.version_info.minor}"
BLOB = 4 * 1024
"""Bytes from which a blob is kept in a file of its own."""


class Blob(bytes):
    """Bytes that are saved once, in a file named by their digest."""

    @cached_property
    def digest(self) -> str:
        return hashlib.sha256(self).hexdigest()


class State:
    """The saved state of one cloud: `<home>/aws/` and `<home>/secrets/aws/`."""

    def __init__(self, home: Path, *, account_id: str) -> None:
        self.account_id = account_id
        self._open, self._secret, self._blobs = home / "aws", home / "secrets" / "aws", home / "aws" / "blobs"
        self.still = threading.RLock()
        """Held while something is written or pickled: nothing else changes the state then."""
        self._saving = threading.Lock()
        """Held by a save from its beginning to its end; never waited for by who holds `still`."""
        self._forgotten = 0
        self._on_disk: set[str] = set()
        """The blobs that have their files."""
        self._dirty: set[str] = set()
        self._noting = threading.Lock()
        self._wake = threading.Event()
        self._closing = False
        self._used: dict[Path, set[str]] = {}
        """The blobs that each saved file needs."""
        self._all_known = True
        """False if a file could not be read: which blobs it needs, nobody knows."""
        self._saver = threading.Thread(target=self._save_as_needed, name="aws-state", daemon=True)

    @contextlib.contextmanager
    def writing(self, service: str) -> Iterator[None]:
        """Hold the state still for one write, and save the service afterwards."""
        with self.still:
            yield
        self.touch(service)

    def touch(self, service: str) -> None:
        """Have a service saved soon."""
        with self._noting:
            self._dirty.update((service, *TOUCHED_TOO.get(service, ())))
        self._wake.set()

    def start(self) -> None:
        """Read what was saved, then save from now on."""
        for folder in (self._open, self._secret, self._blobs):
            folder.mkdir(parents=True, exist_ok=True)
        self._secret.chmod(0o700)
        self._secret.parent.chmod(0o700)
        self._all_known = all([self._load(path) for path in self._files()])
        self._on_disk = {blob.name for blob in self._blobs.iterdir()}
        self._drop_blobs()
        self._saver.start()

    def stop(self) -> None:
        """Save what is left."""
        self._closing = True
        self._wake.set()
        self._saver.join()

    def forget(self) -> None:
        """Delete everything saved, and what waits to be."""
        with self.still, self._noting:
            self._dirty.clear()
            for path in self._files():
                path.unlink()
            self._used.clear()
            self._forgotten += 1
            self._drop_blobs()

    def save(self, services: Iterable[str]) -> None:
        """Save these services now. Services that moto does not have are left out."""
        for service in services:
            with contextlib.suppress(LookupError), self._saving:
                self._save(service)

    def _save(self, service: str) -> None:
        """Blobs are written while others go on: only then does the file that needs them take its place."""
        with self.still:
            path, forgotten, (content, used, new) = self._path(service), self._forgotten, self._pickled(service)
        for digest, blob in new.items():
            self._write(self._blobs / digest, blob)
        with self.still:
            if forgotten != self._forgotten:  # all of it, in between
                return
            self._on_disk.update(new)
            self._write(path, content)
            if used != self._used.get(path, set()):
                self._used[path] = used
                self._drop_blobs()

    def _save_as_needed(self) -> None:
        took = 0.0
        while not self._closing or self._dirty:
            self._wake.wait()
            if not self._closing:
                time.sleep(max(PAUSE, SHARE * took))
            self._wake.clear()
            with self._noting:
                services, self._dirty = self._dirty, set()
            began = time.monotonic()
            try:
                self.save(sorted(services))
            except Exception:
                logger.exception("the state of %s was not saved", ", ".join(sorted(services)))
            took = time.monotonic() - began

    def _files(self) -> list[Path]:
        return sorted([*self._open.glob("*.pickle"), *self._secret.glob("*.pickle")])

    def _path(self, service: str) -> Path:
        return (self._secret if service in SECRET else self._open) / f"{service}.pickle"

    def _drop_blobs(self) -> None:
        """Delete the blobs that no saved file needs any more, such as the code of a version that was deleted."""
        needed = set[str]().union(*self._used.values())
        for blob in self._blobs.iterdir() if self._all_known else ():
            if blob.name not in needed:
                blob.unlink(missing_ok=True)
                self._on_disk.discard(blob.name)

    def _pickled(self, service: str) -> tuple[bytes, set[str], dict[str, Blob]]:
        """The service's state, the blobs that it needs, and those of them that have no file yet."""
        regions = backends_of(service)[self.account_id]
        buffer = io.BytesIO()
        pickler = _Pickler(buffer, self._on_disk)
        left_out = NOT_SAVED.get(service, frozenset())
        pickler.dump((VERSIONS, {region: _without(vars(backend), left_out) for region, backend in regions.items()}))
        return buffer.getvalue(), pickler.used, pickler.new

    def _write(self, path: Path, content: bytes) -> None:
        """Replace a file in one step, readable by its owner only."""
        descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
        os.replace(name, path)

    def _load(self, path: Path) -> bool:
        """Put one service's saved state in place, and note the blobs it needs; False if it had to be moved aside."""
        used = self._used[path] = set()
        try:
            with path.open("rb") as file:
                versions, regions = _Unpickler(file, self._blobs, used).load()
            if versions != VERSIONS:
                raise pickle.UnpicklingError(f"it was saved by {versions}, this is {VERSIONS}")
            for region, state in regions.items():
                vars(backends_of(path.stem)[self.account_id][region]).update(state)
        except Exception as error:
            aside = path.with_suffix(f".unreadable-{int(time.time())}")
            path.rename(aside)
            del self._used[path]
            logger.warning("the saved state of %s is unreadable and was moved to %s: %s", path.stem, aside, error)
            return False
        return True


def _without(attributes: dict[str, Any], names: frozenset[str]) -> dict[str, Any]:
    return {name: value for name, value in attributes.items() if name not in names}


class _Pickler(pickle.Pickler):
    """Backends by reference, locks afresh, blobs in files."""

    def __init__(self, file: io.BytesIO, on_disk: Container[str]) -> None:
        super().__init__(file, protocol=5)
        self._on_disk = on_disk
        self.used: set[str] = set()
        self.new: dict[str, Blob] = {}

    def reducer_override(self, value: Any) -> Any:
        if isinstance(value, BaseBackend):
            return find, reference_of(value)
        if isinstance(value, Blob):
            return self._blob(value)
        if isinstance(value, weakref.WeakValueDictionary):
            return _weak_values, (dict(value),)
        if type(value) in (_LOCK, _RLOCK):
            return (threading.RLock if type(value) is _RLOCK else threading.Lock), ()
        if isinstance(value, types.FunctionType) and "<" in value.__qualname__:
            cells = [cell.cell_contents for cell in value.__closure__ or ()]
            return _local_function, (value.__module__, marshal.dumps(value.__code__), cells, value.__defaults__)
        return NotImplemented

    def _blob(self, value: Blob) -> Any:
        if len(value) < BLOB:
            return Blob, (bytes(value),)
        digest = value.digest
        self.used.add(digest)
        if digest not in self._on_disk:
            self.new[digest] = value
        return _read_blob, (digest,)


class _Unpickler(pickle.Unpickler):
    """Finds blobs in the folder of this home, wherever it was moved to."""

    def __init__(self, file: Any, blobs: Path, used: set[str]) -> None:
        super().__init__(file)
        self._blobs, self._used = blobs, used

    def find_class(self, module: str, name: str) -> Any:
        if module == __name__ and name == _read_blob.__name__:
            return self._read
        return super().find_class(module, name)

    def _read(self, digest: str) -> Blob:
        self._used.add(digest)
        return Blob((self._blobs / digest).read_bytes())


_LOCK, _RLOCK = type(threading.Lock()), type(threading.RLock())


def _weak_values(values: dict[Any, Any]) -> Any:
    return weakref.WeakValueDictionary(values)


def _local_function(module: str, code: bytes, cells: list[Any], defaults: tuple[Any, ...] | None) -> Any:
    """A lambda or a function within a function, such as the factory of a defaultdict."""
    closure = tuple(types.CellType(content) for content in cells)
    names = vars(importlib.import_module(module))
    return types.FunctionType(marshal.loads(code), names, None, defaults, closure)


def _read_blob(digest: str) -> Blob:
    """Stands in a pickle for a blob; `_Unpickler` puts in the reader of its folder."""
    raise pickle.UnpicklingError(f"blob {digest} is read by State only")
