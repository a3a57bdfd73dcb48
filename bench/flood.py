# SPDX-License-Identifier: MIT
"""Many submits over few connections: a client that does as little as possible, so that the daemon is what is measured."""
import json
import re
import selectors
import socket
import time

CONNECTIONS = 64


class Client:
    """Connections that stay open."""

    def __init__(self, path):
        self.path = str(path)
        self.sockets = []

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for connection in self.sockets:
            connection.close()

    def _connections(self, n):
        while len(self.sockets) < n:
            connection = socket.socket(socket.AF_UNIX)
            connection.connect(self.path)
            self.sockets.append(connection)
        return self.sockets[:n]

    def post(self, body):
        """One submit: seconds until its answer is there."""
        connection, request = self._connections(1)[0], encode(body)
        begin = time.perf_counter()
        connection.sendall(request)
        read_answer(connection)
        return time.perf_counter() - begin

    def post_many(self, body, n):
        """n submits, up to 64 under way at a time."""
        request, sent = encode(body), 0
        with selectors.DefaultSelector() as selector:
            for connection in self._connections(min(n, CONNECTIONS)):
                selector.register(connection, selectors.EVENT_READ)
                connection.sendall(request)
                sent += 1
            answered = 0
            while answered < n:
                for key, _ in selector.select():
                    read_answer(key.fileobj)
                    answered += 1
                    if sent < n:
                        key.fileobj.sendall(request)
                        sent += 1


def encode(body):
    text = json.dumps(body).encode()
    return (b"POST /v1/jobs HTTP/1.1\r\nHost: tgpu\r\nContent-Type: application/json\r\n"
            b"Content-Length: %d\r\n\r\n%s" % (len(text), text))


def read_answer(connection):
    data = b""
    while b"\r\n\r\n" not in data:
        data += receive(connection)
    head, rest = data.split(b"\r\n\r\n", 1)
    if not head.startswith(b"HTTP/1.1 201"):
        raise RuntimeError(data.decode(errors="replace"))
    length = int(re.search(rb"content-length: *(\d+)", head, re.I)[1])
    while len(rest) < length:
        rest += receive(connection)


def receive(connection):
    if not (data := connection.recv(65536)):
        raise RuntimeError("the daemon closed the connection")
    return data
