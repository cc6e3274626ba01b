print("Node")
