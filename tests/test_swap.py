"""The standard library works when GrowBuffer replaces the builtin bytearray.

Its own tests are run with and without the replacement, by swapped.py. Each test that
passes without it must also pass with it, except for those in EXPECTED, which give a
reason. swap_packages.py does the same for packages from PyPI.
"""

import sys

import cpython_suite
import pytest
import swapped
from cpython_suite import REPR, Expected

# Since 3.15 test_io is a package, which contains these modules.
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

# Tests that sleep for seconds, repeat others on another event loop, or need a network.
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

MADE_IN_C = "the unpickler in C makes real bytearrays, not objects of the new builtin"

EXPECTED = {
    "pickle": [
        Expected(
            "test.test_pickle*.test_bytearray",
            "the test searches the pickle for the name bytearray",
        ),
        Expected(
            "test.test_pickle*.test_c_methods",
            "pickle cannot find bytearray.maketrans by its name: the base class has it",
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
            "builtins.bytearray.hex", "doctest does not find the docstring's example"
        ),
    ],
}


def request(group):
    """Return the arguments for swapped.py; skip the test if the modules are missing."""
    modules = [f"test.{name}" for name in GROUPS[group]]
    if cpython_suite.find("test_struct") is None:
        pytest.skip("this Python is installed without its tests")
    return {"runner": "unittest", "modules": modules, "left_out": LEFT_OUT}


@pytest.mark.parametrize("group", GROUPS)
def test_swap_standard_library_group_passes_as_before(group, tmp_path):
    found = swapped.find_changes("growbuf.GrowBuffer", tmp_path, **request(group))
    swapped.assert_expected(found, EXPECTED.get(group, ()))


def test_swap_type_with_wrong_method_is_detected(tmp_path):
    modules = {**request("asyncio"), "modules": ["test.test_asyncio.test_streams"]}
    found = swapped.find_changes("broken.Find", tmp_path, **modules)
    assert any("readuntil" in name for name in found)


def test_assert_expected_unlisted_failure_or_unused_entry_raises():
    found = {"test.one": "failed", "test.two": "failed"}
    swapped.assert_expected(found, [Expected("test.*", REPR)])
    with pytest.raises(AssertionError, match="test.two: failed"):
        swapped.assert_expected(found, [Expected("test.one", REPR)])
    with pytest.raises(AssertionError, match="test.three"):
        entries = [Expected("test.*", REPR), Expected("test.three", REPR)]
        swapped.assert_expected(found, entries)
