"""What scenarios share: how machines are made, become a cluster and end, and what their tests ask hosts."""
