"""Every name stands for something in the plan: positions, departments, playbooks, posts, pools."""

from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import Final

from app.levels.indicator import Indicator
from app.notify.document import DEPARTMENT_HEAD
from app.plan.document import PlanDocument
from app.plan.finding import Finding, error, unknown
from app.playbooks.document import (
    ApprovalStep,
    AssetParams,
    AssetUse,
    CommandPostStep,
    EscalateStep,
    HttpStep,
    NoticeStep,
    NotifyStep,
    ReserveStep,
    Step,
    TaskStep,
)
from app.resources.document import Demand, MaterialsPool, PeoplePool, Pool, TechnologyPool

Named = tuple[str, str, str]  # path, name, clause
WATCHED: Final = "monitoring.indicators"


def steps_of(plan: PlanDocument) -> Iterator[tuple[str, str, Step]]:
    """Each step with its path and the playbook it stands in."""
    for playbook, content in plan.playbooks.items():
        for index, step in enumerate(content.steps):
            yield f"playbooks.{playbook}.steps.{index}", playbook, step


def demands_of(plan: PlanDocument) -> Iterator[tuple[str, Demand]]:
    """Everything that steps ask the pools for, substitutes included."""
    for path, _, step in steps_of(plan):
        if isinstance(step, ReserveStep):
            for index, ask in enumerate(step.params.ask):
                at = f"{path}.with.ask.{index}"
                yield at, ask
                yield from ((f"{at}.substitutes.{n}", each) for n, each in enumerate(ask.substitutes))


def assets_of(plan: PlanDocument) -> Iterator[tuple[str, AssetParams]]:
    """Every asset a call fails over from or verifies."""
    for path, _, step in steps_of(plan):
        if isinstance(step, HttpStep) and step.params.asset is not None:
            yield f"{path}.with.asset", step.params.asset


def indicators_of(plan: PlanDocument) -> Mapping[str, Indicator]:
    """What is watched and warns, by name; each stands under `WATCHED`."""
    return plan.monitoring.indicators if plan.monitoring is not None else {}


def tiers_of(plan: PlanDocument, pool: str) -> list[str]:
    """The pool and its next tiers, as far as they exist; a cycle is walked once."""
    found: list[str] = []
    name: str | None = pool
    while name is not None and name in plan.pools and name not in found:
        found.append(name)
        name = plan.pools[name].next
    return found


def contents(pool: Pool) -> Collection[str]:
    """What can be asked for by name in a pool."""
    match pool:
        case MaterialsPool():
            return pool.items.keys()
        case TechnologyPool():
            return pool.assets.keys()
        case PeoplePool():
            return ()


def positions_exist(plan: PlanDocument) -> Iterator[Finding]:
    return _missing("unknown_position", _positions_named(plan), plan.organisation.positions)


def positions_are_free_to_name(plan: PlanDocument) -> Iterator[Finding]:
    """The word for the head of whichever department it is stands for no position of its own."""
    if DEPARTMENT_HEAD in plan.organisation.positions:
        path = f"organisation.positions.{DEPARTMENT_HEAD}"
        yield error("position_reserved", "EP-4.2.1", path, name=DEPARTMENT_HEAD)


def departments_exist(plan: PlanDocument) -> Iterator[Finding]:
    return _missing("unknown_department", _departments_named(plan), plan.organisation.departments)


def playbooks_exist(plan: PlanDocument) -> Iterator[Finding]:
    named = ((f"types.{name}.playbook", kind.playbook, "EP-1.3") for name, kind in plan.types.items())
    linked = (
        (f"risks.{name}.playbook", risk.playbook, "EP-3.1")
        for name, risk in plan.risks.items()
        if risk.playbook is not None
    )
    return _missing("unknown_playbook", [*named, *linked], plan.playbooks)


