"""What the checks of a control plane share: channel, stubs, names of this run, calls made."""

import dataclasses
import secrets
import time
import uuid
from typing import Any, Callable

import grpc

import protos
from report import Mismatch, Report

SECONDS = 20  # deadline of a call that must be answered


def uuid7() -> bytes:
    """A UUIDv7 (RFC 9562) as 16 bytes."""
    value = (time.time_ns() // 1_000_000) << 80 | secrets.randbits(80)
    value = value & ~(0xF << 76) | 0x7 << 76
    return (value & ~(0x3 << 62) | 0x2 << 62).to_bytes(16, "big")


def now_ms() -> int:
    return time.time_ns() // 1_000_000


class Recorder(
    grpc.UnaryUnaryClientInterceptor,
    grpc.UnaryStreamClientInterceptor,
    grpc.StreamUnaryClientInterceptor,
    grpc.StreamStreamClientInterceptor,
):
    """Notes which methods were called, so that a method that nothing calls is found out."""

    def __init__(self) -> None:
        self.methods: set[str] = set()

    def _pass(self, continuation: Callable[..., Any], details: Any, request: Any) -> Any:
        self.methods.add(details.method)
        return continuation(details, request)

    intercept_unary_unary = _pass
    intercept_unary_stream = _pass
    intercept_stream_unary = _pass
    intercept_stream_stream = _pass


@dataclasses.dataclass
class Learned:
    """What earlier checks found out and later ones need; None until then."""

    revision: int | None = None  # of the last change of configuration
    tenant_id: bytes | None = None
    binding_id: bytes | None = None
    human_id: bytes | None = None
    team_id: bytes | None = None
    agent_id: bytes | None = None
    binding_digest: bytes | None = None
    turn: Any | None = None  # BeginTurnResponse of the running turn

    def __getattribute__(self, name: str) -> Any:
        value = super().__getattribute__(name)
        if value is None:
            raise Mismatch(f"not run: an earlier check was to find out the {name}")
        return value


class Session:
    """One run against one control plane, on objects of its own."""

    def __init__(self, target: str) -> None:
        modules = protos.bindery()
        self.admin, self.distribution, self.conversations, self.ledger = (
            modules[name][0] for name in ("admin", "distribution", "conversations", "ledger")
        )
        self.target = target
        self.recorder = Recorder()
        self.raw_channel = grpc.insecure_channel(target, options=[("grpc.enable_http_proxy", 0)])
        self.channel = grpc.intercept_channel(self.raw_channel, self.recorder)
        self.admin_stub = modules["admin"][1].AdminStub(self.channel)
        self.distribution_stub = modules["distribution"][1].DistributionStub(self.channel)
        self.conversations_stub = modules["conversations"][1].ConversationsStub(self.channel)
        self.ledger_stub = modules["ledger"][1].LedgerStub(self.channel)
        self.report = Report()
        self.learned = Learned()

        run = secrets.token_hex(4)
        self.tenant = f"stock-{run}"
        self.node = f"stock-node-{run}"
        self.number = f"9199{secrets.randbelow(10**8):08d}"
        self.host = f"{self.tenant}.example"

    def all_methods(self) -> set[str]:
        """Every method of bindery.v1, as the protos say."""
        return {
            f"/{service.full_name}/{method.name}"
            for module in (self.admin, self.distribution, self.conversations, self.ledger)
            for service in module.DESCRIPTOR.services_by_name.values()
            for method in service.methods
        }

    def conversation(self, channel: str, external_id: str) -> Any:
        return self.conversations.ConversationKey(
            tenant_id=self.learned.tenant_id,
            binding_id=self.learned.binding_id,
            channel=channel,
            external_id=external_id,
        )


def id_bytes(text: str) -> bytes:
    """16 bytes of a UUID in text; fails when it is none."""
    try:
        return uuid.UUID(text).bytes
    except ValueError as error:
        raise Mismatch(f"'{text}' is no UUID") from error
