print("Daemon")