def types_exist(plan: PlanDocument) -> Iterator[Finding]:
    named = [
        (f"risks.{name}.type", risk.type, "EP-3.1")
        for name, risk in plan.risks.items()
        if risk.type is not None
    ]
    routed = [
        (f"monitoring.routing.{index}.type", rule.type, "EP-4.2.1")
        for index, rule in enumerate(plan.monitoring.routing if plan.monitoring else ())
        if rule.type is not None
    ]
    watched = [
        (f"{WATCHED}.{name}.type", indicator.type, "EP-2.5")
        for name, indicator in indicators_of(plan).items()
    ]
    told = plan.customers.announcements if plan.customers is not None else {}
    begun = [(f"customers.announcements.{name}", name, "OM-2") for name in told]
    return _missing("unknown_type", [*named, *routed, *watched, *begun], plan.types)


def command_posts_exist(plan: PlanDocument) -> Iterator[Finding]:
    return _missing("unknown_command_post", _command_posts_named(plan), plan.command_posts)


def pools_exist(plan: PlanDocument) -> Iterator[Finding]:
    nexts = ((f"pools.{name}.next", pool.next, "EP-6.1") for name, pool in plan.pools.items() if pool.next)
    asked = ((f"{path}.pool", demand.pool, "EP-6") for path, demand in demands_of(plan))
    switched = ((f"{path}.pool", asset.pool, "EP-6.3") for path, asset in assets_of(plan))
    return _missing("unknown_pool", [*nexts, *asked, *switched], plan.pools)


def items_exist(plan: PlanDocument) -> Iterator[Finding]:
    """A demand's item is in its pool, and materials are asked for by name."""
    for path, demand in demands_of(plan):
        if demand.pool not in plan.pools:
            continue
        pool = plan.pools[demand.pool]
        if demand.item is not None and demand.item not in contents(pool):
            yield unknown("unknown_item", "EP-6", f"{path}.item", demand.item, contents(pool))
        if demand.item is None and isinstance(pool, MaterialsPool):
            yield error("item_not_named", "EP-6.2", path, pool=demand.pool)


def assets_exist(plan: PlanDocument) -> Iterator[Finding]:
    """What a step verifies is in its pool, and what it fails over from has a standby in the pool or its next tiers."""
    for path, asset in assets_of(plan):
        if asset.pool not in plan.pools:
            continue
        if asset.does is AssetUse.VERIFY_BACKUP:
            if asset.name not in (known := contents(plan.pools[asset.pool])):
                yield unknown("unknown_item", "EP-6.3", f"{path}.name", asset.name, known)
        elif asset.name not in (known := _stood_in_for(plan, asset.pool)):
            yield unknown("no_standby", "EP-6.3", f"{path}.name", asset.name, known)


def _stood_in_for(plan: PlanDocument, pool: str) -> Collection[str]:
    tiers = (plan.pools[name] for name in tiers_of(plan, pool))
    assets = (asset for tier in tiers if isinstance(tier, TechnologyPool) for asset in tier.assets.values())
    return {asset.standby_of for asset in assets if asset.standby_of is not None}


def _missing(code: str, named: Iterable[Named], known: Collection[str]) -> Iterator[Finding]:
    for path, name, clause in named:
        if name not in known:
            yield unknown(code, clause, path, name, known)


def _departments_named(plan: PlanDocument) -> Iterator[Named]:
    for name, position in plan.organisation.positions.items():
        yield f"organisation.positions.{name}.department", position.department, "EP-2"
    for name, kind in plan.types.items():
        yield f"types.{name}.department", kind.department, "EP-1.3"
    for name, playbook in plan.playbooks.items():
        yield f"playbooks.{name}.owner", playbook.owner, "EP-2.2"
    for index, rule in enumerate(plan.monitoring.routing if plan.monitoring else ()):
        if rule.department is not None:
            yield f"monitoring.routing.{index}.department", rule.department, "EP-4.2.1"
    yield from _reported_departments(plan)


def _reported_departments(plan: PlanDocument) -> Iterator[Named]:
    for number, one in plan.reports.items():
        yield from _each(f"reports.{number}.departments", one.departments, "EP-5.2")


