"""TLS of the stock peers, by the same options as ours have."""

import argparse

import grpc


def add_server_arguments(parser: argparse.ArgumentParser) -> None:
    for name in ("--tls-cert", "--tls-key", "--tls-client-ca"):
        parser.add_argument(name, metavar="FILE")


def server_credentials(arguments: argparse.Namespace) -> grpc.ServerCredentials | None:
    """None for plaintext. With roots for clients, those have to show a certificate."""
    if arguments.tls_cert is None:
        return None
    return grpc.ssl_server_credentials(
        [(_content(arguments.tls_key), _content(arguments.tls_cert))],
        _content(arguments.tls_client_ca),
        arguments.tls_client_ca is not None,
    )


def add_client_arguments(parser: argparse.ArgumentParser) -> None:
    for name in ("--tls-ca", "--tls-cert", "--tls-key"):
        parser.add_argument(name, metavar="FILE")


def channel(arguments: argparse.Namespace) -> grpc.Channel:
    """To `arguments.target`; plaintext without roots."""
    options = [("grpc.enable_http_proxy", 0)]
    if arguments.tls_ca is None:
        return grpc.insecure_channel(arguments.target, options)
    credentials = grpc.ssl_channel_credentials(
        _content(arguments.tls_ca), _content(arguments.tls_key), _content(arguments.tls_cert)
    )
    return grpc.secure_channel(arguments.target, credentials, options)


def _content(path: str | None) -> bytes | None:
    if path is None:
        return None
    with open(path, "rb") as file:
        return file.read()
