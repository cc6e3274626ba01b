package import Domain
internal import Foundation

/// The documents of a folder, or of one file, as authors write them.
///
/// A document has `kind`, `tenant`, `slug` and `spec`; for a Tenant `tenant` may be left out.
package struct ConfigFiles: Sendable {
  package private(set) var documents: [AuthoredDocument] = []
  /// All that is wrong with the files themselves.
  package private(set) var diagnostics: [Diagnostic] = []
  /// Line by JSON Pointer into the spec, by document source.
  private var lines: [String: [String: Int]] = [:]
  private var sources: [ObjectKey: String] = [:]

  private static let maxFileBytes = 4 << 20
  private static let maxFiles = 10_000
  private static let maxTotalBytes = 64 << 20

  /// Reads `path`: every .yaml, .yml and .json file below a folder, hidden ones left out.
  ///
  /// Never throws: what can't be read is a diagnostic.
  package static func load(_ path: String) -> ConfigFiles {
    var files = ConfigFiles()
    var isFolder: ObjCBool = false
    guard FileManager.default.fileExists(atPath: path, isDirectory: &isFolder) else {
      files.report("CFG_NO_FILE", path, 0, "there is no such file or folder", "check the path")
      return files
    }
    guard isFolder.boolValue else {
      files.read(path)
      return files
    }
    guard
      let walk = FileManager.default.enumerator(
        at: URL(filePath: path),
        includingPropertiesForKeys: nil,
        options: [.skipsHiddenFiles]
      )
    else {
      files.report("CFG_NO_FILE", path, 0, "the folder can't be read", "check its permissions")
      return files
    }
    let found = walk.compactMap { ($0 as? URL)?.path(percentEncoded: false) }
      .filter { ["yaml", "yml", "json"].contains(URL(filePath: $0).pathExtension) }
      .filter { !$0.hasSuffix("/") }
      .sorted()
    guard found.count <= maxFiles else {
      files.report(
        "CFG_TOO_LARGE",
        path,
        0,
        "\(found.count) files; at most \(maxFiles) are read",
        "apply parts of it"
      )
      return files
    }
    var total = 0
    for file in found {
      total += Self.size(of: file) ?? 0
      guard total <= maxTotalBytes else {
        files.report(
          "CFG_TOO_LARGE",
          path,
          0,
          "the files have more than \(maxTotalBytes) bytes together",
          "apply parts of it"
        )
        return files
      }
      files.read(file)
    }
    return files
  }

  /// The line of a value, or of the nearest one around it.
  package func line(of pointer: String, inDocumentAt source: String) -> Int? {
    lines[source].flatMap { YAMLDocument.line(of: pointer, in: $0) }
  }

  /// The diagnostic with the line of what its pointer names, where the files know it.
  package func located(_ diagnostic: Diagnostic) -> Diagnostic {
    // What is about the whole document stands at its start.
    guard !diagnostic.path.isEmpty,
      let line = line(of: diagnostic.path, inDocumentAt: diagnostic.source),
      let colon = diagnostic.source.lastIndex(of: ":")
    else { return diagnostic }
    var located = diagnostic
    located.source = "\(diagnostic.source[..<colon]):\(line)"
    return located
  }

  /// In bytes; nil for what is no regular file, such as a pipe, which could be read without end.
  private static func size(of path: String) -> Int? {
    do {
      let values = try URL(filePath: path).resolvingSymlinksInPath()
        .resourceValues(forKeys: [.isRegularFileKey, .fileSizeKey])
      return values.isRegularFile == true ? values.fileSize : nil
    } catch {
      return nil
    }
  }

  private mutating func read(_ path: String) {
    guard let size = Self.size(of: path) else {
      return report("CFG_NO_FILE", path, 0, "this is no file that can be read", "take it away")
    }
    guard size <= Self.maxFileBytes else {
      return report(
        "CFG_TOO_LARGE",
        path,
        0,
        "\(size) bytes; at most \(Self.maxFileBytes) are read",
        "split the file"
      )
    }
    guard let data = FileManager.default.contents(atPath: path) else {
      return report("CFG_NO_FILE", path, 0, "the file can't be read", "check its permissions")
    }
    guard let text = String(data: data, encoding: .utf8) else {
      return report("CFG_BAD_YAML", path, 1, "the file is not UTF-8", "save it as UTF-8")
    }
    let (documents, problems) =
      path.hasSuffix(".json") ? YAMLDocument.parse(json: text) : YAMLDocument.parse(text)
    for document in documents { add(document, in: path) }
    for problem in problems {
      report("CFG_BAD_YAML", path, problem.line, problem.message, problem.hint)
    }
  }

  private mutating func add(_ document: YAMLDocument, in path: String) {
    let source = "\(path):\(document.line)"
    guard case .object(let members) = document.value else {
      return report(
        "CFG_BAD_DOCUMENT",
        path,
        document.line,
        "the document is no mapping",
        "write kind:, tenant:, slug: and spec:"
      )
    }
    var isFine = true
    func line(_ key: String) -> Int { document.lines["/\(key)"] ?? document.line }
    for key in members.keys.sorted() where !["kind", "tenant", "slug", "spec"].contains(key) {
      isFine = false
      let near = nearest(to: key, among: ["kind", "tenant", "slug", "spec"])
      report(
        "CFG_UNKNOWN_KEY",
        path,
        line(key),
        "the key '\(key.prefix(40))' is unknown here",
        near.map { "did you mean '\($0)'?" } ?? "known are kind, tenant, slug and spec",
        pointer: "/\(key)"
      )
    }
    let kindText = members["kind"]?.stringValue ?? ""
    let kind = ObjectKind(rawValue: kindText)
    if kind == nil {
      isFine = false
      let names = ObjectKind.allCases.map(\.rawValue)
      report(
        "CFG_UNKNOWN_KIND",
        path,
        line("kind"),
        members["kind"] == nil ? "kind is missing" : "'\(kindText.prefix(40))' is no kind",
        nearest(to: kindText, among: names).map { "did you mean '\($0)'?" }
          ?? "known are \(names.joined(separator: ", "))",
        pointer: "/kind"
      )
    }
    let slug = members["slug"]?.stringValue ?? ""
    let tenant = members["tenant"]?.stringValue ?? (kind == .tenant ? slug : "")
    for (key, value) in [("slug", slug), ("tenant", tenant)] where !isSlug(value) {
      isFine = false
      report(
        "CFG_BAD_SLUG",
        path,
        line(key),
        members[key] == nil ? "\(key) is missing" : "'\(value.prefix(40))' is no slug",
        "use a-z, 0-9 and '-', at most 63, starting with a letter or digit",
        pointer: "/\(key)"
      )
    }
    if kind == .tenant, isSlug(slug), isSlug(tenant), slug != tenant {
      isFine = false
      report(
        "CFG_BAD_SLUG",
        path,
        line("tenant"),
        "a Tenant's tenant is its own slug",
        "leave tenant: out",
        pointer: "/tenant"
      )
    }
    if members["spec"]?.objectValue == nil {
      isFine = false
      report(
        "CFG_BAD_DOCUMENT",
        path,
        line("spec"),
        members["spec"] == nil ? "spec is missing" : "spec is no mapping",
        "write spec: and its keys",
        pointer: "/spec"
      )
    }
    guard isFine, let kind, let spec = members["spec"] else { return }
    let key = ObjectKey(kind: kind, tenant: tenant, slug: slug)
    if let other = sources[key] {
      return report(
        "CFG_DUPLICATE",
        path,
        document.line,
        "\(key) is written twice; the other one is at \(other)",
        "keep one of them"
      )
    }
    sources[key] = source
    lines[source] = Dictionary(
      uniqueKeysWithValues: document.lines.compactMap { pointer, line in
        pointer == "/spec" || pointer.hasPrefix("/spec/")
          ? (String(pointer.dropFirst(5)), line) : nil
      }
    )
    documents.append(AuthoredDocument(key: key, spec: spec, source: source))
  }

  private mutating func report(
    _ code: String,
    _ path: String,
    _ line: Int,
    _ message: String,
    _ hint: String,
    pointer: String = ""
  ) {
    diagnostics.append(
      Diagnostic(
        code: code,
        tier: .platform,
        slug: "",
        path: pointer,
        message: message,
        hint: hint,
        source: line > 0 ? "\(path):\(line)" : path
      )
    )
  }
}

