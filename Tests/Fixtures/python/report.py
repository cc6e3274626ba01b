"""One line a check, and an exit status: what the stock clients print."""

import contextlib
import time
from typing import Any, Callable, Iterator

import grpc


class Mismatch(Exception):
    """What came is not what the contract says."""


def expect(what: str, got: Any, wanted: Any) -> None:
    """Fails unless `got` equals `wanted`."""
    if got != wanted:
        raise Mismatch(f"{what} is {shorten(got)}, expected {shorten(wanted)}")


def expect_that(condition: bool, complaint: str) -> None:
    """Fails with `complaint` unless the condition holds."""
    if not condition:
        raise Mismatch(complaint)


def expect_status(code: grpc.StatusCode, call: Callable[[], Any]) -> grpc.RpcError:
    """Runs a call that must end with this status and returns the error."""
    try:
        answer = call()
    except grpc.RpcError as error:
        expect("the status", error.code(), code)
        return error
    raise Mismatch(f"the call was answered ({shorten(answer)}), expected {code.name}")


def wait_until(what: str, condition: Callable[[], bool], seconds: float = 10) -> None:
    """Asks again and again until the condition holds; fails after `seconds`."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            raise Mismatch(f"{what}: not within {seconds:g} s")
        time.sleep(0.02)


def shorten(value: Any) -> str:
    text = " ".join(str(value).split()) if not isinstance(value, bytes) else repr(value)
    return text if len(text) <= 160 else f"{text[:150]}… ({len(text)} characters)"


class Report:
    """Counts and prints; a check that fails does not stop the ones after it."""

    def __init__(self) -> None:
        self.passed = 0
        self.failed = 0

    @contextlib.contextmanager
    def check(self, name: str) -> Iterator[list[str]]:
        """A check; what is appended to the yielded list stands behind its name."""
        seen: list[str] = []
        try:
            yield seen
        except Mismatch as error:
            self._fail(name, str(error))
        except grpc.RpcError as error:
            self._fail(name, f"{error.code().name}: {shorten(error.details())}")
        except Exception as error:  # a fault of the check itself must not hide the ones after it
            self._fail(name, f"{type(error).__name__}: {shorten(error)}")
        else:
            self.passed += 1
            print(f"ok    {name:<32} {'; '.join(seen)}".rstrip(), flush=True)

    def _fail(self, name: str, reason: str) -> None:
        self.failed += 1
        print(f"FAIL  {name:<32} {reason}", flush=True)

    def finish(self) -> int:
        """Prints the sum and returns the exit status."""
        print(f"{self.passed} passed, {self.failed} failed", flush=True)
        return 0 if self.failed == 0 and self.passed > 0 else 1
