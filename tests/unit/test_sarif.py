"""SARIF of the check (EP-10.3) against what SARIF 2.1.0 demands of the objects we write.

The schema below is ours, written from the standard (OASIS SARIF 2.1.0, section 3): for each object we use, the members it must have
and those it may have. What is in none of its lists is refused, as the standard refuses it outside property bags.
"""

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import pytest
from jsonschema import Draft202012Validator

from app.plan import reading
from app.plan.outlook import organisation_file, report
from app.plan.outlook.written import Source, Written, unread
from app.plan.reading import BadPlan
from app.wording import LANGUAGES

ROOT = Path(__file__).parents[2]
AT = datetime(2026, 3, 1, tzinfo=UTC)


def an_object(needs: str, may: str = "", **members: Any) -> dict[str, Any]:
    known = {key: {} for key in [*needs.split(), *may.split()]} | members
    return {"type": "object", "required": needs.split(), "properties": known, "additionalProperties": False}


def some(of: dict[str, Any], least: int = 0) -> dict[str, Any]:
    return {"type": "array", "items": of, "minItems": least}


TEXT = {"type": "string", "minLength": 1}
LEVEL = {"enum": ["none", "note", "warning", "error"]}
BAG = {"type": "object"}
MESSAGE = an_object("text", "markdown id arguments properties", text=TEXT)  # 3.11
MULTIFORMAT = an_object("text", "markdown properties", text=TEXT)  # 3.12
REGION = an_object("startLine", "startColumn endLine endColumn", startLine={"type": "integer", "minimum": 1})
ARTIFACT_LOCATION = an_object("uri", "uriBaseId index description", uri=TEXT)  # 3.4
PHYSICAL = an_object("artifactLocation", "region", artifactLocation=ARTIFACT_LOCATION, region=REGION)  # 3.29
LOGICAL = an_object("", "name fullyQualifiedName decoratedName kind", fullyQualifiedName=TEXT)  # 3.33
LOCATION = an_object(  # 3.28
    "", "id annotations relationships properties",
    physicalLocation=PHYSICAL, logicalLocations=some(LOGICAL), message=MESSAGE,
)  # fmt: skip
STEP = an_object("", "module stack state nestingLevel importance", location=LOCATION)  # 3.38
THREAD = an_object("locations", "id message", locations=some(STEP, least=1))  # 3.37
FLOW = an_object("threadFlows", "message", threadFlows=some(THREAD, least=1))  # 3.36
RESULT = an_object(  # 3.27
    "message", "kind guid rank",
    message=MESSAGE, ruleId=TEXT, ruleIndex={"type": "integer", "minimum": -1}, level=LEVEL,
    locations=some(LOCATION), codeFlows=some(FLOW), properties=BAG,
    partialFingerprints={"type": "object", "additionalProperties": {"type": "string"}},
)  # fmt: skip
RULE = an_object(  # 3.49
    "id", "name guid deprecatedIds helpUri properties",
    id=TEXT, shortDescription=MULTIFORMAT, fullDescription=MULTIFORMAT, help=MULTIFORMAT,
    defaultConfiguration=an_object("", "enabled rank parameters", level=LEVEL),
)  # fmt: skip
DRIVER = an_object("name", "version semanticVersion informationUri", name=TEXT, rules=some(RULE))  # 3.19
RUN = an_object(  # 3.14
    "tool", "artifacts invocations language",
    tool=an_object("driver", "extensions", driver=DRIVER), results=some(RESULT), properties=BAG,
    columnKind={"enum": ["utf16CodeUnits", "unicodeCodePoints"]},
)  # fmt: skip
LOG = an_object(
    "version runs", "inlineExternalProperties", version={"const": "2.1.0"}, runs=some(RUN)
)  # 3.13
LOG["properties"]["$schema"] = {"type": "string", "format": "uri"}
SARIF = Draft202012Validator(LOG)


def texts() -> Iterator[tuple[str, str]]:
    """A report with every form of finding in each language, of files whose names need care; and one of no plan at all."""
    text = (ROOT / "playbooks.yaml").read_bytes()
    plan = reading.read(text, file="plan.yaml")
    sample = ROOT / "docs" / "examples" / "organisation.yaml"
    staff = organisation_file.read(sample.read_bytes(), plan, file=sample.name)
    poor = staff.model_copy(
        update={"people": dict(list(staff.people.items())[:6]), "rosters": {}, "stock": []}
    )
    days = 14
    known = organisation_file.snapshot(poor, plan, begins=AT, ends=AT.replace(month=4))
    looked = report.look(plan, known, since=AT, days=days)
    assert any(one.witness is not None and one.witness.trail for one in looked.findings)
    for language in LANGUAGES:
        source = Source("计划 1/my plan.yaml", reading.lines(text))
        yield language, Written(looked, source, Source("/srv/staff #2.yaml"), language).sarif()
    with pytest.raises(BadPlan) as refusal:
        reading.read(b"plan: {", file="no plan.yaml")
    yield "no plan", unread(refusal.value, "en")


LOGS = dict(texts())


@pytest.mark.parametrize("name", LOGS)
def test_each_object_has_the_members_of_the_standard_and_no_others(name: str) -> None:
    wrong = [f"{one.json_path}: {one.message[:120]}" for one in SARIF.iter_errors(json.loads(LOGS[name]))]
    assert wrong == []


@pytest.mark.parametrize("name", LOGS)
def test_results_rules_and_places_belong_together(name: str) -> None:
    [run] = json.loads(LOGS[name])["runs"]
    rules = [rule["id"] for rule in run["tool"]["driver"]["rules"]]
    assert len(set(rules)) == len(rules)
    assert run["results"]
    for result in run["results"]:
        assert result["ruleId"] in rules
        if "ruleIndex" in result:
            assert rules[result["ruleIndex"]] == result["ruleId"]  # 3.27.6
        for location in result["locations"]:
            uri = location["physicalLocation"]["artifactLocation"]["uri"]
            assert uri.isascii()  # a URI reference (3.4.3, RFC 3986)
            assert not set(uri) & set(' "<>\\^`{|}#')
            assert urlsplit(uri).scheme in {"", "file"}
            assert unquote(urlsplit(uri).path).endswith("plan.yaml") or uri == "file:///srv/staff%20%232.yaml"


def test_the_schema_would_notice() -> None:
    log = json.loads(LOGS["en"])
    log["runs"][0]["results"][0]["severity"] = "error"
    log["runs"][0]["results"][0]["locations"][0]["physicalLocation"]["region"]["startLine"] = 0
    assert len(list(SARIF.iter_errors(log))) == 2
