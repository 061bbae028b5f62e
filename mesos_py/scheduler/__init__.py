"""The framework library's decisions (pure), and the toolkit for authors."""
