"""The image's health check: whether the process of this container answers. Exit code 0 when it does. Plain, because it runs often."""

import os
import socket
import sys

EVERY = ("", "0.0.0.0", "::")
host, port = os.environ.get("CONTINUUM_HOST", ""), int(os.environ["CONTINUUM_PORT"])
try:
    with socket.create_connection(("127.0.0.1" if host in EVERY else host, port), timeout=10) as connection:
        connection.sendall(b"GET /livez HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
        answer = connection.recv(1024).partition(b"\r\n")[0]
except OSError as problem:
    sys.exit(f"port {port}: {problem}")
sys.exit(0 if b" 200" in answer else f"port {port}: {answer.decode(errors='replace')}")
