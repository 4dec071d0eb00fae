"""Download an unknown count of numbers and use them as an array, without a copy.

    python examples/download.py [URL]

The program reads the body of an HTTP response into a GrowBuffer, and makes a NumPy
array of the same memory. The URL must return float64 values. Without a URL, a server in
this process sends some values and does not announce how many.
"""

import sys
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.request import urlopen

import numpy as np

from growbuf import GrowBuffer

BLOCK = np.linspace(0, 1, 64 << 10)
NBLOCKS = 64


class Numbers(BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.end_headers()  # no Content-Length: the body ends with the connection
        for _ in range(NBLOCKS):
            self.wfile.write(BLOCK)

    def log_message(self, *words):
        pass


@contextmanager
def serve():
    """Run a server of numbers in a thread; provide its URL."""
    with ThreadingHTTPServer(("127.0.0.1", 0), Numbers) as server:
        threading.Thread(target=server.serve_forever).start()
        try:
            yield f"http://127.0.0.1:{server.server_port}/"
        finally:
            server.shutdown()


def download(url):
    """Return the body of the response as a GrowBuffer.

    The body also ends if the connection breaks. So its length is compared with the one
    that the server announced, if any. Raise ConnectionError if bytes are missing.
    """
    body = GrowBuffer()
    with urlopen(url) as response:
        announced = response.headers["Content-Length"]
        body.readfrom(response)
    if announced is not None and len(body) < int(announced):
        raise ConnectionError(
            f"{url}: the connection ended after {len(body)} of {announced} announced bytes"
        )
    return body


def main():
    try:
        if len(sys.argv) > 1:
            body = download(sys.argv[1])
        else:
            with serve() as url:
                body = download(url)
    except ConnectionError as error:
        sys.exit(str(error))
    values = np.frombuffer(body)
    print(f"{len(body)} bytes are {len(values)} values with mean {values.mean():.3f}")


if __name__ == "__main__":
    main()
