"""Download numbers of unknown count and look at them as an array, without a copy.

    python examples/download.py [URL]

The body of an HTTP response is read to where it stays, and NumPy looks at it there. A
URL is of float64 values; without one a server on this machine sends some, and does not
say beforehand how many.
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
    """Serve numbers in a thread, at the URL that is given."""
    with ThreadingHTTPServer(("127.0.0.1", 0), Numbers) as server:
        threading.Thread(target=server.serve_forever).start()
        try:
            yield f"http://127.0.0.1:{server.server_port}/"
        finally:
            server.shutdown()


def download(url):
    """Return the body of a response."""
    body = GrowBuffer()
    with urlopen(url) as response:
        body.readfrom(response)
    return body


def main():
    if len(sys.argv) > 1:
        body = download(sys.argv[1])
    else:
        with serve() as url:
            body = download(url)
    values = np.frombuffer(body)
    print(f"{len(body)} bytes are {len(values)} values with mean {values.mean():.3f}")


if __name__ == "__main__":
    main()
