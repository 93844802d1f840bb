"""`/problems/<slug>`: what the `type` of a refusal leads to."""

from fastapi import APIRouter
from fastapi.responses import PlainTextResponse

from app.access.edge import Edge, Language, problems
from app.errors import NotFound, every_problem
from app.wording import render, say

router = APIRouter(route_class=Edge, tags=["service"])


@router.get("/problems/{slug}", response_class=PlainTextResponse, responses=problems(NotFound))
async def read_problem(slug: str, language: Language) -> str:
    """What a kind of refusal means."""
    for kind in every_problem():
        if kind.slug == slug:
            title = render(say(f"problem.{slug}.title"), language)
            return f"{kind.status} {title}\n\n{render(say(f'problem.{slug}.about'), language)}\n"
    raise NotFound(say("service.no_such_problem", slug=slug))
