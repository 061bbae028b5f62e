"""What the shipped frameworks cost: each module runs the same work with and without the cluster."""
