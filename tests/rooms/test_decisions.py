"""Questions: who is asked, who may answer, that the first answer decides, and what happens when nobody does."""

import asyncio
from typing import Any

from tests.rooms.trial import Begin, Trial, begin, step, text

__all__ = ["begin"]

MAY_WE = step(
    "may_we", "approval", on_failure="continue",
    with_={"by": ["general_manager", "deputy_general_manager"], "due": "10m", "text": text("Publish it?")},
)  # fmt: skip


async def choose(trial: Trial, choice: str, **more: Any) -> Any:
    (question,) = await trial.items("decisions")
    return await trial.world.post(f"/decisions/{question['id']}/choices", {"choice": choice}, **more)


async def test_who_is_asked_hears_the_question_and_until_when(begin: Begin) -> None:
    async with begin([MAY_WE]) as trial:
        told = trial.world.messages()
        assert sorted(one.who for one in told) == ["Ada", "Deng"]
        assert "Publish it?" in told[0].text
        assert "03:10" in told[0].text, "by the clocks of the centre"


async def test_only_those_asked_or_above_them_may_answer(begin: Begin) -> None:
    async with begin([MAY_WE]) as trial:
        refused = await choose(trial, "approve", role="execution", expect=403)
        assert refused["positions"] == ["general_manager", "deputy_general_manager"]
        await choose(trial, "approve", role="management", expect=403)
        answered = await choose(trial, "approve", role="leadership")
        assert (answered["state"], answered["choice"], answered["decided_by"]) == (
            "decided",
            "approve",
            "leadership",
        )


async def test_only_what_was_offered_can_be_chosen(begin: Begin) -> None:
    async with begin([MAY_WE]) as trial:
        assert (await choose(trial, "perhaps", expect=409))["allowed"] == ["approve", "reject"]


async def test_the_first_answer_decides_and_the_second_is_told_so(begin: Begin) -> None:
    async with begin([MAY_WE]) as trial:
        (question,) = await trial.items("decisions")
        path = f"/api/v1/decisions/{question['id']}/choices"
        headers = trial.world.as_("leadership")
        answers = await asyncio.gather(
            *(
                trial.world.client.post(path, json={"choice": c}, headers=headers)
                for c in ("approve", "reject") * 2
            )
        )
        assert sorted(answer.status_code for answer in answers) == [201, 409, 409, 409]
        winner = next(answer.json() for answer in answers if answer.status_code == 201)
        for loser in (answer.json() for answer in answers if answer.status_code == 409):
            assert loser["type"].endswith("/already-decided")
            assert (loser["choice"], loser["decided_by"]) == (winner["choice"], "leadership")
        await trial.world.settle()
        assert (await trial.step("may_we"))["result"]["decision"] == winner["choice"]
        assert (await trial.kinds()).count("decision.made") == 1


async def test_a_question_nobody_answers_is_put_again_and_told_to_the_end_of_the_chain(begin: Begin) -> None:
    async with begin([MAY_WE]) as trial:
        trial.world.told()
        await trial.world.advance(minutes=9, seconds=59)
        assert trial.world.told() == []
        await trial.world.advance(seconds=1)
        assert sorted(trial.world.told()) == ["Ada", "Deng"], (
            "Deng also as the end of the level 3 chain, and once"
        )
        await choose(trial, "approve")
        await trial.world.settle()
        assert (await trial.states())["may_we"] == "done"


async def test_a_question_that_was_answered_is_not_chased(begin: Begin) -> None:
    async with begin([MAY_WE]) as trial:
        await choose(trial, "approve")
        await trial.world.settle()
        trial.world.told()
        await trial.world.advance(minutes=20)
        assert trial.world.told() == []


async def test_a_question_withdrawn_with_its_incident_cannot_be_answered(begin: Begin) -> None:
    async with begin([MAY_WE]) as trial:
        await trial.apply("cancel", reason="false alarm")
        assert (await choose(trial, "approve", expect=409))["type"].endswith("/already-decided")
