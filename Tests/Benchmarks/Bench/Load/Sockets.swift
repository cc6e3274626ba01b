internal import CEpoll
internal import Foundation

/// What failed, for people.
struct BenchFailure: Error, CustomStringConvertible {
  var description: String

  init(_ description: String) { self.description = description }

  /// The last failed system call.
  static func system(_ call: String) -> BenchFailure {
    BenchFailure("\(call): \(String(cString: strerror(errno)))")
  }
}

/// Plain TCP on loopback, as bare as it gets: the load must cost less than what it loads.
enum Sockets {
  static func connect(port: Int) throws -> Int32 {
    let descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
    guard descriptor >= 0 else { throw BenchFailure.system("socket") }
    var address = loopback(port)
    let done = withUnsafePointer(to: &address) {
      $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
        Glibc.connect(descriptor, $0, socklen_t(MemoryLayout<sockaddr_in>.size))
      }
    }
    guard done == 0 else {
      let failure = BenchFailure.system("connect to 127.0.0.1:\(port)")
      close(descriptor)
      throw failure
    }
    try prepare(descriptor)
    return descriptor
  }

  static func listen(port: Int) throws -> Int32 {
    let descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
    guard descriptor >= 0 else { throw BenchFailure.system("socket") }
    var on: Int32 = 1
    setsockopt(descriptor, SOL_SOCKET, SO_REUSEADDR, &on, socklen_t(MemoryLayout<Int32>.size))
    var address = loopback(port)
    let bound = withUnsafePointer(to: &address) {
      $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
        bind(descriptor, $0, socklen_t(MemoryLayout<sockaddr_in>.size))
      }
    }
    guard bound == 0, Glibc.listen(descriptor, 4096) == 0 else {
      throw BenchFailure.system("listen on 127.0.0.1:\(port)")
    }
    return descriptor
  }

  /// Whether somebody takes connections there.
  static func isListening(port: Int) -> Bool {
    guard let descriptor = try? connect(port: port) else { return false }
    close(descriptor)
    return true
  }

  static func prepare(_ descriptor: Int32) throws {
    var on: Int32 = 1
    setsockopt(
      descriptor,
      Int32(IPPROTO_TCP),
      TCP_NODELAY,
      &on,
      socklen_t(MemoryLayout<Int32>.size)
    )
    let flags = fcntl(descriptor, F_GETFL)
    guard fcntl(descriptor, F_SETFL, flags | O_NONBLOCK) == 0 else {
      throw BenchFailure.system("fcntl")
    }
  }

  /// Writes all of it, waiting for room where there is none.
  static func write(_ bytes: UnsafeRawBufferPointer, to descriptor: Int32) throws {
    var rest = bytes
    while !rest.isEmpty {
      let count = send(descriptor, rest.baseAddress, rest.count, Int32(MSG_NOSIGNAL))
      if count >= 0 {
        rest = UnsafeRawBufferPointer(rebasing: rest.dropFirst(count))
      } else if errno == EAGAIN {
        var waiting = pollfd(fd: descriptor, events: Int16(POLLOUT), revents: 0)
        poll(&waiting, 1, -1)
      } else if errno != EINTR {
        throw BenchFailure.system("write")
      }
    }
  }

  private static func loopback(_ port: Int) -> sockaddr_in {
    var address = sockaddr_in()
    address.sin_family = sa_family_t(AF_INET)
    address.sin_port = in_port_t(port).bigEndian
    address.sin_addr.s_addr = UInt32(0x7f00_0001).bigEndian
    return address
  }
}

/// One epoll instance.
final class Poller {
  private let descriptor: Int32
  private var events = [epoll_event](repeating: epoll_event(), count: 1024)

  init() throws {
    descriptor = epoll_create1(0)
    guard descriptor >= 0 else { throw BenchFailure.system("epoll_create1") }
  }

  deinit { close(descriptor) }

  func watch(_ watched: Int32, tag: Int) throws {
    var event = epoll_event()
    event.events = EPOLLIN.rawValue
    event.data.u64 = UInt64(tag)
    guard epoll_ctl(descriptor, EPOLL_CTL_ADD, watched, &event) == 0 else {
      throw BenchFailure.system("epoll_ctl")
    }
  }

  func unwatch(_ watched: Int32) { epoll_ctl(descriptor, EPOLL_CTL_DEL, watched, nil) }

  /// Calls `body` with the tag of each descriptor that can be read; returns how many that were.
  @discardableResult
  func wait(milliseconds: Int32, _ body: (Int) throws -> Void) throws -> Int {
    let count = epoll_wait(descriptor, &events, Int32(events.count), milliseconds)
    guard count >= 0 || errno == EINTR else { throw BenchFailure.system("epoll_wait") }
    for index in 0 ..< max(0, Int(count)) { try body(Int(events[index].data.u64)) }
    return max(0, Int(count))
  }
}
