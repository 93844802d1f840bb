"""The page that tries a sample: what it becomes, whose it looks like, and the mapping typed, tried and kept."""

import json
from typing import Any

from tests.conformance.sources import ALIYUN_FORM, GRAFANA, MAIL_RAW
from tests.world import World

SAMPLE = json.dumps(
    {"host": "ivr-01", "event": {"id": "e-7", "name": "queue long", "value": "1", "grade": "5"}}
)
MAPPING = {
    "title": "{{ body.host }}: {{ body.event.name }}", "dedup_key": "/event/id", "state": "/event/value",
    "states": {"1": "problem", "0": "recovered"}, "level": "/event/grade", "levels": {"5": 1},
}  # fmt: skip


async def post(world: World, slug: str, **fields: str) -> Any:
    headers = {**world.as_("management"), "Accept": "text/html"}
    return await world.client.post(f"/sources/{slug}/try", data={"form": "try", **fields}, headers=headers)


async def test_a_mapping_is_typed_tried_and_kept_and_a_stranger_is_named(world: World) -> None:
    await world.post("/sources", {"slug": "shop", "kind": "generic"})
    await world.post("/sources", {"slug": "prom", "kind": "alertmanager"})

    page = await post(world, "prom", sample=json.dumps(GRAFANA), do="try")
    assert (
        "This looks like Grafana (version 1) (kind grafana), but the source is declared as alertmanager."
        in page.text
    )
    told = await world.post("/sources/prom/try", GRAFANA)
    assert (told["understood"], told["declared"]) == (False, "alertmanager")
    assert told["hint"].startswith("This looks like Grafana")

    page = await post(world, "shop", sample=SAMPLE, mapping=json.dumps(MAPPING), do="try")
    assert page.status_code == 200
    assert "ivr-01: queue long" in page.text
    assert "e-7" in page.text
    assert (await world.get("/sources"))["items"][1]["mapping"] is None, "tried is not kept"

    assert (await post(world, "shop", mapping=json.dumps(MAPPING), do="keep")).status_code == 303
    (signal,) = (await world.post("/sources/shop/try", json.loads(SAMPLE)))["signals"]
    assert (signal["title"], signal["dedup_key"], signal["level_hint"]) == ("ivr-01: queue long", "e-7", 1)
    assert await world.get("/receipts") == {"items": [], "next": None}

    for wrong in ("[1]", "{", '{"title": "nowhere"}', '{"zone": "Mars/Base"}'):
        refused = await post(world, "shop", mapping=wrong, sample=SAMPLE, do="keep")
        assert refused.status_code in {400, 422}, wrong
        assert "queue long" in refused.text, "what was typed is still there"


async def test_a_mail_and_a_form_are_tried_as_they_are_and_an_emptied_mapping_is_none(world: World) -> None:
    for kind in ("mail", "aliyun", "generic"):
        await world.post("/sources", {"slug": kind, "kind": kind})
    page = await post(world, "mail", sample=MAIL_RAW.decode(), do="try")
    assert "ivr-01: no answer on 5060" in page.text
    page = await post(world, "aliyun", sample=ALIYUN_FORM.decode(), do="try")
    assert "CPUUtilization" in page.text

    await post(world, "generic", mapping=json.dumps({"title": "/host"}), do="keep")
    sample = json.dumps({"host": "by the mapping", "title": "by its own name"})
    page = await post(world, "generic", sample=sample, mapping="", do="try")
    assert '<th scope="row">by its own name' in page.text
    page = await post(world, "generic", sample=sample, mapping="no JSON", do="try")
    assert "JSON object" in page.text
