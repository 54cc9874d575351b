"""Messages between device and edge server; generated from fusepath.proto by `make proto`."""
