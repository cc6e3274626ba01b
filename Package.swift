// swift-tools-version: 6.2
import PackageDescription

// A folder is a target, a group folder holds no Swift of its own. Arrows point down: everything may
// use Shared; ControlPlane and DataPlane never import each other; wiring happens only in Daemon and
// Node. README.md says what each room is for.

let strict: [SwiftSetting] = [
  .swiftLanguageMode(.v6),
  .enableUpcomingFeature("ExistentialAny"),
  .enableUpcomingFeature("InternalImportsByDefault"),
  .enableUpcomingFeature("MemberImportVisibility"),
  .enableUpcomingFeature("NonisolatedNonsendingByDefault"),
  .treatAllWarnings(as: .error),
  // Exclusivity is checked in every debug build and test; in release the check costs 15% of a call.
  .unsafeFlags(["-enforce-exclusivity=unchecked"], .when(configuration: .release)),
]
let generated: [SwiftSetting] = [.swiftLanguageMode(.v6)]

func room(_ name: String, _ path: String, _ dependencies: [Target.Dependency] = []) -> Target {
  .target(name: name, dependencies: dependencies, path: path, swiftSettings: strict)
}

func program(_ name: String, _ path: String, _ dependencies: [Target.Dependency]) -> Target {
  .executableTarget(name: name, dependencies: dependencies, path: path, swiftSettings: strict)
}

func tests(
  _ name: String,
  _ path: String,
  _ dependencies: [Target.Dependency],
  exclude: [String] = []
) -> Target {
  .testTarget(
    name: name,
    dependencies: dependencies,
    path: path,
    exclude: exclude,
    swiftSettings: strict
  )
}

// MARK: - Packages

let grpcCore: Target.Dependency = .product(name: "GRPCCore", package: "grpc-swift-2")
let grpcProtobuf: Target.Dependency = .product(
  name: "GRPCProtobuf",
  package: "grpc-swift-protobuf"
)
let protobuf: Target.Dependency = .product(name: "SwiftProtobuf", package: "swift-protobuf")
let nioCore: Target.Dependency = .product(name: "NIOCore", package: "swift-nio")
let nioPosix: Target.Dependency = .product(name: "NIOPosix", package: "swift-nio")
let nioEmbedded: Target.Dependency = .product(name: "NIOEmbedded", package: "swift-nio")
let nioHTTP1: Target.Dependency = .product(name: "NIOHTTP1", package: "swift-nio")
let hummingbird: Target.Dependency = .product(name: "Hummingbird", package: "hummingbird")
let httpClient: Target.Dependency = .product(name: "AsyncHTTPClient", package: "async-http-client")
let httpTypes: Target.Dependency = .product(name: "HTTPTypes", package: "swift-http-types")
let lifecycle: Target.Dependency = .product(
  name: "ServiceLifecycle",
  package: "swift-service-lifecycle"
)
let unixSignals: Target.Dependency = .product(
  name: "UnixSignals",
  package: "swift-service-lifecycle"
)
let configuration: Target.Dependency = .product(
  name: "Configuration",
  package: "swift-configuration"
)
let arguments: Target.Dependency = .product(
  name: "ArgumentParser",
  package: "swift-argument-parser"
)
let yams: Target.Dependency = .product(name: "Yams", package: "Yams")
let logging: Target.Dependency = .product(name: "Logging", package: "swift-log")
let crypto: Target.Dependency = .product(name: "Crypto", package: "swift-crypto")
let collections: Target.Dependency = .product(name: "Collections", package: "swift-collections")
let hashTrees: Target.Dependency = .product(
  name: "HashTreeCollections",
  package: "swift-collections"
)

// MARK: - Shared

