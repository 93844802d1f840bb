"""The pools: tiers that come to an end, and demands that could ever be met."""

from collections.abc import Iterator

from app.plan.document import PlanDocument
from app.plan.finding import Finding, error
from app.plan.rules.references import contents, demands_of, tiers_of
from app.resources.document import Demand, MaterialsPool, TechnologyPool


def tiers_have_no_cycle(plan: PlanDocument) -> Iterator[Finding]:
    """Told once for each cycle, at the first of its pools."""
    told: set[str] = set()
    for name in plan.pools:
        tiers = tiers_of(plan, name)
        back = plan.pools[tiers[-1]].next
        if back is not None and back in tiers and not told & set(tiers):
            told |= set(tiers)
            way = " → ".join([*tiers[tiers.index(back) :], back])
            yield error("pool_cycle", "EP-6.1", f"pools.{name}.next", way=way)


def tiers_are_of_one_kind(plan: PlanDocument) -> Iterator[Finding]:
    for name, pool in plan.pools.items():
        if pool.next in plan.pools and plan.pools[pool.next].kind != pool.kind:
            yield error("pool_kind", "EP-6.1", f"pools.{name}.next", name=name, next=pool.next)


def demands_can_be_met(plan: PlanDocument) -> Iterator[Finding]:
    """No step asks for more than its pool and the next tiers hold when full; people are not known here."""
    for path, demand in demands_of(plan):
        held = most_held(plan, demand)
        if held is not None and demand.quantity > held:
            yield error("demand_too_large", "EP-6", f"{path}.quantity", quantity=demand.quantity, held=held)


def most_held(plan: PlanDocument, demand: Demand) -> int | None:
    """All that the pool and its next tiers could ever give; None where the plan does not say."""
    if demand.pool not in plan.pools:
        return None
    first = plan.pools[demand.pool]
    if demand.item is not None and demand.item not in contents(first):
        return None
    held = 0
    for name in tiers_of(plan, demand.pool):
        match plan.pools[name]:
            case MaterialsPool(items=items) if demand.item is not None:
                held += items[demand.item].quantity if demand.item in items else 0
            case TechnologyPool(assets=assets):
                held += len(assets) if demand.item is None else int(demand.item in assets)
            case _:
                return None
    return held
