"""Who is offered what (pure)."""
