"""Use GrowBuffer in h11, an HTTP parser that was written for bytearray.

    python examples/parse_http.py

h11 keeps received bytes in a `bytearray()`. In your own code you would change one line:
`from growbuf import GrowBuffer as bytearray`. This program sets the name `bytearray` in
h11's module instead. It sends a request over a socket pair, and parses it once with
each type.
"""

import socket
import threading
from zlib import crc32

import h11
import h11._receivebuffer

from growbuf import GrowBuffer

BODY = bytes(range(256)) * (32 << 10)  # 8 MiB
REQUEST = b"POST /upload HTTP/1.1\r\nHost: here\r\nContent-Length: %d\r\n\r\n%b"


def parse(connection, source):
    """Yield the events of one request that is received from a socket."""
    while True:
        event = connection.next_event()
        if event is h11.NEED_DATA:
            connection.receive_data(source.recv(256 << 10))
            continue
        yield event
        if type(event) is h11.EndOfMessage:
            return


def receive():
    """Return the method and the body of a request, and the type that held them."""
    connection = h11.Connection(h11.SERVER)
    ours, theirs = socket.socketpair()
    with ours, theirs:
        request = REQUEST % (len(BODY), BODY)
        sender = threading.Thread(target=theirs.sendall, args=(request,))
        sender.start()
        events = list(parse(connection, ours))
        sender.join()
    body = b"".join(event.data for event in events if type(event) is h11.Data)
    return events[0].method.decode(), body, type(connection._receive_buffer._data)


def main():
    for kind in (bytearray, GrowBuffer):
        h11._receivebuffer.bytearray = kind
        method, body, held_by = receive()
        print(f"{held_by.__name__}: {method} of {len(body)} bytes, {crc32(body):08x}")


if __name__ == "__main__":
    main()
