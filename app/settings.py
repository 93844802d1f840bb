"""How this process runs: the only module that reads the environment.

`MUSTER_*` variables or a `.env` file; `MUSTER_<NAME>_FILE` names a file that holds the value (for secrets). What was agreed
(levels, chains, playbooks) is the plan's business and never stands here.
"""

import json
import os
import re
import secrets
from datetime import timedelta
from ipaddress import ip_network
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    Field,
    SecretStr,
    field_validator,
    model_validator,
)
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

_PRIVATE = "127.0.0.0/8,::1/128,10.0.0.0/8,172.16.0.0/12,192.168.0.0/16,fc00::/7"


def _networks(value: str) -> str:
    for part in filter(None, value.split(",")):
        ip_network(part.strip())
    return value


def _span(value: Any) -> Any:
    """`90`, `90s`, `5m`, `2h`, `1d`; anything else is left to the type, which knows ISO 8601."""
    match = re.fullmatch(r"(\d{1,7})([smhd]?)", value) if isinstance(value, str) else None
    return timedelta(seconds=int(match[1]) * _UNITS[match[2]]) if match else value


_UNITS = {"": 1, "s": 1, "m": 60, "h": 3600, "d": 86400}
Span = Annotated[timedelta, BeforeValidator(_span)]


class Connection(BaseModel):
    """Another system that `http` steps call by name; its address and secret stay out of the plan."""

    url: str
    token: SecretStr | None = None


class Answers(BaseModel):
    """With what a service proves the answers it posts to `/callbacks/…`."""

    secret: SecretStr = SecretStr("")
    token: SecretStr = SecretStr("")
    receiver: str = ""


class Chat(BaseModel):
    """A group of a service people talk in, under the name that contact points use."""

    channel: Literal["dingtalk", "wecom", "feishu", "slack", "teams", "ntfy", "apprise"]
    url: SecretStr
    secret: SecretStr | None = None
    answers: Answers | None = None


class Telephone(BaseModel):
    """An account with a provider of short messages or calls."""

    provider: Literal["aliyun", "tencent", "twilio", "other"]
    account: str = ""
    secret: SecretStr = SecretStr("")
    sender: str = ""
    template: str = ""
    app: str = ""
    region: str = ""
    url: str = ""
    headers: dict[str, str] = Field(default_factory=dict)
    body: Any = None
    variables: dict[str, str] | list[str] | None = None
    good: str = ""
    answers: Answers | None = None

    @field_validator("body", mode="before")
    @classmethod
    def _as_json(cls, given: Any) -> Any:
        """From the environment everything is text; one that is a JSON object or list means that."""
        if isinstance(given, str) and given.lstrip()[:1] in ("{", "["):
            try:
                return json.loads(given)
            except ValueError as error:
                raise ValueError("it begins as JSON and is none") from error
        return given


