"""Addresses: what is taken, and what is shown of them."""

import pytest

from app.people.contact_points import masked, shape_problem


@pytest.mark.parametrize(
    ("channel", "address"),
    [
        ("mail", "ada@example.org"),
        ("mail", "a.b+c@例子.example".replace("例子", "xn--fsqu00a")),
        ("webhook", "https://example.org/hook?token=1"),
        ("webhook", "http://10.0.0.1:8080/"),
        ("log", "desk"),
        ("log", ""),
    ],
)
def test_a_usable_address_is_taken(channel: str, address: str) -> None:
    assert shape_problem(channel, address) is None


@pytest.mark.parametrize(
    ("channel", "address"),
    [
        ("pigeon", "loft"),
        ("mail", "ada"),
        ("mail", "ada@ex..org"),
        ("mail", "ada@example.org\r\nBcc: cy@example.org"),
        ("mail", ""),
        ("webhook", "ftp://example.org"),
        ("webhook", "https://"),
        ("webhook", "https://example.org:99999/"),
        ("webhook", "https://[::1"),
        ("log", "a\0b"),
    ],
)
def test_an_unusable_address_is_refused_without_repeating_it(channel: str, address: str) -> None:
    problem = shape_problem(channel, address)
    assert problem is not None
    assert not address or address not in str(problem)


def test_a_mask_is_enough_to_recognise_and_too_little_to_use() -> None:
    assert masked("mail", "ada@example.org") == "a…@example.org"
    assert masked("webhook", "https://me:secret@example.org:8443/hook/token") == "https://example.org:8443/…"
    assert masked("log", "desk") == "log"
