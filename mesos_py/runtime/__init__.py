"""The shell that every daemon shares: loop, mailbox, ports."""
