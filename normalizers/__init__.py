"""Pure rules shared by all channels: a Draft in, a Complaint out; one file per kind of fact."""
