"""What a certificate, the rules and the museum look like on a terminal, in a page, and side by side."""
