"""The page's files, from `projections/page`. They hold nothing of the store, so that anybody who reaches the server may have them."""

from __future__ import annotations

import html
from hashlib import sha256
from pathlib import Path
from typing import Final

from starlette.responses import Response
from starlette.types import Scope

from .guards.around import headers_of, path_of
from .guards.safe_headers import PAGE_POLICY
from .problems import problem

FOLDER: Final = Path(__file__).parents[1] / "page"
_MEDIA_TYPES: Final = {
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".svg": "image/svg+xml",
    ".txt": "text/plain; charset=utf-8",
}


class Files:
    """All files, read once: nothing that a request says becomes a path."""

    def __init__(self, base_path: str) -> None:
        self._files: dict[str, tuple[bytes, str, str]] = {}
        for path in sorted(FOLDER.rglob("*")):
            media_type = _MEDIA_TYPES.get(path.suffix)
            if media_type is None or not path.is_file():
                continue
            data = path.read_bytes()
            if path.suffix == ".html":
                data = data.replace(b'<base href="/">', f'<base href="{html.escape(base_path, quote=True)}/">'.encode())
            tag = f'"{sha256(data).hexdigest()[:24]}"'
            self._files["/" + path.relative_to(FOLDER).as_posix()] = data, media_type, tag

    def answer(self, scope: Scope) -> Response:
        path = path_of(scope)
        if path == "/" or (path.startswith("/s/") and path.count("/") == 2):  # the page shows by itself what its address says
            path = "/index.html"
        found = self._files.get(path)
        if found is None:
            return problem(404, "NotFound", "there is nothing at this address; the page is at /, the API below /api/v1")
        data, media_type, tag = found
        headers = {"etag": tag, "cache-control": "no-cache", "content-security-policy": PAGE_POLICY}
        if headers_of(scope).get("if-none-match") == tag:
            return Response(status_code=304, headers=headers)
        return Response(data, 200, headers, media_type)
