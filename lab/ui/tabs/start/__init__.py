"""The tab Start, which lists the others: `tab.front` makes its record from theirs."""
