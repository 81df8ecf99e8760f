"""Any speech recognition that takes a recording over HTTP and answers with its words."""
