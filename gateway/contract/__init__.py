"""All that an adapter may see of the gateway: values, ports and the ways to fail. Pure: no I/O, no vendor, no clock."""
