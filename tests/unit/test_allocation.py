"""From where a request is served, tried without a database."""

from collections.abc import Mapping, Sequence
from itertools import product
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from app.resources.allocation import Found, Free, Served, Shelf, allocate, fits
from app.resources.document import Ask


def person(name: str, *skills: str, pool: str = "team") -> Free:
    return Free(f"{pool}/{name}", pool, name, 1, person_id=name, skills=frozenset(skills))


def things(pool: str, **quantities: int) -> list[Free]:
    return [Free(f"{pool}/{name}", pool, name, number) for name, number in quantities.items()]


def shelf(*units: Free, next: Mapping[str, str | None] | None = None) -> Shelf:  # noqa: A002 - the plan's word
    by_pool: dict[str, list[Free]] = {}
    for unit in units:
        by_pool.setdefault(unit.pool_id, []).append(unit)
    return Shelf(by_pool, next or {})


def ask(pool: str = "team", quantity: int = 1, **more: Any) -> Ask:
    return Ask.model_validate({"pool": pool, "quantity": quantity, **more})


def got(served: Sequence[Served]) -> list[dict[str, int]]:
    return [{taken.unit.unit_id: taken.quantity for taken in one.taken} for one in served]


def test_the_reserve_gives_what_the_primary_lacks() -> None:
    there = shelf(person("ada"), person("ben", pool="reserve"), next={"team": "reserve"})
    [served] = allocate([ask(quantity=2)], there)
    assert served.missing == 0
    assert got([served]) == [{"team/ada": 1, "reserve/ben": 1}]


def test_tiers_that_go_round_are_asked_once() -> None:
    there = shelf(person("ada"), next={"team": "reserve", "reserve": "team"})
    [served] = allocate([ask(quantity=2)], there)
    assert served.missing == 1
    assert served.found == (Found("team", 1), Found("reserve", 0))


def test_only_those_with_the_skill_are_taken() -> None:
    [served] = allocate([ask(skill="dba")], shelf(person("ada"), person("ben", "dba")))
    assert got([served]) == [{"team/ben": 1}]


def test_whom_another_ask_needs_is_left_for_it() -> None:
    there = shelf(person("ada", "dba"), person("ben"))
    assert got(allocate([ask(), ask(skill="dba")], there)) == [{"team/ben": 1}, {"team/ada": 1}]


def test_between_two_skills_the_one_who_has_both_is_kept() -> None:
    there = shelf(person("ada", "dba", "network"), person("ben", "network"))
    assert got(allocate([ask(skill="network"), ask(skill="dba")], there)) == [
        {"team/ben": 1},
        {"team/ada": 1},
    ]


def test_somebody_in_two_pools_is_taken_once() -> None:
    there = shelf(person("ada"), person("ada", pool="other"))
    assert [one.missing for one in allocate([ask(), ask("other")], there)] == [0, 1]


def test_a_substitute_replaces_all_that_is_missing() -> None:
    there = shelf(*things("store", phone=3), *things("shop", radio=5))
    [served] = allocate(
        [ask("store", 5, item="phone", substitutes=[{"pool": "shop", "item": "radio"}])], there
    )
    assert got([served]) == [{"store/phone": 3, "shop/radio": 2}]


def test_half_a_substitute_is_none_and_the_next_is_tried() -> None:
    there = shelf(*things("shop", radio=1), *things("street", messenger=2))
    substitutes = [{"pool": "shop"}, {"pool": "street"}]
    [served] = allocate([ask("store", 2, substitutes=substitutes)], there)
    assert got([served]) == [{"street/messenger": 2}]


def test_a_weaker_substitute_is_taken_in_the_plans_proportion() -> None:
    there = shelf(*things("store", phone=1), *things("shop", radio=9))
    [served] = allocate([ask("store", 2, substitutes=[{"pool": "shop", "quantity": 6}])], there)
    assert got([served]) == [{"store/phone": 1, "shop/radio": 3}]


def test_a_shortage_says_what_there_was_in_each_pool() -> None:
    there = shelf(*things("store", phone=1), *things("shop", radio=1), next={"store": "cellar"})
    [served] = allocate([ask("store", 5, substitutes=[{"pool": "shop"}])], there)
    assert served.missing == 4
    assert served.found == (Found("store", 1), Found("cellar", 0), Found("shop", 1))


def test_equal_requests_get_equal_answers() -> None:
    there = shelf(person("ada"), person("ben"), person("cy"))
    assert allocate([ask(quantity=2)], there) == allocate([ask(quantity=2)], there)


