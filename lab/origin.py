# SPDX-License-Identifier: GPL-3.0-or-later
"""
The origin's web server, a program of its own: `python3 origin.py` answers on port 80, both IPs.

  /ip           the address that the request came from
  /SIZE         that many bytes, such as /100m, /64k or /1000: always the same ones
  /sha256/SIZE  their checksum
"""

import hashlib
import re
import socket
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

BLOCK = 1 << 16
SIZE_MAX = 1 << 34
_UNITS = {"": 1, "k": 1 << 10, "m": 1 << 20, "g": 1 << 30}
_NOISE = hashlib.shake_128(b"origin").digest(2 * BLOCK)


def parse_size(text):
    """Bytes, or None."""
    match = re.fullmatch(r"(\d{1,11})([kmg]?)", text)
    size = int(match[1]) * _UNITS[match[2]] if match else None
    return size if size is not None and size <= SIZE_MAX else None


def blocks(size):
    """No two blocks are alike: each starts with its number, at another place of the noise."""
    for number in range((size + BLOCK - 1) // BLOCK):
        start = number * 8191 % BLOCK
        block = number.to_bytes(8, "big") + _NOISE[start:start + BLOCK - 8]
        yield block[:min(BLOCK, size - number * BLOCK)]


def checksum(size):
    digest = hashlib.sha256()
    for block in blocks(size):
        digest.update(block)
    return digest.hexdigest()


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server_version = "origin"

    def _answer_text(self, status, text):
        body = f"{text}\n".encode()
        self.send_response(status)
        self.send_header("Content-Type", "text/plain")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def _answer_bytes(self, size):
        self.send_response(200)
        self.send_header("Content-Type", "application/octet-stream")
        self.send_header("Content-Length", str(size))
        self.end_headers()
        for block in blocks(size):
            self.wfile.write(block)

    def do_GET(self):
        if self.path == "/ip":
            self._answer_text(200, self.client_address[0].removeprefix("::ffff:"))
            return
        size = parse_size(self.path.removeprefix("/sha256").removeprefix("/"))
        if size is None:
            self._answer_text(404, "/ip, /SIZE or /sha256/SIZE, with a SIZE such as 100m")
        elif self.path.startswith("/sha256/"):
            self._answer_text(200, checksum(size))
        else:
            self._answer_bytes(size)


class Server(ThreadingHTTPServer):
    address_family = socket.AF_INET6
    request_queue_size = 128
    daemon_threads = True

    def server_bind(self):
        self.socket.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        super().server_bind()

    def handle_error(self, request, client_address):
        """A reader that goes away in the middle of a download is nothing to report."""


if __name__ == "__main__":
    Server(("::", 80), Handler).serve_forever()
