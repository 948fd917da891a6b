"""What others put around a kernel's text: stamps of logs, markup of pages, JSON of tools, lines joined or numbered."""
