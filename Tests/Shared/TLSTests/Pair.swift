import NIOCore
import TLS
import TLSSupport

/// One side of a connection that lives in arrays.
struct Side {
  let session: TLSSession
  var plaintext = ByteBuffer()
  var failure: TLSFailure?

  init(_ context: TLSContext, serverName: String? = nil) throws {
    session = try TLSSession(context: context, serverName: serverName)
  }

  mutating func receive(_ bytes: some Collection<UInt8>) {
    guard failure == nil else { return }
    do throws(TLSFailure) {
      try session.receive(ByteBuffer(bytes: bytes), into: &plaintext)
    } catch {
      failure = error
    }
  }

  func send(_ bytes: [UInt8]) throws {
    try session.send(ByteBuffer(bytes: bytes))
  }

  mutating func start() {
    do throws(TLSFailure) { try session.start() } catch { failure = error }
  }

  func takeOutput() -> [UInt8] {
    session.takeOutput().map { Array($0.readableBytesView) } ?? []
  }

  mutating func takePlaintext() -> [UInt8] {
    defer { plaintext.clear() }
    return Array(plaintext.readableBytesView)
  }
}

/// Our client and our server, joined by arrays.
struct Pair {
  var client: Side
  var server: Side

  init(_ client: TLSContext, _ server: TLSContext, serverName: String = "localhost") throws {
    self.client = try Side(client, serverName: serverName)
    self.server = try Side(server)
  }

  /// Carries bytes until nobody has more to say, in pieces of at most `piece`.
  mutating func pump(piece: Int = .max) {
    client.start()
    while true {
      let up = client.takeOutput()
      for bytes in pieces(up, piece) { server.receive(bytes) }
      let down = server.takeOutput()
      for bytes in pieces(down, piece) { client.receive(bytes) }
      if up.isEmpty, down.isEmpty { return }
    }
  }
}

func pieces(_ bytes: [UInt8], _ size: Int) -> [ArraySlice<UInt8>] {
  guard !bytes.isEmpty else { return [] }
  return stride(from: 0, to: bytes.count, by: min(size, bytes.count)).map {
    bytes[$0 ..< min(bytes.count, $0 + min(size, bytes.count))]
  }
}

/// Carries bytes between our side and another program's until nobody has more to say.
func pump(_ side: inout Side, _ peer: RawPeer) -> [UInt8] {
  side.start()
  var received = peer.receive([])
  while true {
    let toSide = peer.takeOutput()
    side.receive(toSide)
    let toPeer = side.takeOutput()
    if !toPeer.isEmpty { received += peer.receive(toPeer) }
    if toSide.isEmpty, toPeer.isEmpty { return received }
  }
}

extension TestAuthority {
  func server(
    _ files: Files,
    clients: TLSRole.ClientCertificates = .none
  ) throws -> TLSContext {
    try TLSContext(
      role: .server(clients),
      credentials: TLSCredentials(
        certificate: files.certificate,
        key: files.key,
        trustRoots: clients == .none ? nil : rootFile
      )
    )
  }

  func client(_ files: Files? = nil, trusting roots: String? = nil) throws -> TLSContext {
    try TLSContext(
      role: .client,
      credentials: TLSCredentials(
        certificate: files?.certificate,
        key: files?.key,
        trustRoots: roots ?? rootFile
      )
    )
  }
}
