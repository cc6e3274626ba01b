print("CLI")
