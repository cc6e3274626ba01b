internal import ArgumentParser

/// The command line for authors and operators.
@main
struct BinderyCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "bindery",
    abstract: "Author and operate AI agents that talk to people.",
    discussion: """
      A binding is what a person talks to. It joins three versioned tiers: a human (persona), a team \
      (role, SOPs) and an agent (models, tools). Write them as YAML, apply them, and every node serves \
      the new version with its next turn.

        bindery validate -f config/            is it right? (needs no control plane)
        bindery plan -f config/                what would change
        bindery apply -f config/               change it
        bindery history team medicly/desk      who changed it, when and why
        bindery rollback team medicly/desk --to 3
        bindery rollout create -f config/ --step "10% for 10m" --step 100%
                                               change it for a part of the people first
        bindery get bindings                   what there is
        bindery chat sahayak/sahayak-pro-work  talk to it
        bindery tenant pause vakil --wait      stop it, everywhere, and know when
        bindery usage                          what it used
        bindery token create --role viewer …   let somebody in
        bindery audit --since 7d               who changed what
        bindery user export medicly --phone …  what is held of a person; user erase removes it

      Exit status: 0 done; 2 something differs, when asked for by --exit-code; 3 not confirmed by every \
      node; 4 a rollout was taken back; 64 wrong usage; 65 invalid configuration; \
      66 no such object; 69 the control plane can't be reached; 70 a fault in the control plane; \
      73 a file can't be written; 75 somebody else changed it meanwhile, look at it and try again; \
      77 refused: no access token, or one that may not.
      """,
    version: "bindery 0.1.0",
    subcommands: [
      ApplyCommand.self, PlanCommand.self, ValidateCommand.self, ExportCommand.self,
      GetCommand.self, HistoryCommand.self, DiffCommand.self, RollbackCommand.self,
      RolloutCommand.self, RetentionCommand.self, TenantCommand.self, NodesCommand.self,
      ChatCommand.self, UsageCommand.self, TokenCommand.self, AuditCommand.self,
      UserCommand.self,
      PricesCommand.self,
    ]
  )
}