/// `^[a-z0-9][a-z0-9-]{0,62}$`.
package func isSlug(_ text: String) -> Bool {
  guard (1 ... 63).contains(text.utf8.count), text.first != "-" else { return false }
  return text.utf8.allSatisfy {
    (UInt8(ascii: "a") ... UInt8(ascii: "z")).contains($0)
      || (UInt8(ascii: "0") ... UInt8(ascii: "9")).contains($0) || $0 == UInt8(ascii: "-")
  }
}

/// The known word that was probably meant: at most two edits away.
func nearest(to text: String, among known: [String]) -> String? {
  known.map { ($0, editDistance(text.lowercased(), $0.lowercased())) }
    .filter { $0.1 <= max(1, min(2, text.count / 3)) }
    .min { $0.1 < $1.1 }?.0
}

private func editDistance(_ a: String, _ b: String) -> Int {
  let (a, b) = (Array(a.prefix(64)), Array(b.prefix(64)))
  var row = Array(0 ... b.count)
  for i in a.indices {
    var diagonal = row[0]
    row[0] = i + 1
    for j in b.indices {
      let cost = min(row[j + 1] + 1, row[j] + 1, diagonal + (a[i] == b[j] ? 0 : 1))
      diagonal = row[j + 1]
      row[j + 1] = cost
    }
  }
  return row[b.count]
}
