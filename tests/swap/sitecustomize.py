"""Replace the builtin bytearray by the type that GROWBUF_SWAP names.

A process imports this module first if this folder is on its PYTHONPATH, and so do the
processes that it starts.
"""

import builtins
import os
from importlib import import_module

if name := os.environ.get("GROWBUF_SWAP"):
    module, _, attribute = name.rpartition(".")
    builtins.bytearray = getattr(import_module(module), attribute)
