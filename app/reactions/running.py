"""The plan at work: command post, playbook, tasks and questions (EP-2.5, EP-4.2.3, EP-7)."""

from app import outbox
from app.incidents import command_post, decisions, tasks, timeline
from app.incidents.tables import DecisionState, Incident, State, TaskState
from app.levels.grading import is_graver
from app.people import holders
from app.plan.document import PlanDocument
from app.playbooks import changing, progress, runner
from app.playbooks.tables import RunState
from app.reactions.context import Happened, is_open
from app.resources import pools

_ACTIVE = (State.ACTIVATED, State.RESPONDING, State.RECOVERING)


async def form_command_post(happened: Happened) -> None:
    """A command post is formed at activation, from the type's template or the level's."""
    incident = await happened.incident()
    plan = await happened.plan(incident)
    name = _post_name(plan, incident)
    known = await command_post.of_incident(happened.session, incident.id)
    if incident.state in _ACTIVE and (known is None or known.template != name):
        await command_post.form(happened.session, incident, name, plan.command_posts[name], at=happened.at)


async def start_plan(happened: Happened) -> None:
    """The playbook of the incident begins."""
    incident = await happened.incident()
    plan = await happened.plan(incident)
    if incident.state in _ACTIVE:
        await runner.begin(
            happened.session, incident, incident.playbook, plan.playbooks[incident.playbook], posts=plan.command_posts,
            default_post=_post_name(plan, incident), fallback=plan.organisation.default_position, at=happened.at,
        )  # fmt: skip


async def revise_plan(happened: Happened) -> None:
    """The level changed: what the new one requires starts, what it no longer does is withdrawn.

    A run that was stopped stays so, unless the level became graver: that asks for the plan anew.
    """
    incident = await happened.incident()
    plan = await happened.plan(incident)
    latest = await progress.latest_for(happened.session, incident.id)
    graver = is_graver(happened.payload["level"], happened.payload["level_before"])
    if latest is not None and latest.state == RunState.STOPPED and graver:
        await start_plan(happened)
        return
    await changing.relevel(happened.session, incident, plan.playbooks[incident.playbook], at=happened.at)


async def take_up_revision(happened: Happened) -> None:
    """The incident was moved to another revision: its run goes on by that one."""
    incident = await happened.incident()
    plan = await happened.plan(incident)
    if incident.state in _ACTIVE:
        await changing.take_up(
            happened.session, incident, plan.playbooks[incident.playbook], posts=plan.command_posts,
            default_post=_post_name(plan, incident), at=happened.at,
        )  # fmt: skip


async def look_at_waits(happened: Happened) -> None:
    await runner.look_again(happened.session, await happened.incident(), at=happened.at)


async def hand_over_task(happened: Happened) -> None:
    """Whoever holds the position hears of the task; it falls due."""
    incident = await happened.incident()
    task = await tasks.found(happened.session, happened.payload["task_id"])
    if task.state != TaskState.OPEN:
        return
    await happened.tell(
        incident, "task", [task.position], task=task.title, what=task.text, due_at=task.due_at
    )
    payload = {"incident_id": incident.id, "task_id": task.id}
    await outbox.arm(
        happened.session, "task.due", payload, ref=incident.id, key=f"task:{task.id}:due", due_at=task.due_at
    )


async def go_on_after_task(happened: Happened) -> None:
    if (step := happened.payload["step"]) is not None:
        await runner.task_ended(
            happened.session, await happened.incident(), step, state=happened.payload["state"],
            note=happened.payload["note"], at=happened.at,
        )  # fmt: skip


async def chase_task(happened: Happened) -> None:
    """A task is late: its position and the commander hear so."""
    incident = await happened.incident()
    task = await tasks.found(happened.session, happened.payload["task_id"])
    if is_open(incident) and task.state in (TaskState.OPEN, TaskState.STARTED, TaskState.DECLINED):
        timeline.append(
            happened.session,
            incident,
            "task.overdue",
            actor="plan",
            at=happened.at,
            title=task.title,
            position=task.position,
            addressee=await holders.titles(happened.session, [task.position]),
        )
        positions = [task.position, *await happened.commander(incident)]
        await happened.tell(incident, "task_overdue", positions, task=task.title, due_at=task.due_at)


async def put_question(happened: Happened) -> None:
    """Whoever may decide hears of the question; it falls due."""
    incident = await happened.incident()
    asked = await decisions.found(happened.session, happened.payload["decision_id"])
    if asked.state != DecisionState.ASKED:
        return
    await happened.tell(incident, "decision", asked.positions, question=asked.question, due_at=asked.due_at)
    payload = {"incident_id": incident.id, "decision_id": asked.id}
    key = f"decision:{asked.id}:due"
    await outbox.arm(happened.session, "decision.due", payload, ref=incident.id, key=key, due_at=asked.due_at)


async def go_on_after_decision(happened: Happened) -> None:
    if (step := happened.payload["step"]) is not None:
        said = happened.payload
        await runner.decided(
            happened.session, await happened.incident(), step, of=said["of"], choice=said["choice"], by=said["by"],
            at=happened.at,
        )  # fmt: skip


async def chase_question(happened: Happened) -> None:
    """A question is late: it is put again, and the end of the chain is told."""
    incident = await happened.incident()
    asked = await decisions.found(happened.session, happened.payload["decision_id"])
    if is_open(incident) and asked.state == DecisionState.ASKED:
        last = (await happened.chain(incident)).hops[-1].tell
        await happened.tell(incident, "decision_overdue", [*asked.positions, *last], question=asked.question)


async def wake_step(happened: Happened) -> None:
    await runner.woken(
        happened.session, await happened.incident(), happened.payload["step_id"], at=happened.at
    )


async def try_step_again(happened: Happened) -> None:
    await runner.again(
        happened.session, await happened.incident(), happened.payload["step_id"], at=happened.at
    )


async def time_out_step(happened: Happened) -> None:
    await runner.timed_out(
        happened.session, await happened.incident(), happened.payload["step_id"], at=happened.at
    )


async def say_run_stopped(happened: Happened) -> None:
    incident = await happened.incident()
    await happened.tell(incident, "run_stopped", await happened.commander(incident))


async def refresh_members(happened: Happened) -> None:
    """Who holds positions changed: people pools follow."""
    await pools.sync_members(happened.session, happened.at)


def _post_name(plan: PlanDocument, incident: Incident) -> str:
    return plan.types[incident.type].command_post or plan.levels[incident.level].command_post
