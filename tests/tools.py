"""Programs that a machine may lack: a test that needs one says so by its name."""

import shutil

import pytest

needs_cargo = pytest.mark.skipif(shutil.which("cargo") is None, reason="cargo is not installed")
