import Changelog
import Domain
import Foundation
import Subscription

extension Checker {
  /// A node holds the candidates that are for it and no others, and each person gets the arm that identity
  /// says: the candidate's within the cohort, on nodes of the step, and otherwise the binding's.
  func checkRollouts(_ node: Node, _ whole: StoreLine.Whole, _ held: StoreLine.Whole) throws {
    let image = node.state.image
    func fail(_ what: String) -> Violation {
      Violation(rule: .cohort, what: "node \(node.number) at \(image.revision): \(what)")
    }
    for (key, resource) in held {
      guard case .candidate = resource else { continue }
      guard whole[key] == resource else { throw fail("\(key) is not of this revision") }
    }
    for (key, resource) in whole where node.scope.admits(key.tenantID) {
      guard case .candidate(let candidate) = resource else { continue }
      let isFor = candidate.audience.includes(region: node.region, labels: node.labels)
      let isHeld = held[key] != nil
      let binding = ResourceKey.binding(candidate.tenantID, candidate.bindingID)
      if !isFor {
        guard !isHeld else { throw fail("\(key) is for other nodes") }
      } else if RolloutActions.isPoison(candidate) {
        guard !isHeld else { throw fail("\(key) can't be served") }
        guard node.scope.mode == .lazy || image.rejections[key]?.digest == candidate.digest else {
          throw Violation(
            rule: .rejection,
            what: "node \(node.number) does not say it refuses \(key)"
          )
        }
      } else if node.scope.mode == .eager || held[binding] != nil {
        // At another place than its copy was made at, it has none until it gets everything anew.
        guard isHeld || image.resumable == nil else { throw fail("\(key) is missing") }
      }
      guard let base = image.binding(candidate.bindingID) else { continue }
      for person in RolloutActions.people {
        let bucket = Cohort.bucket(
          of: person,
          on: "whatsapp",
          tenant: candidate.tenantID,
          in: candidate.rolloutID
        )
        let has = isHeld && bucket < candidate.basisPoints
        let found = image.binding(candidate.bindingID, for: person, on: "whatsapp")?.digest
        guard found == (has ? candidate.digest : base.digest) else {
          throw fail("a person in bucket \(bucket) gets the wrong arm of \(key)")
        }
      }
    }
    for (key, resource) in held {
      guard case .binding(let binding) = resource,
        whole[.candidate(binding.tenantID, binding.bindingID)] == nil
      else { continue }
      for person in RolloutActions.people {
        let found = image.binding(binding.bindingID, for: person, on: "whatsapp")?.digest
        guard found == image.binding(binding.bindingID)?.digest else {
          throw fail("somebody gets another form of \(key) without a rollout")
        }
      }
    }
  }
}
