"""The image's health check tells a process that answers from one that doesn't."""

import subprocess
import sys
from pathlib import Path

from fastapi import FastAPI, Response

from tests.browser.serving import serving

SCRIPT = Path(__file__).parents[2] / "deploy" / "healthy.py"


def said(port: str) -> subprocess.CompletedProcess[str]:
    environment = {"CONTINUUM_PORT": port, "CONTINUUM_HOST": "0.0.0.0"}
    return subprocess.run([sys.executable, "-IS", str(SCRIPT)], env=environment, capture_output=True, text=True, check=False, timeout=60)


def test_health_is_what_livez_answers() -> None:
    status = 200
    app = FastAPI()

    @app.get("/livez")
    def livez() -> Response:
        return Response(status_code=status)

    with serving(app) as url:
        port = url.rpartition(":")[2]
        assert said(port).returncode == 0
        status = 503
        assert (said(port).returncode, "503" in said(port).stderr) == (1, True)
    assert (said(port).returncode, port in said(port).stderr) == (1, True)
