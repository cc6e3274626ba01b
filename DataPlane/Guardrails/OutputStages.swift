internal import Domain
internal import Matching

/// One step of the way that a growing text takes through the rules. Lets go only what no rule of
/// the step can change any more.
protocol OutputStage: Sendable {
  /// Takes the next bytes, whole characters, and returns those that may go on; nil: blocked.
  mutating func pass(_ bytes: [UInt8]) -> [UInt8]?
}

enum OutputStages {
  /// The stages of output rules; nil: a rule needs the whole text.
  static func make(of steps: [GuardrailProgram.Step]) -> [any OutputStage]? {
    var blocks: [any Detector] = []
    var rewrites: [any OutputStage] = []
    for step in steps where step.severity != .log {
      switch (step.severity, step.matcher, step.rewriter.mode) {
      // Added at the end, after all that has left.
      case (.rewrite, .detector, .append), (.rewrite, .maxLength, .append),
        (.rewrite, .mustInclude, .append), (.rewrite, .topic, .append),
        (.rewrite, .language, .append):
        continue
      case (.rewrite, .maxLength(let most), .truncate):
        let shortening = Shortening(most: most, marker: step.rewriter.with ?? "…")
        rewrites.append(OutputHead(rest: shortening.head))
      case (_, .detector(let detector), let mode):
        guard step.rule.bound != nil, detector.searchesGrowingText else { return nil }
        if step.severity == .block {
          blocks.append(detector)
        } else if mode == .mask || mode == .replace {
          rewrites.append(OutputRewriting(detector: detector, rewriter: step.rewriter))
        } else {
          return nil
        }
      default: return nil
      }
    }
    guard !blocks.isEmpty else { return rewrites }
    let gate = OutputGate(blocks)
    return rewrites.isEmpty ? [gate] : [gate] + rewrites + [gate]
  }
}

/// Lets text pass until a block rule hits.
struct OutputGate: OutputStage {
  private let detectors: [any Detector]
  /// Up to where each detector has found nothing.
  private var clear: [Int]
  private var text: [UInt8] = []
  private var passed = 0

  init(_ detectors: [any Detector]) {
    self.detectors = detectors
    clear = detectors.map { _ in 0 }
  }

  mutating func pass(_ bytes: [UInt8]) -> [UInt8]? {
    text += bytes
    for (index, detector) in detectors.enumerated() {
      let step = text.withUnsafeBytes {
        detector.step(in: $0, from: clear[index], isComplete: false)
      }
      guard case .clear(let end) = step else { return nil }
      clear[index] = end
    }
    let end = clear.min() ?? text.count
    defer { passed = end }
    return Array(text[passed ..< end])
  }
}

/// Rewrites hits as they become certain.
struct OutputRewriting: OutputStage {
  private let detector: any Detector
  private let rewriter: Rewriter
  private var text: [UInt8] = []
  private var position = 0

  init(detector: any Detector, rewriter: Rewriter) {
    self.detector = detector
    self.rewriter = rewriter
  }

  mutating func pass(_ bytes: [UInt8]) -> [UInt8]? {
    text += bytes
    var free: [UInt8] = []
    while true {
      let step = text.withUnsafeBytes { detector.step(in: $0, from: position, isComplete: false) }
      switch step {
      case .hit(let hit, let resume):
        free += text[position ..< hit.lowerBound] + rewriter.replacement(for: text[hit])
        position = resume
      case .clear(let end):
        free += text[position ..< end]
        position = end
        return free
      }
    }
  }
}

/// Lets the first characters pass, and keeps the rest for the end.
struct OutputHead: OutputStage {
  /// Scalars that may still pass: no fewer than characters.
  var rest: Int

  mutating func pass(_ bytes: [UInt8]) -> [UInt8]? {
    let free = String(decoding: bytes, as: UTF8.self).unicodeScalars.prefix(rest)
    rest -= free.count
    return Array(String(free).utf8)
  }
}
