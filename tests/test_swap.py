"""The standard library works with GrowBuffer as the builtin bytearray: its own tests
pass that pass without, in Python and in C.

swapped.py runs them; what must differ is listed below.  swap_packages.py does the same
with packages.
"""

import sys

import cpython_suite
import pytest
import swapped
from cpython_suite import REPR, Expected

# From 3.15 on test_io is a package, and has them in it.
BESIDE_IO = ["test_bufio", "test_fileio", "test_memoryio", "test_univnewlines"]
if sys.version_info >= (3, 15):
    BESIDE_IO = []

GROUPS = {
    "asyncio": [
        *("test_asyncio.test_base_events", "test_asyncio.test_buffered_proto"),
        *("test_asyncio.test_selector_events", "test_asyncio.test_sendfile"),
        *("test_asyncio.test_sock_lowlevel", "test_asyncio.test_sslproto"),
        *("test_asyncio.test_streams", "test_asyncio.test_transports"),
        "test_asyncio.test_unix_events",
    ],
    "codecs": [
        *("test_base64", "test_binascii", "test_codeccallbacks", "test_codecs"),
        *("test_hashlib", "test_hmac", "test_quopri"),
    ],
    "compression": ["test_bz2", "test_gzip", "test_lzma", "test_zlib"],
    "files": ["test_io", "test_mmap", "test_wave", *BESIDE_IO],
    "network": ["test_httplib", "test_socket", "test_wsgiref", "test_xmlrpc"],
    "pickle": [
        *("test_copy", "test_marshal", "test_pickle", "test_picklebuffer"),
        *("test_pickletools", "test_plistlib"),
    ],
    "types": [
        *("test_builtin", "test_collections", "test_email", "test_float"),
        *("test_format", "test_int", "test_iter", "test_patma", "test_pprint"),
        *("test_re", "test_struct", "test_uuid"),
    ],
}

# What sleeps for seconds, does the same once more, or waits for what is not there.
LEFT_OUT = [
    "test.test_asyncio.*.PollEventLoopTests.*",
    "test.test_asyncio.*.SelectEventLoopTests.*",
    "test.test_asyncio.test_sslproto.SelectorStartTLSTests.*",
    "test.test_io.*SignalsTest.*",
    "test.test_socket.*Timeout*",
    "test.test_socket.*UDPLITE*",
    "test.test_socket.*VSOCK*",
    "test.test_socket.NetworkConnectionBehaviourTest.*",
    "test.test_socket.TCPCloserTest.*",
    "test.test_socket.Unicode*",
]

MADE_IN_C = "the unpickler written in C makes bytearrays that are not the builtin's"

EXPECTED = {
    "pickle": [
        Expected(
            "test.test_pickle*.test_bytearray",
            "the test looks for the name bytearray in the pickle",
        ),
        Expected(
            "test.test_pickle*.test_c_methods",
            "bytearray.maketrans is the base's: pickle does not find that by its name",
        ),
        Expected(
            "test.test_pickle*.test_*picklebuffer_memoization", MADE_IN_C, (3, 14)
        ),
        Expected("test.test_pickle*.test_bytearray_memoization", MADE_IN_C, (3, 13)),
        Expected("pickletools.read_bytearray8", REPR),
    ],
    "types": [
        Expected("test.test_pprint.QueryTestCase.test_bytearray_wrap", REPR),
        Expected("test.test_pprint.QueryTestCase.test_same_as_repr", REPR),
        Expected(
            "builtins.bytearray.hex", "an example of the docstring, not looked for"
        ),
    ],
}


def request(group):
    """Return what swapped.py is to run; skip where it is missing."""
    modules = [f"test.{name}" for name in GROUPS[group]]
    if cpython_suite.find("test_struct") is None:
        pytest.skip("this Python comes without its tests")
    return {"runner": "unittest", "modules": modules, "left_out": LEFT_OUT}


@pytest.mark.parametrize("group", GROUPS)
def test_standard_library(group, tmp_path):
    found = swapped.not_as_before("growbuf.GrowBuffer", tmp_path, **request(group))
    swapped.assert_expected(found, EXPECTED.get(group, ()))


def test_a_wrong_method_is_noticed(tmp_path):
    modules = {**request("asyncio"), "modules": ["test.test_asyncio.test_streams"]}
    found = swapped.not_as_before("broken.Find", tmp_path, **modules)
    assert any("readuntil" in name for name in found)


def test_what_is_expected_must_happen():
    found = {"test.one": "failed", "test.two": "failed"}
    swapped.assert_expected(found, [Expected("test.*", REPR)])
    with pytest.raises(AssertionError, match="test.two: failed"):
        swapped.assert_expected(found, [Expected("test.one", REPR)])
    with pytest.raises(AssertionError, match="test.three"):
        entries = [Expected("test.*", REPR), Expected("test.three", REPR)]
        swapped.assert_expected(found, entries)
