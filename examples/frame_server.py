"""An asyncio server that receives messages into one GrowBuffer and replies to each.

    python examples/frame_server.py

A message is four bytes with its length, big-endian, and then that many bytes. The event
loop writes received bytes into the free memory after the last byte of the buffer. The
server removes complete messages from the front. Usually neither moves the other bytes.
The server replies to each message with its SHA-256.
"""

import asyncio
import hashlib
import random
import struct

from growbuf import GrowBuffer

HEADER = struct.Struct("!I")
MAX_NBYTES = 64 << 20  # a client that announces a longer message is disconnected


class FrameServer(asyncio.BufferedProtocol):
    def __init__(self):
        self.received = GrowBuffer()

    def connection_made(self, transport):
        self.transport = transport

    def get_buffer(self, sizehint):
        return self.received.spare(max(sizehint, 64 << 10))

    def buffer_updated(self, nbytes):
        self.received.commit(nbytes)
        for message in self.messages():
            self.transport.write(hashlib.sha256(message).digest())

    def messages(self):
        """Take and yield the messages that have arrived completely."""
        while len(self.received) >= HEADER.size:
            (length,) = HEADER.unpack_from(self.received)
            if length > MAX_NBYTES:
                self.transport.abort()
                return
            if len(self.received) < HEADER.size + length:
                return
            del self.received[: HEADER.size]
            yield self.received.take(length)


async def ask(host, port, messages):
    """Send all messages, then return the digests that the server sends back."""
    reader, writer = await asyncio.open_connection(host, port)
    for message in messages:
        writer.write(HEADER.pack(len(message)) + message)
    digests = [await reader.readexactly(32) for _ in messages]
    writer.close()
    await writer.wait_closed()
    return digests


async def main():
    lengths = [0, 1, 1000, 70_000, 3 << 20, 17, 20 << 20]
    messages = [random.Random(5).randbytes(length) for length in lengths]
    loop = asyncio.get_running_loop()
    server = await loop.create_server(FrameServer, "127.0.0.1", 0)
    async with server:
        digests = await ask(*server.sockets[0].getsockname(), messages)
    for length, digest in zip(lengths, digests, strict=True):
        print(f"{length:>9} bytes  {digest.hex()}")


if __name__ == "__main__":
    asyncio.run(main())