let shared: [Target] = [
  .systemLibrary(
    name: "CNGHTTP2",
    path: "Shared/CNGHTTP2",
    pkgConfig: "libnghttp2",
    providers: [.apt(["libnghttp2-dev"])]
  ),
  .systemLibrary(
    name: "COpenSSL",
    path: "Shared/COpenSSL",
    pkgConfig: "openssl",
    providers: [.apt(["libssl-dev"])]
  ),
  .systemLibrary(name: "CMalloc", path: "Shared/CMalloc"),
  .systemLibrary(
    name: "CZlib",
    path: "Shared/CZlib",
    pkgConfig: "zlib",
    providers: [.apt(["zlib1g-dev"])]
  ),
  .target(
    name: "CRE2",
    path: "Shared/CRE2",
    linkerSettings: [.linkedLibrary("re2")]
  ),
  .target(
    name: "Wire",
    dependencies: [protobuf],
    path: "Shared/Wire/Messages",
    swiftSettings: generated
  ),
  .target(
    name: "WireServices",
    dependencies: ["Wire", grpcCore, grpcProtobuf, protobuf],
    path: "Shared/Wire/Services",
    swiftSettings: generated
  ),
  room("Domain", "Shared/Domain", [crypto]),
  room("Codecs", "Shared/Codecs", ["Domain", crypto, yams]),
  room("Matching", "Shared/Matching", ["CRE2", "Domain"]),
  room("WireMapping", "Shared/WireMapping", ["Domain", "Wire", protobuf]),
  room("JSONSchema", "Shared/JSONSchema", ["Domain", "Codecs", "Matching"]),
  room("HTTP2", "Shared/HTTP2", ["CNGHTTP2", nioCore, collections]),
  room("TLS", "Shared/TLS", ["COpenSSL", nioCore, logging]),
  room(
    "Transport",
    "Shared/Transport",
    [
      "CMalloc", "CZlib", "HTTP2", "TLS", "Wire", "WireServices", grpcCore, grpcProtobuf, protobuf,
      nioCore, nioPosix, collections, unixSignals, logging,
    ]
  ),
  room("Observability", "Shared/Observability", ["Domain", configuration, yams, logging]),
]

// MARK: - ControlPlane

let controlPlane: [Target] = [
  .systemLibrary(
    name: "CLibPQ",
    path: "ControlPlane/CLibPQ",
    pkgConfig: "libpq",
    providers: [.apt(["libpq-dev"])]
  ),
  room("Postgres", "ControlPlane/Postgres", ["CLibPQ", "Domain", collections, logging]),
  .target(
    name: "Store",
    dependencies: ["Postgres", "Domain", "Codecs", crypto, logging],
    path: "ControlPlane/Store",
    resources: [.embedInCode("Migrations")],
    swiftSettings: strict
  ),
  room("Compiler", "ControlPlane/Compiler", ["Domain", "Codecs", "Matching", "JSONSchema"]),
  room(
    "Changelog",
    "ControlPlane/Changelog",
    ["Domain", "Wire", "WireMapping", protobuf, hashTrees, collections, logging]
  ),
  room("Switches", "ControlPlane/Switches", ["Domain", "Changelog", "Store", logging]),
  room(
    "Ledger",
    "ControlPlane/Ledger",
    ["Domain", "Store", "Postgres", "Wire", protobuf, logging]
  ),
  room(
    "Conversations",
    "ControlPlane/Conversations",
    ["Domain", "Codecs", "Store", "Postgres", "Ledger", "Wire", protobuf, collections, logging]
  ),
  room("Publishing", "ControlPlane/Publishing", ["Domain", "Store", "Compiler", logging]),
  room("Rollouts", "ControlPlane/Rollouts", ["Domain", "Changelog", "Store", "Switches", logging]),
  room("Access", "ControlPlane/Access", ["Domain", "Store", logging]),
  room(
    "API",
    "ControlPlane/API",
    [
      "Access", "Publishing", "Domain", "Codecs", "Store", "Compiler", "Changelog", "Switches",
      "Ledger",
      "Conversations",
      "Wire", "WireServices", "WireMapping", "Transport", "TLS", grpcCore, grpcProtobuf, protobuf,
      nioCore, logging,
    ]
  ),
  program(
    "Daemon",
    "ControlPlane/Daemon",
    [
      "API", "Access", "Publishing", "Store", "Postgres", "Compiler", "Changelog", "Switches",
      "Rollouts",
      "Ledger",
      "Conversations",
      "Domain", "Codecs", "Transport", "TLS", "Wire", "Observability", grpcCore, nioCore, nioPosix,
      hummingbird,
      lifecycle, unixSignals,
      configuration, arguments, logging,
    ]
  ),
  program(
    "CLI",
    "ControlPlane/CLI",
    [
      "Compiler", "Codecs", "Domain", "Wire", "WireServices", "WireMapping", "Transport", "TLS",
      "Observability",
      grpcCore, protobuf, nioCore, nioPosix,
      httpClient, arguments, logging,
    ]
  ),
]

