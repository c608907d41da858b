"""Makes the web site of the documentation: ``python -m scripts.site``, or ``make site``."""
