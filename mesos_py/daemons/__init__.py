"""Composition roots: configuration, adapters, mailbox, run."""
