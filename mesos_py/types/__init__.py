"""Values: ids, resources, attributes, tasks, offers; no behaviour beyond arithmetic."""
