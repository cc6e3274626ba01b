internal import Domain
internal import Foundation

/// One numbered step of the schema, shipped in the program.
package struct Migration: Sendable {
  package let number: Int
  package let name: String
  package let sql: String

  /// SHA-256 of the text, so that an edited old one is noticed.
  package var checksum: String { Digest(of: Data(sql.utf8)).hex }

  init(_ number: Int, _ name: String, _ bytes: [UInt8]) {
    self.number = number
    self.name = name
    sql = String(decoding: bytes, as: UTF8.self)
  }

  /// In order of their numbers. Never edit one that has been released: add another.
  package static let all: [Migration] = [
    Migration(1, "target_schema", PackageResources.m0001_target_schema_sql),
    Migration(2, "tenancy", PackageResources.m0002_tenancy_sql),
    Migration(3, "configuration", PackageResources.m0003_configuration_sql),
    Migration(4, "conversations", PackageResources.m0004_conversations_sql),
    Migration(5, "ledger", PackageResources.m0005_ledger_sql),
    Migration(6, "erasure", PackageResources.m0006_erasure_sql),
    Migration(
      7,
      "roles_and_row_security",
      PackageResources.m0007_roles_and_row_security_sql
    ),
    Migration(
      8,
      "functions_across_tenants",
      PackageResources.m0008_functions_across_tenants_sql
    ),
    Migration(9, "accept_and_begin", PackageResources.m0009_accept_and_begin_sql),
    Migration(10, "commit_and_claim", PackageResources.m0010_commit_and_claim_sql),
    Migration(11, "turn_time", PackageResources.m0011_turn_time_sql),
    Migration(12, "access_tokens", PackageResources.m0012_access_tokens_sql),
    Migration(13, "audit", PackageResources.m0013_audit_sql),
    Migration(14, "versions", PackageResources.m0014_versions_sql),
    Migration(15, "retention", PackageResources.m0015_retention_sql),
    Migration(16, "audit_of_the_past", PackageResources.m0016_audit_of_the_past_sql),
    Migration(17, "switches_and_tokens", PackageResources.m0017_switches_and_tokens_sql),
    Migration(18, "compiler_generations", PackageResources.m0018_compiler_generations_sql),
    Migration(19, "fleet", PackageResources.m0019_fleet_sql),
    Migration(20, "erasure_of_people", PackageResources.m0020_erasure_of_people_sql),
    Migration(21, "line_of_one_past", PackageResources.m0021_line_of_one_past_sql),
    Migration(22, "retention_in_batches", PackageResources.m0022_retention_in_batches_sql),
    Migration(23, "changelog_by_key", PackageResources.m0023_changelog_by_key_sql),
    Migration(24, "rollouts", PackageResources.m0024_rollouts_sql),
    Migration(26, "forms_and_late_billing", PackageResources.m0026_forms_and_late_billing_sql),
  ]
}
