"""Work of real libraries, which programs.py times with bytearray and with GrowBuffer.

Each function does its work `count` times and returns a checksum of the results, by
which programs.py compares the two runs.

Nothing here names GrowBuffer. In GrowBuffer's process the builtin bytearray is replaced
before this module and the libraries are imported, so that the name bytearray means
GrowBuffer in all of them. All data is made here, and both ends of a socket are in this
process.
"""

import asyncio
import base64
import hashlib
import http.client
import io
import pickle
import socket
import struct
import tempfile
import zlib

LINE = b"GET /articles/42?page=7 of many, and what else a line may have in it\r\n"
BODY = LINE * (100_000 // len(LINE))  # some 100 kB
MIB = 1 << 20


def cut(data, nbytes):
    """Return bytes cut into pieces of that length, as a socket delivers them."""
    return [data[start : start + nbytes] for start in range(0, len(data), nbytes)]


# ---------------------------------------------------------------- protocols in memory


def h11_messages(count):
    """HTTP/1.1 requests and responses with bodies of 20 kB, sent and parsed."""
    import h11

    client, server = h11.Connection(h11.CLIENT), h11.Connection(h11.SERVER)
    body, crc = BODY[:20_000], 0
    length = ("content-length", str(len(body)))
    request = h11.Request(
        method="POST",
        target="/articles",
        headers=[("host", "localhost"), ("user-agent", "a program"), length],
    )
    response = h11.Response(status_code=200, headers=[("server", "another"), length])
    for _ in range(count):
        for sender, receiver, start in (
            (client, server, request),
            (server, client, response),
        ):
            data = b"".join(
                sender.send(event)
                for event in (start, h11.Data(data=body), h11.EndOfMessage())
            )
            for piece in cut(data, 4096):
                receiver.receive_data(piece)
                while (event := receiver.next_event()) is not h11.NEED_DATA:
                    if isinstance(event, h11.Data):
                        crc = zlib.crc32(event.data, crc)
                    if isinstance(event, h11.EndOfMessage):
                        break
        client.start_next_cycle()
        server.start_next_cycle()
    return crc


def h2_streams(count):
    """HTTP/2 streams, each with headers and a body of 50 kB."""
    from h2.config import H2Configuration
    from h2.connection import H2Connection
    from h2.events import DataReceived

    client = H2Connection(H2Configuration(client_side=True))
    server = H2Connection(H2Configuration(client_side=False))
    client.initiate_connection()
    server.initiate_connection()
    server.receive_data(client.data_to_send())
    client.receive_data(server.data_to_send())
    body, crc = BODY[:50_000], 0
    for number in range(count):
        stream = client.get_next_available_stream_id()
        names = (":method", ":path", ":scheme", ":authority", "x-number")
        values = ("POST", "/articles", "https", "localhost", str(number))
        client.send_headers(stream, list(zip(names, values, strict=True)))
        for piece in cut(body, 16_000):
            client.send_data(stream, piece)
            for event in server.receive_data(client.data_to_send()):
                if isinstance(event, DataReceived):
                    crc = zlib.crc32(event.data, crc)
                    server.acknowledge_received_data(
                        event.flow_controlled_length, stream
                    )
            client.receive_data(server.data_to_send())
        client.end_stream(stream)
        server.receive_data(client.data_to_send())
        server.send_headers(stream, [(":status", "204")], end_stream=True)
        client.receive_data(server.data_to_send())
    return crc


def hpack_headers(count):
    """Lists of headers, compressed for HTTP/2 and decompressed."""
    from hpack import Decoder, Encoder

    encoder, decoder = Encoder(), Decoder()
    crc = 0
    for number in range(count):
        headers = [
            (":path", f"/articles/{number}"),
            ("user-agent", "a program of some name, and its version"),
            ("cookie", f"session={number * 7919:040x}"),
            ("accept", "text/html, application/xml"),
        ]
        data = encoder.encode(headers)
        crc = zlib.crc32(data, crc)
        assert len(decoder.decode(data)) == len(headers)
    return crc


def wsproto_messages(count):
    """WebSocket messages of 100 B to 100 kB, masked, parsed from pieces of 4 KiB."""
    from wsproto import ConnectionType, WSConnection
    from wsproto.events import AcceptConnection, BytesMessage, Request

    client = WSConnection(ConnectionType.CLIENT)
    server = WSConnection(ConnectionType.SERVER)
    server.receive_data(client.send(Request(host="localhost", target="/")))
    assert isinstance(next(server.events()), Request)
    client.receive_data(server.send(AcceptConnection()))
    list(client.events())
    crc = 0
    for _ in range(count):
        for length in (100, 1000, 10_000, len(BODY)):
            data = client.send(BytesMessage(data=BODY[:length]))
            for piece in cut(data, 4096):
                server.receive_data(piece)
                for event in server.events():
                    crc = zlib.crc32(event.data, crc)
    return crc


def websockets_messages(count):
    """The same messages with websockets, whose reader is a generator over a buffer."""
    from websockets.client import ClientProtocol
    from websockets.server import ServerProtocol
    from websockets.uri import parse_uri

    client, server = ClientProtocol(parse_uri("ws://localhost/")), ServerProtocol()
    client.send_request(client.connect())
    server.receive_data(b"".join(client.data_to_send()))
    (request,) = server.events_received()
    server.send_response(server.accept(request))
    client.receive_data(b"".join(server.data_to_send()))
    client.events_received()
    crc = 0
    for _ in range(count):
        for length in (100, 1000, 10_000, len(BODY)):
            client.send_binary(BODY[:length])
            for piece in cut(b"".join(client.data_to_send()), 4096):
                server.receive_data(piece)
                for event in server.events_received():
                    crc = zlib.crc32(event.data, crc)
    return crc


def tls_messages(count):
    """TLS handshake messages of tlslite-ng, written and parsed, and AES in Python."""
    from tlslite.constants import CipherSuite
    from tlslite.extensions import SNIExtension, SupportedGroupsExtension
    from tlslite.messages import ClientHello
    from tlslite.utils.codec import Parser
    from tlslite.utils.python_aes import new as new_aes

    suites = [CipherSuite.TLS_AES_128_GCM_SHA256] * 20
    extensions = [
        SNIExtension().create(b"localhost"),
        SupportedGroupsExtension().create(list(range(23, 31))),
    ]
    crc = 0
    for number in range(count):
        random, session = bytearray(32), bytearray(struct.pack(">Q", number))
        hello = ClientHello().create((3, 3), random, session, suites)
        hello.extensions = extensions
        data = hello.write()
        parser = Parser(data[1:])
        crc = zlib.crc32(data, crc) ^ len(ClientHello().parse(parser).cipher_suites)
        if number % 20 == 0:
            cipher = new_aes(bytearray(16), 2, bytearray(16))
            crc = zlib.crc32(cipher.encrypt(bytearray(LINE[:64])), crc)
    return crc


# ------------------------------------------------------------------------- formats


def flatbuffers_tables(count):
    """Tables with strings, vectors and numbers, in a buffer that grows."""
    import flatbuffers

    crc = 0
    for _ in range(count):
        builder = flatbuffers.Builder(64)
        tables = []
        for number in range(50):
            name = builder.CreateString(f"the name of {number}")
            data = builder.CreateByteVector(LINE)
            builder.StartVector(4, 10, 4)
            for item in range(10):
                builder.PrependInt32(item)
            items = builder.EndVector()
            builder.StartObject(4)
            builder.PrependInt32Slot(0, number, 0)
            builder.PrependUOffsetTRelativeSlot(1, name, 0)
            builder.PrependUOffsetTRelativeSlot(2, data, 0)
            builder.PrependUOffsetTRelativeSlot(3, items, 0)
            tables.append(builder.EndObject())
        builder.StartVector(4, len(tables), 4)
        for table in tables:
            builder.PrependUOffsetTRelative(table)
        builder.Finish(builder.EndVector())
        crc = zlib.crc32(builder.Output(), crc)
    return crc


def msgpack_stream(count):
    """Objects packed, and unpacked from a stream, by msgpack's code in Python."""
    from msgpack.fallback import Packer, Unpacker

    packer, unpacker = Packer(), Unpacker()
    item = {"id": 42, "name": "some name", "tags": ["a", "b"], "data": LINE * 5}
    crc = 0
    for _ in range(count):
        data = packer.pack([item] * 20)
        crc = zlib.crc32(data, crc)
        for piece in cut(data, 4096):
            unpacker.feed(piece)
        for items in unpacker:
            crc += items == [item] * 20
    return crc


def kafka_records(count):
    """Batches of Kafka's records, built and read."""
    from kafka.record.memory_records import MemoryRecords, MemoryRecordsBuilder

    crc = 0
    for number in range(count):
        builder = MemoryRecordsBuilder(2, 0, 64 << 10)
        for index in range(100):
            builder.append(1_700_000_000_000 + index, b"key %d" % number, LINE * 4)
        builder.close()
        records = MemoryRecords(builder.buffer())
        while (batch := records.next_batch()) is not None:
            for record in batch:
                crc = zlib.crc32(record.value, crc)
    return crc


def png_images(count):
    """PNG images of 200 by 200 pixels, written and read by pypng."""
    import png

    rows = [bytes((x * y) & 255 for x in range(3 * 200)) for y in range(200)]
    crc = 0
    for _ in range(count):
        file = io.BytesIO()
        png.Writer(200, 200, greyscale=False).write(file, rows)
        _, _, pixels, _ = png.Reader(bytes=filtered(file.getvalue())).read()
        for row in pixels:
            crc = zlib.crc32(row, crc)
    return crc


def filtered(image):
    """Return a PNG image with the filter type of its lines changed to 1 (Sub).

    The reader then has to add the pixel to the left to each pixel.
    """
    at = image.index(b"IDAT")
    (length,) = struct.unpack_from(">I", image, at - 4)
    lines = cut(zlib.decompress(image[at + 4 : at + 4 + length]), 601)
    data = zlib.compress(b"".join(b"\1" + line[1:] for line in lines))
    chunk = b"IDAT" + data
    chunk = struct.pack(">I", len(data)) + chunk + struct.pack(">I", zlib.crc32(chunk))
    return image[: at - 4] + chunk + image[at + 8 + length :]


def reedsolo_codes(count):
    """Reed-Solomon codes made by reedsolo, and messages corrected."""
    from reedsolo import RSCodec

    codec = RSCodec(16)
    crc = 0
    for number in range(count):
        code = codec.encode(LINE * 3)
        code[number % 60] ^= 255
        message, _, _ = codec.decode(code)
        crc = zlib.crc32(message, zlib.crc32(code, crc))
    return crc


# -------------------------------------------------------------- the standard library


class Served:
    """Stands in for a socket from which a response can be read."""

    def __init__(self, data):
        self.data = data

    def makefile(self, mode):
        return io.BufferedReader(io.BytesIO(self.data))


RESPONSE = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n"


def http_body(count):
    """Responses of http.client with 1 MiB, read by 16 KiB into a growing body."""
    data = (BODY * 11)[:MIB]
    crc = 0
    for _ in range(count):
        response = http.client.HTTPResponse(Served(RESPONSE % MIB + data))
        response.begin()
        body = bytearray()
        while piece := response.read(16384):
            body += piece
        crc = zlib.crc32(body, crc)
    return crc


def http_readinto(count):
    """Responses of http.client with 1 MiB, read into a buffer of that length."""
    data = (BODY * 11)[:MIB]
    crc = 0
    for _ in range(count):
        response = http.client.HTTPResponse(Served(RESPONSE % MIB + data))
        response.begin()
        body = bytearray(response.length)
        view, got = memoryview(body), 0
        while got < len(body):
            got += response.readinto(view[got:])
        view.release()
        crc = zlib.crc32(body, crc)
    return crc


def stream_reader(count):
    """asyncio's StreamReader: lines, lengths and the rest, fed by 4 KiB and 64 KiB."""

    async def read_all():
        crc = 0
        for _ in range(count):
            reader = asyncio.StreamReader(limit=MIB)
            for piece in cut(BODY, 4096):
                reader.feed_data(piece)
            for _ in range(500):
                crc = zlib.crc32(await reader.readline(), crc)
            crc = zlib.crc32(await reader.readexactly(10_000), crc)
            crc = zlib.crc32(await reader.readuntil(b"\n"), crc)
            for piece in cut(BODY, 65_536):
                reader.feed_data(piece)
            reader.feed_eof()
            while data := await reader.read(8192):
                crc = zlib.crc32(data, crc)
        return crc

    return asyncio.run(read_all())


def asyncio_echo(count):
    """asyncio's streams over loopback: 256 KiB there and back, and by lines."""

    async def echo(reader, writer):
        while data := await reader.read(65_536):
            writer.write(data)
            await writer.drain()
        writer.close()
        ended.set()

    async def talk():
        nonlocal ended
        ended = asyncio.Event()
        server = await asyncio.start_server(echo, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        reader, writer = await asyncio.open_connection("127.0.0.1", port, limit=MIB)
        data, crc = (BODY * 3)[: 256 << 10], 0
        for _ in range(count):
            writer.write(data)
            crc = zlib.crc32(await reader.readexactly(len(data)), crc)
            for line in cut(BODY[: 100 * len(LINE)], len(LINE)):
                writer.write(line)
            for _ in range(100):
                crc = zlib.crc32(await reader.readline(), crc)
        writer.close()
        await ended.wait()
        server.close()
        return crc

    ended = None
    return asyncio.run(talk())


def python_io(count):
    """Files of _pyio, the io module in Python: written, read by lines and pieces."""
    import _pyio

    crc = 0
    for _ in range(count):
        raw = _pyio.BytesIO()
        writer = _pyio.BufferedWriter(raw, 16_384)
        for line in cut(BODY, 500):
            writer.write(line)
        writer.flush()
        raw.seek(0)
        reader = _pyio.BufferedReader(raw, 16_384)
        for _ in range(300):
            crc = zlib.crc32(reader.readline(), crc)
        while piece := reader.read(1000):
            crc = zlib.crc32(piece, crc)
    return crc


def encoded(count):
    """base64's code in Python for base 32, and hashlib's for files."""
    crc = 0
    with tempfile.TemporaryFile() as file:
        file.write(BODY * 4)
        for _ in range(count):
            text = base64.b32encode(BODY[:5000])
            crc = zlib.crc32(base64.b32decode(text), crc)
            file.seek(0)
            crc = zlib.crc32(hashlib.file_digest(file, "sha1").digest(), crc)
    return crc


def pickled(count):
    """Lists of buffers of 10 B to 10 kB, pickled by protocol 5 and back."""
    lengths = [10, 100, 1000, 10_000] * 5
    buffers = [bytearray(BODY[:length]) for length in lengths]
    crc = 0
    for _ in range(count):
        for buffer in pickle.loads(pickle.dumps(buffers, 5)):
            crc = zlib.crc32(buffer, crc)
    return crc


# ------------------------------------------------------- parsers that programs write


def line_parser(count):
    """Lines read from one sliding buffer that gets 4 KiB at a time."""
    crc = 0
    for _ in range(count):
        buffer = bytearray()
        for piece in cut(BODY, 4096):
            buffer += piece
            while (end := buffer.find(b"\r\n")) >= 0:
                line = buffer[:end]
                del buffer[: end + 2]
                crc = zlib.crc32(line, crc) ^ len(line.split())
    return crc


def frame_parser(count):
    """Frames, each after its length, read from a buffer that gets 64 KiB at a time."""
    lengths = [10, 200, 3000, 40_000] * 20
    data = b"".join(struct.pack(">I", n) + BODY[:n] for n in lengths)
    crc = 0
    for _ in range(count):
        buffer = bytearray()
        for piece in cut(data, 65_536):
            buffer.extend(piece)
            while len(buffer) >= 4:
                (length,) = struct.unpack_from(">I", buffer)
                if len(buffer) < 4 + length:
                    break
                crc = zlib.crc32(buffer[4 : 4 + length], crc)
                del buffer[: 4 + length]
    return crc


def received(count):
    """Messages of 200 kB through a socket, each received into a buffer made for it."""
    ours, theirs = socket.socketpair()
    for end in (ours, theirs):
        end.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, MIB)
    message = (BODY * 2)[:200_000]
    crc = 0
    with ours, theirs:
        for _ in range(count):
            buffer = bytearray(len(message))
            view, sent, got = memoryview(buffer), 0, 0
            while got < len(buffer):
                sent += theirs.send(message[sent : sent + 65_536])
                got += ours.recv_into(view[got:])
            view.release()
            crc = zlib.crc32(buffer, crc)
    return crc


def tornado_echo(count):
    """tornado's IOStream over a loopback socket: lines, and 256 KiB there and back."""
    from tornado.iostream import StreamClosedError
    from tornado.tcpclient import TCPClient
    from tornado.tcpserver import TCPServer

    class Echo(TCPServer):
        async def handle_stream(self, stream, address):
            try:
                while True:
                    await stream.write(await stream.read_bytes(MIB, partial=True))
            except StreamClosedError:
                pass

    async def talk():
        server = Echo()
        server.listen(0, "127.0.0.1")
        (listening,) = server._sockets.values()
        port = listening.getsockname()[1]
        stream = await TCPClient().connect("127.0.0.1", port)
        data, crc = (BODY * 3)[: 256 << 10], 0
        for _ in range(count):
            stream.write(data)
            crc = zlib.crc32(await stream.read_bytes(len(data)), crc)
            stream.write(BODY[: 100 * len(LINE)])
            for _ in range(100):
                crc = zlib.crc32(await stream.read_until(b"\r\n"), crc)
        stream.close()
        server.stop()
        return crc

    return asyncio.run(talk())


# The function of each program, and how often it does its work: that takes about half a
# second.
PROGRAMS = {
    "h11": (h11_messages, 1200),
    "h2": (h2_streams, 600),
    "hpack": (hpack_headers, 5000),
    "wsproto": (wsproto_messages, 500),
    "websockets": (websockets_messages, 2400),
    "tlslite-ng": (tls_messages, 2500),
    "flatbuffers": (flatbuffers_tables, 240),
    "msgpack": (msgpack_stream, 800),
    "kafka-python": (kafka_records, 60),
    "pypng": (png_images, 25),
    "reedsolo": (reedsolo_codes, 300),
    "tornado": (tornado_echo, 350),
    "http.client, a growing body": (http_body, 800),
    "http.client, readinto": (http_readinto, 900),
    "asyncio.StreamReader": (stream_reader, 800),
    "asyncio streams": (asyncio_echo, 400),
    "_pyio": (python_io, 300),
    "base64, hashlib": (encoded, 300),
    "pickle": (pickled, 12000),
    "a line parser": (line_parser, 350),
    "a frame parser": (frame_parser, 1000),
    "a socket, recv_into": (received, 4000),
}
