#!/usr/bin/env python3
"""Asks a server of ours by server reflection what it serves, with grpcio-reflection's own client.

usage: .bindery/python/bin/python Tests/Fixtures/python/reflection_client.py TARGET SERVICE METHOD MESSAGE
Every service that is listed must be describable; SERVICE must be among them with METHOD, and MESSAGE
be known. All is asked under both names of the protocol. One line a check; exit status 1 when one fails.
"""

import argparse
import collections
import sys
from typing import Any, Callable

import grpc
from google.protobuf import descriptor_pool, message_factory
from grpc_reflection.v1alpha import reflection_pb2
from grpc_reflection.v1alpha.proto_reflection_descriptor_database import (
    ProtoReflectionDescriptorDatabase,
)

from report import Report, expect, expect_that

SECONDS = 20
METHOD = "/grpc.reflection.{}.ServerReflection/ServerReflectionInfo"


class Details(
    collections.namedtuple("Details", "method timeout metadata credentials wait_for_ready compression"),
    grpc.ClientCallDetails,
):
    pass


class OtherName(grpc.StreamStreamClientInterceptor):
    """grpcio-reflection knows v1alpha alone; the newer name has the same messages."""

    def __init__(self, version: str) -> None:
        self.method = METHOD.format(version)

    def intercept_stream_stream(self, continuation: Callable, details: Any, requests: Any) -> Any:
        return continuation(
            Details(
                self.method,
                SECONDS,
                details.metadata,
                details.credentials,
                details.wait_for_ready,
                details.compression,
            ),
            requests,
        )


class Checks:
    def __init__(self, arguments: argparse.Namespace, version: str) -> None:
        self.arguments = arguments
        self.version = version
        plain = grpc.insecure_channel(arguments.target, [("grpc.enable_http_proxy", 0)])
        self.channel = grpc.intercept_channel(plain, OtherName(version))

    def run(self, report: Report) -> None:
        with report.check(f"{self.version}: services") as seen:
            database = ProtoReflectionDescriptorDatabase(self.channel)
            services = list(database.get_services())
            expect("the order", services, sorted(services))
            for name in (
                self.arguments.service,
                "grpc.health.v1.Health",
                "grpc.reflection.v1.ServerReflection",
                "grpc.reflection.v1alpha.ServerReflection",
            ):
                expect_that(name in services, f"{name} is not among {services}")
            seen.append(", ".join(services))
        with report.check(f"{self.version}: all descriptors") as seen:
            pool = descriptor_pool.DescriptorPool(ProtoReflectionDescriptorDatabase(self.channel))
            methods = 0
            for name in services:
                for method in pool.FindServiceByName(name).methods:
                    message_factory.GetMessageClass(method.input_type)()
                    message_factory.GetMessageClass(method.output_type)()
                    methods += 1
            found = pool.FindServiceByName(self.arguments.service)
            expect_that(self.arguments.method in found.methods_by_name, "the method is not there")
            message = pool.FindMessageTypeByName(self.arguments.message)
            expect("the message", message.full_name, self.arguments.message)
            seen.append(f"{methods} methods")
        with report.check(f"{self.version}: one stream, many requests") as seen:
            self.one_stream()

    def one_stream(self) -> None:
        call = self.channel.stream_stream(
            METHOD.format("v1alpha"),
            request_serializer=reflection_pb2.ServerReflectionRequest.SerializeToString,
            response_deserializer=reflection_pb2.ServerReflectionResponse.FromString,
        )
        request = reflection_pb2.ServerReflectionRequest
        extension = reflection_pb2.ExtensionRequest
        service = self.arguments.service
        health = "grpc.health.v1.HealthCheckResponse"
        asked = [
            (request(file_containing_symbol=service, host="a.host"), None),
            (request(file_containing_symbol=f"{service}.{self.arguments.method}"), None),
            (request(file_containing_symbol=f"{health}.ServingStatus"), None),
            (request(file_containing_symbol=f"{health}.NOT_SERVING"), None),
            (request(file_containing_symbol=f"{health}.status"), None),
            (request(file_by_filename="grpc/health/v1/health.proto"), None),
            (request(file_containing_symbol="no.such.Service"), 5),
            (request(file_containing_symbol=f".{service}"), 5),
            (request(file_containing_symbol=""), 5),
            (request(file_by_filename="no/such.proto"), 5),
            (request(all_extension_numbers_of_type="no.such.Message"), 5),
            (request(file_containing_extension=extension(containing_type=health, extension_number=9)), 5),
            (request(), 3),
        ]
        answers = list(call(iter([item[0] for item in asked])))
        expect("the number of answers", len(answers), len(asked))
        for (sent, code), answer in zip(asked, answers):
            expect("original_request", answer.original_request, sent)
            expect("valid_host", answer.valid_host, sent.host)
            kind = answer.WhichOneof("message_response")
            expect(f"the answer to {sent}", kind, "error_response" if code else "file_descriptor_response")
            if code:
                expect("the code", answer.error_response.error_code, code)
                expect_that(answer.error_response.error_message, "there is no message")
            else:
                expect_that(answer.file_descriptor_response.file_descriptor_proto, "there is no file")
        numbers = next(call(iter([request(all_extension_numbers_of_type=health)])))
        expect("base_type_name", numbers.all_extension_numbers_response.base_type_name, health)
        expect("extensions", list(numbers.all_extension_numbers_response.extension_number), [])


def main() -> int:
    parser = argparse.ArgumentParser(description="Server reflection, asked by grpcio-reflection.")
    for name in ("target", "service", "method", "message"):
        parser.add_argument(name)
    arguments = parser.parse_args()
    report = Report()
    for version in ("v1alpha", "v1"):
        Checks(arguments, version).run(report)
    return report.finish()


if __name__ == "__main__":
    sys.exit(main())