// MARK: - DataPlane

let dataPlane: [Target] = [
  room(
    "Subscription",
    "DataPlane/Subscription",
    [
      "Domain", "Codecs", "Wire", "WireServices", "WireMapping", "Transport", grpcCore,
      grpcProtobuf,
      protobuf, hashTrees, nioCore, nioPosix, logging,
    ]
  ),
  room("Guardrails", "DataPlane/Guardrails", ["Domain", "Codecs", "Matching"]),
  room("Secrets", "DataPlane/Secrets", ["Domain"]),
  room(
    "Models",
    "DataPlane/Models",
    [
      "Domain", "Codecs", "Matching", "Secrets", httpClient, nioCore, nioPosix, nioHTTP1, logging,
    ]
  ),
  room(
    "Tools",
    "DataPlane/Tools",
    [
      "Domain", "Codecs", "JSONSchema", "Secrets", httpClient, nioCore, nioPosix, nioHTTP1, crypto,
      logging,
    ]
  ),
  room(
    "Spool",
    "DataPlane/Spool",
    [
      "Domain", "Wire", "WireServices", "Transport", grpcCore, grpcProtobuf, protobuf, nioCore,
      nioPosix, logging,
    ]
  ),
  room(
    "Turn",
    "DataPlane/Turn",
    [
      "Domain", "Codecs", "Matching", "Subscription", "Guardrails", "Models", "Tools", "Spool",
      "Wire",
      "WireServices", "Transport", grpcCore, grpcProtobuf, protobuf, nioCore, nioPosix, collections,
      crypto, logging,
    ]
  ),
  room(
    "Channels",
    "DataPlane/Channels",
    [
      "Domain", "Codecs", "Subscription", "Turn", "Spool", "Secrets", "Wire", "Transport",
      hummingbird, httpTypes, httpClient, nioCore, nioPosix, nioHTTP1, crypto, collections, logging,
    ]
  ),
  program(
    "Node",
    "DataPlane/Node",
    [
      "Channels", "Turn", "Subscription", "Models", "Tools", "Secrets", "Guardrails", "Spool",
      "Domain", "Codecs", "Transport", "TLS",
      "Wire", "WireServices", "Observability", grpcCore, nioCore, nioPosix, hummingbird, httpClient,
      lifecycle, unixSignals,
      configuration, arguments, logging,
    ]
  ),
]

// MARK: - Tests

