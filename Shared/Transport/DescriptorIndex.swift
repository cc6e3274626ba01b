internal import Foundation
internal import SwiftProtobuf

/// Finds the .proto file that says what a name means, for server reflection.
package struct DescriptorIndex: Sendable {
  package struct Malformed: Error, CustomStringConvertible {
    package var description: String { "a file descriptor set is no Base64, or nothing encoded so" }
  }

  private struct Extension: Hashable {
    let type: String
    let number: Int32
  }

  private struct File {
    let serialized: Data
    let imports: [String]
  }

  private var files: [String: File] = [:]
  /// Name of the file, by all that is fully qualified in it.
  private var symbols: [String: String] = [:]
  private var extensions: [Extension: String] = [:]
  private var messages: Set<String> = []

  /// - Parameter sets: Serialized `google.protobuf.FileDescriptorSet`s in Base64; a file may be in
  ///   several.
  /// - Throws: `Malformed`.
  package init(base64 sets: [String]) throws {
    for set in sets {
      guard let data = Data(base64Encoded: set, options: .ignoreUnknownCharacters) else {
        throw Malformed()
      }
      let decoded: Google_Protobuf_FileDescriptorSet
      do {
        decoded = try Google_Protobuf_FileDescriptorSet(serializedBytes: data)
      } catch {
        throw Malformed()
      }
      guard !decoded.file.isEmpty else { throw Malformed() }
      for file in decoded.file { try add(file) }
    }
  }

  // MARK: - Answers

  /// Serialized descriptors of the file and, behind it, of all it imports, by name; nil for no such
  /// file.
  func closure(of file: String) -> [(name: String, serialized: Data)]? {
    guard files[file] != nil else { return nil }
    var names = [file]
    var seen: Set<String> = [file]
    var result: [(name: String, serialized: Data)] = []
    while let name = names.first {
      names.removeFirst()
      guard let file = files[name] else { continue }
      result.append((name, file.serialized))
      for imported in file.imports where seen.insert(imported).inserted { names.append(imported) }
    }
    return result
  }

  /// The file that holds a service, a method, a message, an enum or a part of those.
  func file(containing symbol: String) -> String? { symbols[symbol] }

  /// The file that holds an extension.
  func file(containingExtension number: Int32, of type: String) -> String? {
    extensions[Extension(type: type, number: number)]
  }

  /// The numbers of all extensions of a message; nil for no such message.
  func extensionNumbers(of type: String) -> [Int32]? {
    guard messages.contains(type) else { return nil }
    return extensions.keys.filter { $0.type == type }.map(\.number).sorted()
  }

  // MARK: - Building

  private mutating func add(_ file: Google_Protobuf_FileDescriptorProto) throws {
    guard files[file.name] == nil else { return }
    do {
      files[file.name] = File(
        serialized: try file.serializedBytes(),
        imports: file.dependency
      )
    } catch {
      throw Malformed()
    }
    for message in file.messageType { add(message, in: file.package, of: file.name) }
    for enumeration in file.enumType { add(enumeration, in: file.package, of: file.name) }
    for field in file.extension { add(extension: field, in: file.package, of: file.name) }
    for service in file.service {
      let name = add(service.name, in: file.package, of: file.name)
      for method in service.method { add(method.name, in: name, of: file.name) }
    }
  }

  private mutating func add(
    _ message: Google_Protobuf_DescriptorProto,
    in scope: String,
    of file: String
  ) {
    let name = add(message.name, in: scope, of: file)
    messages.insert(name)
    for field in message.field { add(field.name, in: name, of: file) }
    for group in message.oneofDecl { add(group.name, in: name, of: file) }
    for nested in message.nestedType { add(nested, in: name, of: file) }
    for enumeration in message.enumType { add(enumeration, in: name, of: file) }
    for field in message.extension { add(extension: field, in: name, of: file) }
  }

  private mutating func add(
    _ enumeration: Google_Protobuf_EnumDescriptorProto,
    in scope: String,
    of file: String
  ) {
    add(enumeration.name, in: scope, of: file)
    // The names of values lie beside the enum's, not in it (as in C++).
    for value in enumeration.value { add(value.name, in: scope, of: file) }
  }

  private mutating func add(
    extension field: Google_Protobuf_FieldDescriptorProto,
    in scope: String,
    of file: String
  ) {
    add(field.name, in: scope, of: file)
    let type = field.extendee.drop { $0 == "." }
    extensions[Extension(type: String(type), number: field.number)] = file
  }

  @discardableResult
  private mutating func add(_ name: String, in scope: String, of file: String) -> String {
    let qualified = scope.isEmpty ? name : "\(scope).\(name)"
    symbols[qualified] = file
    return qualified
  }
}
