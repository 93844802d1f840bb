"""The plan file: checked, and described for editors."""

from pathlib import Path
from typing import Annotated

import typer

from app.commands.answering import Json, answer, fail, told
from app.plan import check as plan_check
from app.plan.reading import BadPlan, read, written_schema
from app.wording import negotiate, render


def check(
    file: Annotated[Path, typer.Argument()] = Path("playbooks.yaml"),
    as_json: Json = False,
    lang: Annotated[str, typer.Option(help="zh-Hans, zh-Hant or en.")] = "en",
) -> None:
    """Check a plan file: every mistake at once; exit 1 when it would be refused."""
    language = negotiate(lang, "en")
    try:
        document = read(file.read_bytes(), file=file.name)
    except BadPlan as error:
        if as_json:
            answer([told(m, language) for m in error.mistakes], as_json, "")
        else:
            print("\n".join(error.told(language)))
        raise typer.Exit(1) from error
    except OSError as error:
        fail(f"{file}: {error.strerror}")
    findings = plan_check.check(document)
    for finding in findings if not as_json else ():
        print(
            f"{finding.severity}: {finding.path}: {render(finding.message, language)} {render(finding.mend, language)}"
        )
    if as_json:
        answer([told(f, language) for f in findings], as_json, "")
    elif not findings:
        print(f"{file}: {len(document.types)} types, {len(document.playbooks)} playbooks, no findings.")
    if plan_check.refuses(findings):
        raise typer.Exit(1)


def schema(file: Annotated[Path, typer.Argument()] = Path("docs/reference/plan.schema.json")) -> None:
    """Write the JSON Schema of plan files, for editors."""
    file.write_text(written_schema(), encoding="utf-8")
