"""Pages for people."""

from pathlib import Path
from typing import Final

from fastapi import APIRouter
from starlette.staticfiles import StaticFiles

from app.access.edge import Edge

router = APIRouter(route_class=Edge, include_in_schema=False)
_STATIC: Final = Path(__file__).parent / "static"


def static_files() -> StaticFiles:
    return StaticFiles(directory=_STATIC)
