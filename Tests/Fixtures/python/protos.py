"""Compiles .proto files for the time of one run; nothing generated stays behind."""

import atexit
import importlib
import pathlib
import shutil
import sys
import tempfile
from types import ModuleType

from grpc_tools import protoc

HERE = pathlib.Path(__file__).resolve().parent
SHARED = HERE.parents[2] / "Shared" / "Protos"


def compile_protos(root: pathlib.Path, names: list[str]) -> None:
    """Generates messages and stubs of `names` (paths below `root`) and makes them importable."""
    out = tempfile.mkdtemp(prefix="bindery-protos-")
    atexit.register(shutil.rmtree, out, ignore_errors=True)
    status = protoc.main(
        ["protoc", f"--proto_path={root}", f"--python_out={out}", f"--grpc_python_out={out}"]
        + names
    )
    if status != 0:
        raise SystemExit(f"protoc refused {', '.join(names)} below {root} (status {status})")
    sys.path.insert(0, out)


def bindery() -> dict[str, tuple[ModuleType, ModuleType]]:
    """(messages, stubs) of every file in bindery.v1, by name: "admin", "distribution", …

    The health protocol is left out: the client takes it from grpcio-health-checking, so that our
    own copy of it is held against somebody else's.
    """
    files = sorted((SHARED / "bindery" / "v1").glob("*.proto"))
    compile_protos(SHARED, [str(file.relative_to(SHARED)) for file in files])
    return {
        file.stem: (
            importlib.import_module(f"bindery.v1.{file.stem}_pb2"),
            importlib.import_module(f"bindery.v1.{file.stem}_pb2_grpc"),
        )
        for file in files
    }


def echo() -> tuple[ModuleType, ModuleType]:
    """(messages, stubs) of the echo service in this folder."""
    compile_protos(HERE, ["echo.proto"])
    return importlib.import_module("echo_pb2"), importlib.import_module("echo_pb2_grpc")
