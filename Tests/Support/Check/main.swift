print("Check")
