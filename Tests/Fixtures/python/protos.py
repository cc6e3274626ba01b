"""Compiles .proto files for the time of one import; nothing generated stays behind."""

import importlib
import pathlib
import sys
import tempfile
from types import ModuleType

import grpc
from grpc_tools import protoc

HERE = pathlib.Path(__file__).resolve().parent
SHARED = HERE.parents[2] / "Shared" / "Protos"
INTEROP = HERE.parents[1] / "Support" / "Interop" / "Protos"


def compiled(root: pathlib.Path, names: list[str]) -> dict[str, tuple[ModuleType, ModuleType]]:
    """(messages, stubs) of `names` (paths below `root`), by the file's name without its ending."""
    with tempfile.TemporaryDirectory(prefix="bindery-protos-") as out:
        status = protoc.main(
            ["protoc", f"--proto_path={root}", f"--python_out={out}", f"--grpc_python_out={out}"]
            + names
        )
        if status != 0:
            raise SystemExit(f"protoc refused {', '.join(names)} below {root} (status {status})")
        sys.path.insert(0, out)
        # Protos in "grpc/" are found only beside the library's own modules.
        grpc.__path__.append(f"{out}/grpc")
        try:
            modules = {}
            for name in names:
                path = name.removesuffix(".proto").replace("/", ".")
                modules[path.rpartition(".")[2]] = (
                    importlib.import_module(f"{path}_pb2"),
                    importlib.import_module(f"{path}_pb2_grpc"),
                )
            return modules
        finally:
            sys.path.remove(out)
            grpc.__path__.remove(f"{out}/grpc")


def bindery() -> dict[str, tuple[ModuleType, ModuleType]]:
    """(messages, stubs) of every file in bindery.v1, by name: "admin", "distribution", …

    The health protocol is left out: the client takes it from grpcio-health-checking, so that our
    own copy of it is held against somebody else's.
    """
    files = sorted((SHARED / "bindery" / "v1").glob("*.proto"))
    return compiled(SHARED, [str(file.relative_to(SHARED)) for file in files])


def echo() -> tuple[ModuleType, ModuleType]:
    """(messages, stubs) of the echo service in this folder."""
    return compiled(HERE, ["echo.proto"])["echo"]


def interop() -> dict[str, tuple[ModuleType, ModuleType]]:
    """(messages, stubs) of gRPC's interoperability service: "empty", "messages", "test"."""
    folder = INTEROP / "grpc" / "testing"
    return compiled(INTEROP, [str(f.relative_to(INTEROP)) for f in sorted(folder.glob("*.proto"))])
