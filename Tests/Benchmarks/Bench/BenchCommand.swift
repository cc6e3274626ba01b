internal import ArgumentParser

/// `bindery-bench`: speed, as ratios against peers and floors that are measured in the same run.
@main
struct BenchCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "bindery-bench",
    abstract: "Measure Bindery side by side with peers and floors, in one run.",
    discussion: """
      Build with optimisation, and leave the machine alone meanwhile:

        Shared/Scripts/bench push      publish -> received and acknowledged by 100 and 1,000 watchers
        Shared/Scripts/bench turn      turns/s and added latency of a node on an instant model
        Shared/Scripts/bench transport gRPC calls/s, streams, fan-out and memory beside other servers
        Shared/Scripts/bench compile   100,000 bindings from cold, and after one edit
        Shared/Scripts/bench publish   start of the daemon, and publishes, with 100,000 bindings
        Shared/Scripts/bench store     the database pool beside pgbench and psql
        Shared/Scripts/bench resume    2,000 nodes after a kill of the control plane, 1% changed
        Shared/Scripts/bench herd      2,000 nodes at once, each in need of everything
        Shared/Scripts/bench lookup    100,000 bindings on a node: ready, memory, lookups

      Every server, publisher and crowd of clients is a process of its own. A ratio says more than
      a time: it stays when the machine changes.
      """,
    subcommands: [
      PushBench.self, TurnBench.self, TransportBench.self, CompileBench.self, PublishBench.self,
      StoreBench.self, ResumeBench.self, HerdBench.self, LookupBench.self, WatchLoad.self,
      FleetNodes.self, LookupServer.self, LookupNode.self,
      FanoutFloor.self,
      InstantModel.self, EchoServer.self, StreamLoad.self,
    ]
  )
}
