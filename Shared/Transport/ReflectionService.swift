internal import Foundation
package import GRPCCore
internal import GRPCProtobuf
internal import SwiftProtobuf
internal import Wire
internal import WireServices

/// Server reflection (gRPC's doc/server-reflection.md), under its name `grpc.reflection.v1` and the
/// older `v1alpha`, which differ in nothing else: clients without .proto files ask what there is.
package struct ReflectionService: RegistrableRPCService {
  private typealias Request = Grpc_Reflection_V1_ServerReflectionRequest
  private typealias Response = Grpc_Reflection_V1_ServerReflectionResponse

  private let services: [String]
  private let descriptors: DescriptorIndex

  /// - Parameter services: Full names of what is served beside reflection itself.
  package init(services: [String], descriptors: DescriptorIndex) {
    self.services = (services + Self.methods.map(\.service.fullyQualifiedService)).sorted()
    self.descriptors = descriptors
  }

  private static let methods = [
    Grpc_Reflection_V1_ServerReflection.Method.ServerReflectionInfo.descriptor,
    Grpc_Reflection_V1alpha_ServerReflection.Method.ServerReflectionInfo.descriptor,
  ]

  package func registerMethods<Transport: ServerTransport>(with router: inout RPCRouter<Transport>)
  {
    for method in Self.methods {
      router.registerHandler(
        forMethod: method,
        deserializer: ProtobufDeserializer<Request>(),
        serializer: ProtobufSerializer<Response>()
      ) { request, _ in
        StreamingServerResponse { writer in
          // Files that this stream has brought are not brought again as imports.
          var sent: Set<String> = []
          for try await message in request.messages {
            try await writer.write(answer(message, &sent))
          }
          return [:]
        }
      }
    }
  }

  private func answer(_ request: Request, _ sent: inout Set<String>) -> Response {
    var response = Response()
    response.validHost = request.host
    response.originalRequest = request
    switch request.messageRequest {
    case .fileByFilename(let name):
      response.messageResponse = file(name, &sent) ?? notFound("file '\(name)'")
    case .fileContainingSymbol(let symbol):
      response.messageResponse =
        descriptors.file(containing: symbol).flatMap { file($0, &sent) }
        ?? notFound("symbol '\(symbol)'")
    case .fileContainingExtension(let asked):
      response.messageResponse =
        descriptors.file(containingExtension: asked.extensionNumber, of: asked.containingType)
        .flatMap { file($0, &sent) }
        ?? notFound("extension \(asked.extensionNumber) of '\(asked.containingType)'")
    case .allExtensionNumbersOfType(let type):
      guard let numbers = descriptors.extensionNumbers(of: type) else {
        response.messageResponse = notFound("message '\(type)'")
        break
      }
      response.allExtensionNumbersResponse.baseTypeName = type
      response.allExtensionNumbersResponse.extensionNumber = numbers
    case .listServices:
      response.listServicesResponse.service = services.map { name in .with { $0.name = name } }
    case nil:
      response.messageResponse = failure(.invalidArgument, "the request asks for nothing known")
    }
    return response
  }

  private func file(_ name: String, _ sent: inout Set<String>) -> Response.OneOf_MessageResponse? {
    guard let closure = descriptors.closure(of: name) else { return nil }
    var response = Grpc_Reflection_V1_FileDescriptorResponse()
    for file in closure where sent.insert(file.name).inserted || file.name == name {
      response.fileDescriptorProto.append(file.serialized)
    }
    return .fileDescriptorResponse(response)
  }

  private func notFound(_ what: String) -> Response.OneOf_MessageResponse {
    failure(.notFound, "there is no \(what)")
  }

  private func failure(_ code: Status.Code, _ message: String) -> Response.OneOf_MessageResponse {
    .errorResponse(
      .with {
        $0.errorCode = Int32(code.rawValue)
        $0.errorMessage = message
      }
    )
  }
}
