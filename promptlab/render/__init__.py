"""What a run looks like: panes, lines, documents, JSON. All are sinks, or made of what sinks gathered."""
