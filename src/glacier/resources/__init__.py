"""What a user holds: cloud-neutral resources, each made by a provider."""