let testing: [Target] = [
  room(
    "Support",
    "Tests/Support/Library",
    [
      "Domain", "Codecs", hummingbird, httpClient, httpTypes, nioCore, nioPosix, nioHTTP1, crypto,
      collections, logging,
    ]
  ),
  .target(
    name: "TestWire",
    dependencies: [grpcCore, grpcProtobuf, protobuf],
    path: "Tests/Support/TestWire",
    swiftSettings: generated
  ),
  room(
    "Interop",
    "Tests/Support/Interop/Library",
    ["TestWire", "Transport", grpcCore, grpcProtobuf, protobuf]
  ),
  program(
    "InteropServer",
    "Tests/Support/Interop/Server",
    [
      "Interop", "TestWire", "TLS", "Transport", "Wire", grpcCore, nioCore, nioPosix, arguments,
      lifecycle,
      unixSignals, logging,
    ]
  ),
  program(
    "InteropClient",
    "Tests/Support/Interop/Client",
    ["Interop", "TLS", "Transport", grpcCore, nioCore, nioPosix, arguments, logging]
  ),
  room("PostgresSupport", "Tests/Support/PostgresSupport", ["Postgres", logging]),
  room(
    "TurnDoubles",
    "Tests/Support/TurnDoubles",
    ["Turn", "Guardrails", "Models", "Tools", "Subscription", "Spool", "Domain", "Wire", logging]
  ),
  room(
    "Scenario",
    "Tests/Support/Scenario",
    ["Support", "Domain", "Codecs", httpClient, nioCore, nioPosix, nioHTTP1, crypto, logging]
  ),
  room("TLSSupport", "Tests/Support/TLSSupport", ["COpenSSL"]),
  room("RawHTTP2", "Tests/Support/RawHTTP2"),
  room(
    "TransportFuzz",
    "Tests/Support/TransportFuzz/Library",
    ["RawHTTP2", "Transport", "HTTP2", nioCore, nioEmbedded]
  ),
  program(
    "TransportFuzzer",
    "Tests/Support/TransportFuzz/Program",
    ["TransportFuzz", arguments]
  ),
  program(
    "Fakes",
    "Tests/Support/Fakes",
    ["Support", "Domain", arguments, hummingbird, lifecycle, unixSignals, logging]
  ),
  program(
    "Check",
    "Tests/Support/Check",
    [
      "Scenario", "Support", "Domain", "Codecs", httpClient, nioCore, nioPosix, nioHTTP1, arguments,
      crypto, logging,
    ]
  ),
  .systemLibrary(name: "CEpoll", path: "Tests/Benchmarks/CEpoll"),
  program(
    "Bench",
    "Tests/Benchmarks/Bench",
    [
      "API", "CEpoll", "Changelog", "Observability", "Scenario", "Subscription", "Switches",
      "Domain",
      "Codecs", "Compiler", "Postgres", "Store",
      "HTTP2", "Wire", "WireServices",
      "Transport",
      grpcCore,
      grpcProtobuf, protobuf, httpClient, nioCore, nioPosix, nioHTTP1, arguments, logging,
    ]
  ),
  tests("DomainTests", "Tests/Shared/DomainTests", ["Domain"]),
  tests("CodecsTests", "Tests/Shared/CodecsTests", ["Codecs", "Domain"]),
  tests("MatchingTests", "Tests/Shared/MatchingTests", ["Matching", "Domain"]),
  tests("JSONSchemaTests", "Tests/Shared/JSONSchemaTests", ["JSONSchema", "Domain", "Codecs"]),
  tests("ObservabilityTests", "Tests/Shared/ObservabilityTests", ["Observability"]),
  tests("TLSTests", "Tests/Shared/TLSTests", ["TLS", "TLSSupport", nioCore, logging]),
  tests("HTTP2Tests", "Tests/Shared/HTTP2Tests", ["HTTP2", "RawHTTP2", nioCore]),
  tests(
    "TransportTests",
    "Tests/Shared/TransportTests",
    [
      "Transport", "HTTP2", "TLS", "TLSSupport", "RawHTTP2", "TransportFuzz", "Observability",
      "Wire", "WireServices", grpcCore,
      grpcProtobuf, protobuf, nioCore, nioEmbedded, nioPosix, logging,
    ]
  ),
  tests(
    "InteropTests",
    "Tests/Shared/InteropTests",
    [
      "Interop", "TestWire", "TLSSupport", "Transport", "Scenario", grpcCore, grpcProtobuf,
      protobuf,
      nioCore, nioPosix, logging,
    ]
  ),
  tests(
    "PostgresTests",
    "Tests/ControlPlane/PostgresTests",
    ["Postgres", "PostgresSupport", nioCore, nioPosix, logging]
  ),
  tests(
    "StoreTests",
    "Tests/ControlPlane/StoreTests",
    [
      "Access", "Store", "Postgres", "PostgresSupport", "Domain", "Codecs", "Compiler",
      "Publishing", "Rollouts", "Switches", "Changelog", "Ledger",
      "Conversations", "Wire", protobuf, nioCore, nioPosix, logging,
    ]
  ),
  tests(
    "RolloutsTests",
    "Tests/ControlPlane/RolloutsTests",
    ["Rollouts", "Store", "Domain"]
  ),
  tests(
    "AccessTests",
    "Tests/ControlPlane/AccessTests",
    [
      "Access", "API", "Store", "Domain", "Transport", "Wire", "WireServices", grpcCore, protobuf,
      logging,
    ]
  ),
  tests(
    "CompilerTests",
    "Tests/ControlPlane/CompilerTests",
    ["Compiler", "Codecs", "Domain", "Matching"]
  ),
  tests(
    "ChangelogTests",
    "Tests/ControlPlane/ChangelogTests",
    ["Changelog", "Switches", "Domain", "Wire", "WireMapping", protobuf, logging]
  ),
  tests(
    "SubscriptionTests",
    "Tests/DataPlane/SubscriptionTests",
    ["Subscription", "Domain", "Codecs", "Wire", "WireMapping", protobuf, nioPosix, logging]
  ),
  tests(
    "GuardrailsTests",
    "Tests/DataPlane/GuardrailsTests",
    ["Guardrails", "Domain", "Matching"]
  ),
  tests(
    "ModelsTests",
    "Tests/DataPlane/ModelsTests",
    [
      "Models", "Secrets", "Support", "Domain", "Codecs", httpClient, nioCore, nioPosix, nioHTTP1,
      logging,
    ]
  ),
  tests(
    "ToolsTests",
    "Tests/DataPlane/ToolsTests",
    ["Tools", "Secrets", "Support", "Domain", "Codecs", httpClient, nioCore, nioPosix, logging]
  ),
  tests(
    "SpoolTests",
    "Tests/DataPlane/SpoolTests",
    ["Spool", "Domain", "Wire", protobuf, nioPosix, logging]
  ),
  tests(
    "TurnTests",
    "Tests/DataPlane/TurnTests",
    [
      "Turn", "TurnDoubles", "Guardrails", "Models", "Tools", "Subscription", "Spool", "Domain",
      "Codecs", "Wire", protobuf, logging,
    ]
  ),
  tests(
    "ChannelsTests",
    "Tests/DataPlane/ChannelsTests",
    [
      "Channels", "Turn", "TurnDoubles", "Support", "Subscription", "Spool", "Secrets", "Models",
      "Domain", "Wire", "Codecs", hummingbird, httpClient, httpTypes, nioCore, nioPosix, nioHTTP1,
      crypto, logging,
    ]
  ),
  room(
    "Simulator",
    "Tests/Support/Simulator",
    ["Changelog", "Subscription", "Domain", "Wire", "WireMapping", protobuf]
  ),
  program("bindery-simulate", "Tests/Support/Simulate", ["Simulator"]),
  tests(
    "Simulation",
    "Tests/Simulation",
    [
      "Simulator",
      "API", "Changelog", "Switches", "Subscription", "Spool", "Transport", "Domain", "Wire",
      "WireServices", "WireMapping",
      grpcCore, protobuf, nioCore, nioPosix, logging,
    ],
    exclude: ["Mutations"]
  ),
  tests(
    "EndToEnd",
    "Tests/EndToEnd",
    [
      "Scenario", "Simulator", "Support", "TLSSupport", "PostgresSupport", "Domain", "Codecs",
      "TLS",
      "Transport", "Wire", "WireServices", httpClient, grpcCore, protobuf, nioCore, nioPosix,
      logging,
    ]
  ),
]

