"""What all tabs share: the page, its look, its parts, and what stands around them."""
