/// One gRPC call on a connection of its own, which must not end.
final class LightCall {
  private let connection: LightConnection
  private let stream: LightStream

  init(port: Int, path: String) throws {
    connection = try LightConnection(port: port)
    stream = try connection.open(path)
    stream.onEnd = {
      throw BenchFailure("the call ended: status \($0.status ?? "-") \($0.statusMessage)")
    }
  }

  var descriptor: Int32 { connection.descriptor }

  /// Takes each message that comes.
  var onMessage: (UnsafeRawBufferPointer) throws -> Void {
    get { stream.onMessage }
    set { stream.onMessage = newValue }
  }

  func send(_ message: [UInt8]) throws { try connection.send(message, on: stream) }

  /// Reads what is there; returns how many bytes that were.
  @discardableResult
  func readable(_ scratch: UnsafeMutableRawBufferPointer) throws -> Int {
    try connection.readable(scratch)
  }
}
