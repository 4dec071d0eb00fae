"""Find out whether a source has more bytes; readfrom() needs this at a full limit."""

import io
import os
import sys


def read_byte(reader, file):
    """Read a byte from a source, and leave it there if that is possible.

    reader: the method readinto() of the file, or recv_into() of a socket.
    file: the file, or None for a socket.

    Return 1 if there is a byte, 0 at the end, and None if no byte has arrived yet. If
    the source cannot keep the byte, the byte is lost.
    """
    byte = bytearray(1)
    if file is None:
        return recv_byte(reader, byte)
    try:
        if file.peek(1):
            return 1
    except (AttributeError, io.UnsupportedOperation):
        if is_seekable(file):
            nbytes = reader(byte)
            if nbytes == 1:
                file.seek(-1, os.SEEK_CUR)
            return nbytes
        if type(file) is io.FileIO:  # a subclass may have another readinto()
            nbytes = poll_byte(file.fileno())
            if nbytes != 0:
                return nbytes
    # If peek() or poll() has found no byte, this takes none: the file has ended, or no
    # byte has arrived yet, or it raises why there are none, such as a reset of the
    # connection. Otherwise the byte that this takes is lost.
    return reader(byte)


def recv_byte(recv_into, byte):
    import socket

    try:
        return recv_into(byte, 1, socket.MSG_PEEK)
    except (TypeError, ValueError):  # such as a TLS socket, which takes no flags
        return recv_into(byte)


def is_seekable(file):
    try:
        return file.seekable()
    except AttributeError:
        return False


def poll_byte(descriptor):
    """Wait as a read would; return 1 for bytes, 0 for a read to tell, None for none."""
    try:
        import fcntl
        import select

        count_bytes(descriptor)
        if fcntl.fcntl(descriptor, fcntl.F_GETFL) & os.O_ACCMODE == os.O_WRONLY:
            return 0  # a read raises; poll() would wait for ever
        timeout = None if os.get_blocking(descriptor) else 0
        poll = select.poll()
    except (ImportError, AttributeError, OSError):  # such as on Windows
        return 0
    poll.register(descriptor, select.POLLIN)
    if not poll.poll(timeout):  # outside of try: a signal handler may raise OSError
        return None
    return min(1, count_bytes(descriptor))


def count_bytes(descriptor):
    import fcntl
    import termios

    nbytes = fcntl.ioctl(descriptor, termios.FIONREAD, bytes(4))
    return int.from_bytes(nbytes, sys.byteorder)
