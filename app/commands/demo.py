"""The demonstration, on a service of its own or on one that runs."""

import asyncio
import base64
from typing import Annotated

import typer

from app.commands.answering import fail
from app.demo.own_service import Stage
from app.demo.playing import play
from app.demo.waiting import DemoFailed
from app.settings import Settings
from app.wording import negotiate, render


def demo(
    lang: Annotated[
        str | None, typer.Option(help="zh-Hans, zh-Hant or en; the service's own if not given.")
    ] = None,
    url: Annotated[str | None, typer.Option(help="A service that runs already and knows nobody.")] = None,
    key: Annotated[str | None, typer.Option(help="With --url: a leadership key of it.")] = None,
    signing_secret: Annotated[
        str, typer.Option(help="With --url: what `muster signing-secret` prints.")
    ] = "",
    port: Annotated[int, typer.Option(help="Where the receiver listens; 0: any free port.")] = 0,
) -> None:
    """An incident from a webhook to a published review, on a service that really runs; minutes are played as seconds."""
    settings = Settings()
    language = negotiate(lang, settings.language)
    stage = None
    if url is not None:
        try:
            secret = base64.b64decode(signing_secret.removeprefix("whsec_"), validate=True)
        except ValueError as error:
            raise typer.BadParameter("whsec_ and base64", param_hint="--signing-secret") from error
        stage = Stage(url, key or "", secret, speed=1)
    try:
        asyncio.run(play(language, given=stage, port=port, plan=settings.plan))
    except DemoFailed as failed:
        fail(render(failed.wording, language))
    except KeyboardInterrupt:
        raise typer.Exit(130) from None