let package = Package(
  name: "bindery",
  products: [
    .executable(name: "bindery-control", targets: ["Daemon"]),
    .executable(name: "bindery-node", targets: ["Node"]),
    .executable(name: "bindery", targets: ["CLI"]),
    .executable(name: "bindery-fakes", targets: ["Fakes"]),
    .executable(name: "bindery-check", targets: ["Check"]),
    .executable(name: "bindery-bench", targets: ["Bench"]),
    .executable(name: "transport-fuzz", targets: ["TransportFuzzer"]),
    .executable(name: "interop-server", targets: ["InteropServer"]),
    .executable(name: "interop-client", targets: ["InteropClient"]),
  ],
  dependencies: [
    .package(url: "https://github.com/grpc/grpc-swift-2", from: "2.4.3"),
    .package(url: "https://github.com/grpc/grpc-swift-protobuf", from: "2.4.1"),
    .package(url: "https://github.com/apple/swift-protobuf", from: "1.39.0", traits: []),
    .package(url: "https://github.com/apple/swift-nio", from: "2.101.2"),
    .package(url: "https://github.com/hummingbird-project/hummingbird", from: "2.28.1", traits: []),
    .package(url: "https://github.com/swift-server/async-http-client", from: "1.37.0"),
    .package(url: "https://github.com/apple/swift-http-types", from: "1.8.0"),
    .package(url: "https://github.com/swift-server/swift-service-lifecycle", from: "2.13.0"),
    .package(
      url: "https://github.com/apple/swift-configuration",
      from: "1.4.0",
      traits: []
    ),
    .package(url: "https://github.com/apple/swift-argument-parser", from: "1.8.2"),
    .package(url: "https://github.com/jpsim/Yams", from: "6.2.2"),
    .package(url: "https://github.com/apple/swift-log", from: "1.16.2"),
    .package(url: "https://github.com/apple/swift-crypto", from: "4.5.2"),
    .package(url: "https://github.com/apple/swift-collections", from: "1.6.0"),
  ],
  targets: shared + controlPlane + dataPlane + testing
)
