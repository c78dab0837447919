"""A TLS client that sends what no device sends. Uses the machine's own libssl by ctypes, so that it can make records
that Python's ssl has no call for."""

import contextlib
import ctypes
import ctypes.util
import socket

_ssl = ctypes.CDLL(ctypes.util.find_library("ssl"))
_crypto = ctypes.CDLL(ctypes.util.find_library("crypto"))
for _library, _name, _result, _arguments in (
        (_ssl, "TLS_client_method", ctypes.c_void_p, []),
        (_ssl, "SSL_CTX_new", ctypes.c_void_p, [ctypes.c_void_p]),
        (_ssl, "SSL_CTX_free", None, [ctypes.c_void_p]),
        (_ssl, "SSL_new", ctypes.c_void_p, [ctypes.c_void_p]),
        (_ssl, "SSL_free", None, [ctypes.c_void_p]),
        (_ssl, "SSL_set_bio", None, [ctypes.c_void_p] * 3),
        (_ssl, "SSL_set_connect_state", None, [ctypes.c_void_p]),
        (_ssl, "SSL_do_handshake", ctypes.c_int, [ctypes.c_void_p]),
        (_ssl, "SSL_write", ctypes.c_int, [ctypes.c_void_p, ctypes.c_char_p, ctypes.c_int]),
        (_ssl, "SSL_read", ctypes.c_int, [ctypes.c_void_p, ctypes.c_char_p, ctypes.c_int]),
        (_ssl, "SSL_key_update", ctypes.c_int, [ctypes.c_void_p, ctypes.c_int]),
        (_crypto, "BIO_s_mem", ctypes.c_void_p, []),
        (_crypto, "BIO_new", ctypes.c_void_p, [ctypes.c_void_p]),
        (_crypto, "BIO_read", ctypes.c_int, [ctypes.c_void_p, ctypes.c_char_p, ctypes.c_int]),
        (_crypto, "BIO_write", ctypes.c_int, [ctypes.c_void_p, ctypes.c_char_p, ctypes.c_int])):
    getattr(_library, _name).restype = _result
    getattr(_library, _name).argtypes = _arguments

_UPDATE_NOT_REQUESTED = 0


class HostileTls:
    """A connection of TLS 1.3 after its handshake. `with` closes it."""

    def __init__(self, address, source=None, timeout=20.0):
        self.sock = socket.create_connection(address, timeout=timeout, source_address=source and (source, 0))
        self._context = _ssl.SSL_CTX_new(_ssl.TLS_client_method())
        self._ssl = _ssl.SSL_new(self._context)
        self._in, self._out = _crypto.BIO_new(_crypto.BIO_s_mem()), _crypto.BIO_new(_crypto.BIO_s_mem())
        _ssl.SSL_set_bio(self._ssl, self._in, self._out)
        _ssl.SSL_set_connect_state(self._ssl)
        while _ssl.SSL_do_handshake(self._ssl) != 1:
            self.sock.sendall(self._made())
            arrived = self.sock.recv(65536)
            if not arrived:
                raise ConnectionError("the gateway ended the handshake")
            _crypto.BIO_write(self._in, arrived, len(arrived))
        self.sock.sendall(self._made())

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.sock.close()
        _ssl.SSL_free(self._ssl)
        _ssl.SSL_CTX_free(self._context)

    def _made(self):
        parts, room = [], ctypes.create_string_buffer(65536)
        while (size := _crypto.BIO_read(self._out, room, len(room))) > 0:
            parts.append(room.raw[:size])
        return b"".join(parts)

    def key_updates(self, count):
        """Returns the records of so many KeyUpdates."""
        for _ in range(count):
            assert _ssl.SSL_key_update(self._ssl, _UPDATE_NOT_REQUESTED) == 1 and _ssl.SSL_do_handshake(self._ssl) == 1
        return self._made()

    def received(self):
        """Returns the bytes, decrypted, that the other side sends until it ends the connection."""
        content, room = b"", ctypes.create_string_buffer(65536)
        with contextlib.suppress(ConnectionError):
            while arrived := self.sock.recv(65536):
                _crypto.BIO_write(self._in, arrived, len(arrived))
                while (size := _ssl.SSL_read(self._ssl, room, len(room))) > 0:
                    content += room.raw[:size]
        return content

    def records(self, *contents):
        """Returns a record of application data for each content."""
        for content in contents:
            assert _ssl.SSL_write(self._ssl, content, len(content)) == len(content)
        return self._made()


def send(sock, data):
    """Sends as much as the gateway accepts before it ends the connection."""
    with contextlib.suppress(ConnectionError):
        sock.sendall(data)


def tiny_records(handshake):
    """Returns the bytes of a handshake message, each in a record of its own."""
    return b"".join(b"\x16\x03\x01\x00\x01" + bytes([byte]) for byte in handshake)
