# SPDX-License-Identifier: GPL-3.0-or-later
"""How `lab/lab` commands reach the supervisor: one JSON line each way over a Unix socket."""

import json
import socket
import traceback

from errors import LabError


def _read_line(connection):
    with connection.makefile("r", encoding="utf-8") as file:
        return file.readline()


def ask(path, command, /, **arguments):
    """The command's result, or its LabError."""
    with socket.socket(socket.AF_UNIX) as connection:
        try:
            connection.connect(str(path))
            connection.sendall(json.dumps([command, arguments]).encode() + b"\n")
            line = _read_line(connection)
        except OSError as error:
            raise LabError("the lab is not up: lab/lab up starts it") from error
    if not line:
        raise LabError("the lab ended before it answered")
    answer = json.loads(line)
    if "error" in answer:
        raise LabError(answer["error"])
    return answer["result"]


class Door:
    """The supervisor's end."""

    def __init__(self, path):
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.bind(str(path))
        self.socket.listen()

    def serve(self, handle):
        """Takes one caller: answers with handle(command, arguments)."""
        connection, _ = self.socket.accept()
        with connection:
            connection.settimeout(5)  # a caller that says nothing must not stop the lab
            try:
                command, arguments = json.loads(_read_line(connection))
                answer = {"result": handle(command, arguments)}
            except LabError as error:
                answer = {"error": str(error)}
            except Exception as error:  # a command that goes wrong does not end the lab
                traceback.print_exc()
                answer = {"error": f"{error!r}; see lab/lab logs lab"}
            try:
                connection.sendall(json.dumps(answer).encode() + b"\n")
            except OSError:
                pass  # the caller has gone

    def close(self):
        self.socket.close()
