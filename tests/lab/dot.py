# SPDX-License-Identifier: GPL-3.0-or-later
"""
A name server over TLS; runs on the origin.  dot.py FOLDER: with dns.pem and dns.key of FOLDER it
passes questions on to the server at port 53, and adds a byte to the file `asked` for each.  It answers
TXT questions itself, with more than fits a datagram.  Until its input ends.
"""

import socket
import ssl
import struct
import sys
import threading
from pathlib import Path

_TXT = 16


def _long_answer(question):
    """1,400 bytes of text."""
    text = b"".join(bytes([200]) + bytes([65 + part]) * 200 for part in range(7))
    end = question.index(b"\0", 12) + 5
    record = b"\xc0\x0c" + struct.pack("!2HIH", _TXT, 1, 60, len(text)) + text
    return question[:2] + b"\x81\x80\0\1\0\1\0\0\0\0" + question[12:end] + record


def _answer(question):
    if question[question.index(b"\0", 12) + 1:][:2] == struct.pack("!H", _TXT):
        return _long_answer(question)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.settimeout(5)
        sock.sendto(question, ("127.0.0.1", 53))
        return sock.recv(65535)


def _exactly(stream, length):
    data = b""
    while len(data) < length:
        more = stream.recv(length - len(data))
        if not more:
            raise EOFError
        data += more
    return data


def _serve(stream, context, asked):
    try:
        with context.wrap_socket(stream, server_side=True) as secure:
            while True:
                (length,) = struct.unpack("!H", _exactly(secure, 2))
                answer = _answer(_exactly(secure, length))
                with asked.open("ab") as file:
                    file.write(b".")
                secure.sendall(struct.pack("!H", len(answer)) + answer)
    except (OSError, EOFError):
        pass


def main(folder):
    folder = Path(folder)
    asked = folder / "asked"
    asked.touch()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "dns.pem", folder / "dns.key")
    server = socket.create_server(("", 853))

    def accept():
        while True:
            stream, _ = server.accept()
            threading.Thread(target=_serve, args=(stream, context, asked), daemon=True).start()
    threading.Thread(target=accept, daemon=True).start()
    print("ready", flush=True)
    sys.stdin.read()


main(sys.argv[1])
