"""How Grafana and Sentry sign, and what else might be shown in place of it."""

import hashlib
import hmac
from datetime import UTC, datetime, timedelta

import pytest

from app.errors import WrongShape
from app.intake.signatures import GRAFANA, SENTRY, SIGNED_WITHIN

NOW = datetime(2026, 11, 22, 2, 10, tzinfo=UTC)
BODY, SECRET = b'{"version":"1"}', b"a secret both know"
MARK, TIME = "x-grafana-alerting-signature", "x-grafana-alerting-timestamp"


def digest(content: bytes) -> str:
    return hmac.new(SECRET, content, hashlib.sha256).hexdigest()


def test_the_body_is_signed_in_hexadecimal_digits() -> None:
    for scheme in (GRAFANA, SENTRY):
        assert scheme.is_right(SECRET, {scheme.header: digest(BODY)}, BODY, NOW)
        assert scheme.is_right(SECRET, {scheme.header: digest(BODY).upper()}, BODY, NOW)
        for wrong in (digest(BODY + b" "), "", "é" * 64, digest(BODY)[:-1]):
            assert not scheme.is_right(SECRET, {scheme.header: wrong}, BODY, NOW)


def test_with_a_time_the_time_is_signed_too_and_has_to_be_about_now() -> None:
    for late, right in ((timedelta(), True), (SIGNED_WITHIN, True), (SIGNED_WITHIN * 2, False)):
        sent = str(int((NOW - late).timestamp()))
        headers = {MARK: digest(f"{sent}:".encode() + BODY), TIME: sent}
        assert GRAFANA.is_right(SECRET, headers, BODY, NOW) is right
    assert not GRAFANA.is_right(SECRET, {MARK: digest(BODY), TIME: str(int(NOW.timestamp()))}, BODY, NOW)
    assert not GRAFANA.is_right(SECRET, {MARK: digest(b"x:" + BODY), TIME: "x"}, BODY, NOW)


def test_a_secret_too_short_to_be_one_is_refused() -> None:
    assert GRAFANA.secret_bytes("eight888") == b"eight888"
    with pytest.raises(WrongShape):
        SENTRY.secret_bytes("short")
