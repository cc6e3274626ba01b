print("Fakes")