def _reported_positions(plan: PlanDocument) -> Iterator[Named]:
    for number, one in plan.reports.items():
        yield f"reports.{number}.owner", one.owner, "EP-5.1"
        for whom in ("superiors", "partners", "regulators", "approved_by"):
            yield from _each(f"reports.{number}.{whom}", getattr(one, whom), "EP-5.2")


def _command_posts_named(plan: PlanDocument) -> Iterator[Named]:
    for number, level in plan.levels.items():
        yield f"levels.{number}.command_post", level.command_post, "EP-2.5"
    for name, kind in plan.types.items():
        if kind.command_post is not None:
            yield f"types.{name}.command_post", kind.command_post, "EG-1"
    for path, _, step in steps_of(plan):
        if isinstance(step, CommandPostStep) and step.params.template is not None:
            yield f"{path}.with.template", step.params.template, "EP-7.1.1"


def _positions_named(plan: PlanDocument) -> Iterator[Named]:
    if (check_ins := plan.organisation.check_ins) is not None:
        yield from _each("organisation.check_ins.tell", check_ins.tell, "EO-1")
    yield "organisation.default_position", plan.organisation.default_position, "EP-2"
    if plan.monitoring is not None:
        yield "monitoring.owner", plan.monitoring.owner, "EP-1.4"
        for colour, spec in plan.monitoring.warnings.items():
            yield from _each(f"monitoring.warnings.{colour}.tell", spec.tell, "EP-2.5")
    for name, indicator in indicators_of(plan).items():
        if indicator.owner is not None:
            yield f"{WATCHED}.{name}.owner", indicator.owner, "EP-2.5"
    if (customers := plan.customers) is not None:
        yield from _each("customers.approve_by", customers.approve_by, "OM-2")
        yield "customers.sorted_by", customers.sorted_by, "EG-3"
        for name, feedback in customers.feedback.items():
            yield f"customers.feedback.{name}.position", feedback.position, "EG-3"
    for name, risk in plan.risks.items():
        yield f"risks.{name}.owner", risk.owner, "EP-3.1"
    for name, department in plan.organisation.departments.items():
        if department.head is not None:
            yield f"organisation.departments.{name}.head", department.head, "EP-2.2"
    for number, level in plan.levels.items():
        yield f"levels.{number}.update_owner", level.update_owner, "EP-5.3"
        yield from _each(f"levels.{number}.update_to", level.update_to, "EP-5.3")
    for number, chain in plan.chains.items():
        for index, hop in enumerate(chain.hops):
            named = _each(f"chains.{number}.hops.{index}.tell", hop.tell, "EP-5.2")
            yield from (one for one in named if one[1] != DEPARTMENT_HEAD)
    yield from _reported_positions(plan)
    for name, post in plan.command_posts.items():
        for role, filled in post.roles.items():
            yield from _each(f"command_posts.{name}.roles.{role}.filled_by", filled.filled_by, "EP-2.5")
    for name, pool in plan.pools.items():
        yield f"pools.{name}.owner", pool.owner, "EP-6"
        if isinstance(pool, PeoplePool):
            yield from _each(f"pools.{name}.positions", pool.positions, "EP-6.1")
    for path, _, step in steps_of(plan):
        yield from _positions_of(path, step)
    for name, duty in plan.training.duties.items() if plan.training is not None else ():
        yield f"training.duties.{name}.owner", duty.owner, "EP-8"


def _positions_of(path: str, step: Step) -> Iterator[Named]:
    match step:
        case NotifyStep() | EscalateStep():
            yield from _each(f"{path}.with.tell", step.params.tell, "EP-5.2")
        case TaskStep():
            yield f"{path}.with.position", step.params.position, "OR-1"
        case ReserveStep():
            yield f"{path}.with.when_short", step.params.when_short, "EP-6"
        case ApprovalStep():
            yield from _each(f"{path}.with.by", step.params.by, "EP-2.1")
        case NoticeStep():
            yield from _each(f"{path}.with.approve_by", step.params.approve_by, "EP-7.1.2")
        case _:
            return


def _each(path: str, names: Iterable[str], clause: str) -> Iterator[Named]:
    for index, name in enumerate(names):
        yield f"{path}.{index}", name, clause