quantities = st.dictionaries(st.sampled_from(["phone", "radio", "card"]), st.integers(0, 9), max_size=3)
asks = st.lists(
    st.builds(
        ask, st.sampled_from(["a", "b", "c"]), st.integers(1, 9),
        item=st.none() | st.sampled_from(["phone", "radio"]),
        substitutes=st.lists(st.fixed_dictionaries({"pool": st.sampled_from(["a", "b", "c"])}), max_size=2),
    ),
    min_size=1, max_size=4,
)  # fmt: skip


@settings(deadline=None)
@given(quantities, quantities, asks)
def test_never_more_than_there_is_and_what_is_served_is_served_whole(
    here: dict[str, int], there: dict[str, int], asks: list[Ask]
) -> None:
    stock = shelf(*things("a", **here), *things("b", **there), next={"a": "b", "b": "c", "c": "a"})
    served = allocate(asks, stock)
    used: dict[str, int] = {}
    for one in served:
        assert one.missing == max(0, one.ask.quantity - sum(taken.quantity for taken in one.taken))
        for taken in one.taken:
            used[taken.unit.unit_id] = used.get(taken.unit.unit_id, 0) + taken.quantity
    for units in stock.units.values():
        assert all(used.get(unit.unit_id, 0) <= unit.quantity for unit in units)


def test_a_substitute_is_taken_where_another_can_do_with_nothing_else() -> None:
    there = shelf(*things("store", phone=1), *things("shop", radio=1))
    asks = [ask("store", item="phone", substitutes=[{"pool": "shop"}]), ask("store", item="phone")]
    assert got(allocate(asks, there)) == [{"shop/radio": 1}, {"store/phone": 1}]


def test_three_with_skills_in_a_ring_are_all_placed() -> None:
    there = shelf(person("ada", "a", "b"), person("ben", "b", "c"), person("cy", "a"))
    assert [one.missing for one in allocate([ask(skill="a"), ask(skill="b"), ask(skill="c")], there)] == [
        0,
        0,
        0,
    ]


people = st.lists(
    st.tuples(st.sampled_from(["ada", "ben", "cy", "dee"]), st.sampled_from(["a", "b"]), st.sets(st.sampled_from("xy"))),
    max_size=5, unique_by=lambda one: one[:2],
)  # fmt: skip
wishes = st.lists(
    st.builds(
        ask, st.sampled_from(["a", "b"]), st.integers(1, 2), skill=st.none() | st.sampled_from("xy"),
        substitutes=st.lists(
            st.builds(
                dict, pool=st.sampled_from(["a", "b", "c"]), quantity=st.just(1), skill=st.none() | st.sampled_from("xy")
            ),
            max_size=2,
        ),
    ),
    min_size=1, max_size=3,
)  # fmt: skip


@settings(deadline=None, max_examples=150)
@given(people, st.integers(0, 2), wishes)
def test_no_way_of_serving_leaves_less_missing(there: list[Any], radios: int, asks: list[Ask]) -> None:
    """By trying every way there is: who goes where, one by one, and which substitute each ask falls back on."""
    stock = shelf(
        *(person(name, *skills, pool=pool) for name, pool, skills in there), *things("c", radio=radios),
        next={"a": "b"},
    )  # fmt: skip
    served = allocate(asks, stock)
    given_away: dict[str, int] = {}
    for one in served:
        for taken in one.taken:
            once = taken.unit.person_id or taken.unit.unit_id
            given_away[once] = given_away.get(once, 0) + taken.quantity
            assert given_away[once] <= taken.unit.quantity
            assert any(
                fits(taken.unit, demand) and taken.unit.pool_id in stock.chain(demand.pool)
                for demand in (one.ask, *one.ask.substitutes)
            )
    assert sum(one.missing for one in served) == least_missing(asks, stock)


def least_missing(asks: Sequence[Ask], stock: Shelf) -> int:
    units = [unit for row in stock.units.values() for unit in row]

    def suits(unit: Free, demand: Any) -> bool:
        return fits(unit, demand) and unit.pool_id in stock.chain(demand.pool)

    def served(seats: Sequence[tuple[Any, ...]], used: Mapping[str, int]) -> int:
        """How many of the seats are filled at best; a seat that must be filled and is not makes it worth nothing."""
        if not seats:
            return 0
        (must, demands), *rest = seats
        best = -99 if must else served(rest, used)
        for unit in units:
            once = unit.person_id or unit.unit_id
            if used.get(once, 0) < unit.quantity and any(suits(unit, demand) for demand in demands):
                best = max(best, 1 + served(rest, {**used, once: used.get(once, 0) + 1}))
        return best

    wanted = sum(one.quantity for one in asks)
    ways = product(*([None, *one.substitutes] for one in asks))
    filled = []
    for way in ways:
        seats = [
            (other is not None, [one, other] if other else [one])
            for one, other in zip(asks, way, strict=True)
            for _ in range(one.quantity)
        ]
        filled.append(served(seats, {}))
    return wanted - max(filled)