class Settings(BaseSettings):
    """Read once, in `main` or `cli`, and passed on."""

    model_config = SettingsConfigDict(
        env_prefix="MUSTER_",
        env_file=".env",
        env_nested_delimiter="__",
        extra="ignore",
        use_attribute_docstrings=True,
    )

    database_url: str = ""
    """`sqlite:///…` or `postgresql://…`; empty: an SQLite file under the data directory."""
    database_deadline: Annotated[timedelta, Field(gt=timedelta())] = timedelta(seconds=5)
    """What one call of the database may take: connecting, a statement, a commit. After that the answer is 503."""
    database_pooler: bool = False
    """A transaction pooler (pgbouncer) stands before PostgreSQL: nothing is kept in a session."""
    request_queue: Annotated[int, Field(ge=1)] = 256
    """Requests that wait for their turn at the database, writing and reading each; beyond it the answer is 503 at once."""
    data_dir: Path = Path("data")
    """Where the embedded database and the generated secret key live."""
    plan: Path = Path("playbooks.yaml")
    """The plan file loaded at start."""
    base_url: str = "http://127.0.0.1:8000"
    """How people reach this service; acknowledgement links begin with it."""
    language: Literal["zh-Hans", "zh-Hant", "en"] = "zh-Hans"
    """For readers who state no preference, and for messages to people without one."""
    secret_key: SecretStr = SecretStr("")
    """Seals contact addresses and signs links; empty: made once and kept in the data directory."""
    max_body: Annotated[int, Field(ge=1024)] = 1024 * 1024
    """Bytes of a request that are read; more is answered 413."""
    egress_allow: Annotated[str, NoDecode, AfterValidator(_networks)] = _PRIVATE
    """Private networks that outgoing calls may reach, comma-separated; empty: none."""
    connections: dict[str, Connection] = Field(default_factory=dict)
    """Systems that `http` steps call: `MUSTER_CONNECTIONS__NAME__URL`, `…__TOKEN`."""
    webhook_secrets: Annotated[list[SecretStr], NoDecode] = Field(default_factory=list)
    """Secrets that sign outgoing webhooks, comma-separated, newest first (Standard Webhooks)."""
    smtp_host: str = ""
    """Mail server; empty: mail is not sent, and deliveries by mail say so."""
    smtp_port: int = 25
    smtp_user: str = ""
    smtp_password: SecretStr = SecretStr("")
    smtp_security: Literal["none", "starttls", "tls"] = "none"
    mail_from: str = "muster@localhost"
    chats: dict[str, Chat] = Field(default_factory=dict)
    """Groups and services that contact points name: `MUSTER_CHATS__NAME__CHANNEL` (dingtalk, wecom, feishu, slack, teams, ntfy,
    apprise), `…__URL`, `…__SECRET` (what signs, or a token). For answers from the group `…__ANSWERS__SECRET` (Slack's signing
    secret, DingTalk's app secret, Feishu's encrypt key, WeCom's EncodingAESKey), `…__ANSWERS__TOKEN`, `…__ANSWERS__RECEIVER`."""
    sms: Telephone | None = None
    """Account for short messages: `MUSTER_SMS__PROVIDER` (aliyun, tencent, twilio, other), `…__ACCOUNT`, `…__SECRET`, `…__SENDER`,
    `…__TEMPLATE`, `…__APP`, `…__VARIABLES`; for other `…__URL`, `…__HEADERS`, `…__BODY` (JSON), `…__GOOD`. For answers
    `…__ANSWERS__SECRET`: Twilio's auth token, else the key in the address given to the provider."""
    voice: Telephone | None = None
    """Account for calls; as `MUSTER_SMS`."""
    mail_answers: Answers | None = None
    """Replies to our mails: `MUSTER_MAIL_ANSWERS__SECRET` (the key of `/callbacks/mail`), `…__RECEIVER` (where replies go)."""
    poll_every: Span = timedelta(seconds=1)
    """How often the engine looks for what is due when nothing wakes it."""
    lease: Span = timedelta(seconds=8)
    """How long a claimed delivery or step belongs to one engine that gives no sign of life; a living one extends it."""
    messages_per_person: Annotated[int, Field(ge=0)] = 10
    """Messages of levels 3 and 4 that one person gets within ten minutes, and three times as many of levels 1 and 2; what is
    beyond is told together in one message. 0: no cap."""
    tick_limit: Span = timedelta(seconds=30)
    """`/healthz` turns red when no tick has finished for this long."""
    request_deadline: Span = timedelta(seconds=10)
    """Total time of one outgoing call."""
    self_test_every: Span = timedelta(minutes=5)
    """How often a synthetic incident tries the whole path; 0: never."""
    self_test_limit: Span = timedelta(minutes=1)
    """A self-test that has not come through by then is late, and people are told."""
    heartbeat_url: SecretStr = SecretStr("")
    """Called each minute while the engine ticks and the self-test comes through: a dead man's switch elsewhere; empty: none."""
    last_resort_url: Annotated[list[SecretStr], NoDecode] = Field(default_factory=list)
    """Where to cry when nothing else can be relied upon, comma-separated: plain text by POST, such as to a topic of ntfy."""
    last_resort_after: Span = timedelta(seconds=60)
    """How long the engine may be without its database before the last resort is called."""
    log_level: str = "INFO"

    @model_validator(mode="before")
    @classmethod
    def _from_files(cls, values: dict[str, Any]) -> dict[str, Any]:
        for name in (
            "database_url",
            "secret_key",
            "smtp_password",
            "webhook_secrets",
            "heartbeat_url",
            "last_resort_url",
        ):
            if path := os.environ.get(f"MUSTER_{name.upper()}_FILE"):
                values.setdefault(name, Path(path).read_text().strip())
        for name in ("webhook_secrets", "last_resort_url"):
            if isinstance(values.get(name), str):
                values[name] = [v.strip() for v in values[name].split(",") if v.strip()]
        return values

    @property
    def database(self) -> str:
        """The database's address, the embedded default filled in."""
        return self.database_url or f"sqlite:///{self.data_dir / 'muster.db'}"

    @property
    def channels(self) -> frozenset[str]:
        """The channels that something is set up for and that reach people; webhooks always leave signed, so they always do."""
        found = {"webhook"} | {chat.channel for chat in self.chats.values()}
        one_each = (("mail", self.smtp_host), ("sms", self.sms), ("voice", self.voice))
        return frozenset(found | {name for name, is_set in one_each if is_set})

    def key(self) -> bytes:
        """The secret key; made on first use where none is set, readable by the owner only."""
        if given := self.secret_key.get_secret_value():
            return given.encode()
        path = self.data_dir / "secret.key"
        if not path.exists():
            path.parent.mkdir(parents=True, exist_ok=True)
            handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            with os.fdopen(handle, "w") as file:
                file.write(secrets.token_urlsafe(48))
        return path.read_bytes()
