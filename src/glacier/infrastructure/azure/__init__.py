"""Azure: Blob Storage, Container Apps jobs, Functions on Flex Consumption, role assignments with conditions."""
