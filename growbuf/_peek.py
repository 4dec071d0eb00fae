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
    # Do not catch AttributeError from the call of peek(): while peek() waits, a signal
    # handler may raise one, too.
    can_peek = hasattr(file, "peek")
    try:
        if can_peek and file.peek(1):
            return 1
    except io.UnsupportedOperation:
        can_peek = False
    if not can_peek:
        if is_seekable(file):
            nbytes = reader(byte)
            if nbytes == 1:
                file.seek(-1, os.SEEK_CUR)
            return nbytes
        if type(file) is io.FileIO:  # a subclass may have another readinto()
            nbytes = poll_byte(file.fileno())
            if nbytes != 0:
                return nbytes
    # If peek() or poll() found no byte, this read finds none either: it returns 0 at the
    # end of the file, or None, or raises an error of the file. If neither could be
    # called, the byte that it reads is lost.
    return reader(byte)


def recv_byte(recv_into, byte):
    import socket

    # Find out whether recv_into() takes flags; that of a TLS socket does not. Ask for no
    # bytes, which does not wait. While the second call waits, a signal handler may raise
    # anything, so do not catch exceptions there.
    try:
        recv_into(bytearray(), 0, socket.MSG_PEEK)
    except Exception:
        return recv_into(byte)
    return recv_into(byte, 1, socket.MSG_PEEK)


def is_seekable(file):
    try:
        return file.seekable()
    except AttributeError:
        return False


def poll_byte(descriptor):
    """Wait for bytes as a read would.

    Return 1 if there are bytes, None if none have arrived yet, and 0 if only a read can
    find that out.
    """
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
