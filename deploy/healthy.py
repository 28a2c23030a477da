"""The image's health check: whether the process of this container answers. Exit code 0 when it does."""

import os
import sys
from urllib.error import URLError
from urllib.request import ProxyHandler, build_opener

EVERY = ("", "0.0.0.0", "::")
host = os.environ.get("CONTINUUM_HOST", "")
url = f"http://{'127.0.0.1' if host in EVERY else host}:{os.environ['CONTINUUM_PORT']}/livez"
try:
    build_opener(ProxyHandler({})).open(url, timeout=4).close()
except (URLError, OSError) as problem:
    sys.exit(f"{url}: {problem}")
